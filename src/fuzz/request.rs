//! What comes by the control socket.

use tokio::runtime::Builder;

use crate::control::line::one_line;
use crate::control::socket::request;

/// The largest file that may come.
const MAX_PATCH: u64 = 1000;

/// Whether it is a command of one line, perhaps with a whole file; otherwise a sentence says why not.
pub fn examine(bytes: &[u8]) -> bool {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    match runtime.block_on(request(bytes, MAX_PATCH)) {
        Ok((line, upload)) => {
            assert!(one_line(line.as_bytes()).is_ok());
            if let Some(upload) = upload {
                assert!(upload.bytes.len() as u64 <= MAX_PATCH);
                let behind = bytes.splitn(2, |byte| *byte == b'\n').nth(1).unwrap_or_default();
                assert!(behind.starts_with(&upload.bytes));
            }
            true
        }
        Err(why) => {
            assert!(!why.is_empty());
            false
        }
    }
}
