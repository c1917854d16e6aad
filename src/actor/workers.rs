//! The worker threads. Services run on threads of their own, apart from the async ones of console and control socket, so that Lua
//! code that never returns can take a worker away but never the operator's desk.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::actor::instance::Turn;
use crate::actor::node::Node;

/// The threads themselves.
pub struct Workers {
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts `count` threads that run the node's instances until [`Node::stop_threads`].
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn start(node: &Arc<Node>, count: usize) -> std::io::Result<Workers> {
        let mut threads = Vec::with_capacity(count);
        for number in 0..count {
            let node = node.clone();
            let work = move || {
                while let Some(instance) = node.queue().next() {
                    match instance.run_turn() {
                        Turn::Over => {}
                        Turn::Again => node.queue().push(instance),
                        Turn::Ended(orphans) => node.bury(&instance, orphans),
                    }
                }
            };
            threads.push(
                std::thread::Builder::new()
                    .name(format!("worker-{number}"))
                    .spawn(work)?,
            );
        }
        Ok(Workers { threads })
    }

    /// Waits until every thread that is not stuck in Lua code has ended, at most `patience`; the number that have not.
    pub fn join(self, patience: Duration) -> usize {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline && self.threads.iter().any(|t| !t.is_finished()) {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.threads.into_iter().filter(|t| !t.is_finished()).count()
    }
}
