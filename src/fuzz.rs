//! Everything that reads bytes of others, given any bytes at all: it must neither panic nor hang, and what it says of them must be true.
//!
//! Each module is one reader and its `examine`. The fuzz targets call these, and the tests here give them their seeds (`fuzz/seeds`), whole
//! and damaged. A crash that was found becomes a seed.

pub mod config;
pub mod console;
pub mod dump;
pub mod header;
pub mod plan;
pub mod request;
pub mod source;
pub mod unpack;

#[cfg(test)]
mod tests;
