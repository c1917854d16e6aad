//! Tests of a round: whom it waits for, and how long.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Errand, Limits, Round, Trouble};
use crate::actor::address::Handle;
use crate::actor::instance::{Actor, Instance, Next};
use crate::actor::mailbox::Job;
use crate::actor::message::Message;
use crate::actor::node::{Node, Spawn};
use crate::actor::workers::Workers;
use crate::hotfix::asker::Asker;
use crate::patch::order::{Order, Progress, Rollback};
use crate::patch::outcome::{InstanceReport, Status};

const LIMITS: Limits = Limits {
    time_limit: Duration::from_secs(10),
    in_flight_wait: Duration::from_secs(20),
    restart_limit: Duration::from_secs(30),
};

/// Answers, or begins and keeps the order for ever.
struct Fake {
    own: u32,
    answers: bool,
    kept: Vec<Job>,
}

impl Actor for Fake {
    fn message(&mut self, _message: Message) -> Next {
        Next::Continue
    }

    fn job(&mut self, job: Job) -> Next {
        if !self.answers {
            self.kept.push(job);
        } else if let Ok(order) = job.downcast::<Order>()
            && let Order::Rollback { reply, .. } = *order
        {
            reply(InstanceReport::new(self.own, Status::Applied));
        }
        Next::Continue
    }

    fn end(&mut self) -> Vec<(Handle, u32)> {
        Vec::new()
    }
}

fn instance(node: &Node, answers: bool) -> Arc<Instance> {
    let spawn = Spawn {
        handle: None,
        service: "svc".into(),
        args: String::new(),
        listed: true,
    };
    node.spawn(spawn, |own| {
        Box::new(Fake {
            own: own.0,
            answers,
            kept: Vec::new(),
        })
    })
}

#[test]
fn whoever_has_begun_has_its_limits() {
    let node = Node::new().expect("a thread");
    let instance = instance(&node, true);
    let errand = |seconds, progress| Errand {
        instance: &instance,
        progress: Arc::new(progress),
        posted: Instant::now()
            .checked_sub(Duration::from_secs(seconds))
            .expect("a past"),
    };
    let long_ago = Instant::now().checked_sub(Duration::from_secs(5)).expect("a past");
    let (queued, running, waiting) = (Progress::default(), Progress::default(), Progress::default());
    running.run();
    waiting.wait();
    assert_eq!(errand(1, Progress::default()).trouble(LIMITS, long_ago), None);
    assert_eq!(errand(3, queued).trouble(LIMITS, long_ago), Some(Trouble::Unreached));
    assert_eq!(
        errand(3, Progress::default()).trouble(LIMITS, Instant::now()),
        None,
        "others go on"
    );
    let running = errand(3, running);
    let waiting = errand(3, waiting);
    assert_eq!(running.trouble(LIMITS, long_ago), None);
    assert_eq!(waiting.trouble(LIMITS, long_ago), None);
    let none = Limits {
        time_limit: Duration::ZERO,
        in_flight_wait: Duration::ZERO,
        restart_limit: Duration::ZERO,
    };
    std::thread::sleep(super::QUIET);
    assert!(matches!(running.trouble(none, long_ago), Some(Trouble::Stuck(_))));
    assert!(matches!(waiting.trouble(none, long_ago), Some(Trouble::Waits(_))));
    instance.mailbox.close();
    assert_eq!(running.trouble(LIMITS, long_ago), Some(Trouble::Ended));
    node.stop_threads();
}

#[tokio::test]
async fn the_others_are_told_without_the_one_that_does_not_answer() {
    let node = Node::new().expect("a thread");
    Workers::start(&node, 1).expect("a thread");
    let instances = [true, false, true].map(|answers| instance(&node, answers));
    let order = |reply, progress| Order::Rollback {
        rollback: Arc::new(Rollback {
            ids: vec![1],
            dry: true,
        }),
        reply,
        progress,
    };
    let asker = Asker::patient("somebody");
    let round = Round {
        node: &node,
        limits: LIMITS,
        order: &order,
        asker: &asker,
        what: "svc/x.lua",
        noun: "rollback",
        pending: "it is pending",
    };
    let began = Instant::now();
    let answers = round.ask(&instances, &HashSet::new()).await;
    assert!(began.elapsed() >= super::QUIET);
    let statuses: Vec<Status> = answers.reports.iter().map(|report| report.status).collect();
    assert_eq!(statuses, [Status::Applied, Status::TimedOut, Status::Applied]);
    let silent = instances[1].identity.handle.0;
    assert_eq!(answers.lost, HashSet::from([silent]));
    let why = answers.reports[1].error.as_deref().unwrap_or_default();
    assert_eq!(why, "it has not come to the rollback within 2 s; it is pending");

    let began = Instant::now();
    let again = round.ask(&instances, &answers.lost).await;
    assert!(began.elapsed() < super::QUIET, "nobody waits for it twice");
    assert_eq!(again.lost, answers.lost);
    node.stop_threads();
}
