//! What strangers cannot do: peers, web pages, other users of the machine, and whoever names a file.

mod folders;
mod http;
mod paths;
mod plain;
