//! One order to several instances: posted, waited for, and made up for those that are stuck or gone.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::actor::address::Handle;
use crate::actor::instance::Instance;
use crate::actor::node::Node;
use crate::patch::order::{Order, Progress, Reply, Stage};
use crate::patch::outcome::{InstanceReport, Status};

/// How long an instance may take to come to an order before the others are told without it.
const QUIET: Duration = Duration::from_secs(2);
/// How far beyond its limit an order may run: what it does around the patch's own code has no limit of its own.
const MARGIN: Duration = Duration::from_secs(1);
/// How often it is looked whether anybody is still to be waited for.
const TICK: Duration = Duration::from_millis(50);

/// How long an instance may be at an order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The patch's own code.
    pub time_limit: Duration,
    /// Waiting for a suspended old body.
    pub in_flight_wait: Duration,
}

/// One order, and how it is spoken of.
pub(super) struct Round<'a> {
    /// The hall.
    pub node: &'a Node,
    /// See there.
    pub limits: Limits,
    /// Makes the order for one instance.
    pub order: &'a (dyn Fn(Reply, Arc<Progress>) -> Order + Sync),
    /// What the instance works on: `patch`.
    pub noun: &'a str,
    /// What becomes of the order in an instance that has not come to it; a clause.
    pub pending: &'a str,
}

/// What the instances said.
pub(super) struct Answers {
    /// One report for each, by rising handle.
    pub reports: Vec<InstanceReport>,
    /// The handles of those that live and have not answered.
    pub lost: HashSet<u32>,
    /// Brings the answers of those.
    pub late: UnboundedReceiver<InstanceReport>,
}

/// An order in one instance.
struct Errand<'a> {
    instance: &'a Arc<Instance>,
    progress: Arc<Progress>,
    posted: Instant,
}

/// Why an answer is not waited for any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Ended,
    /// It has been in one message all the time.
    Busy,
    /// It may be idle, or wait for a thread; it has not come to the order anyway.
    Unreached,
    /// At the order for too long.
    Stuck(Duration),
    Waits(Duration),
}

impl Round<'_> {
    /// Posts the order to each instance and waits for the answers. `lost`: those that are known not to answer; they get the order as well.
    pub async fn ask(&self, instances: &[Arc<Instance>], lost: &HashSet<u32>) -> Answers {
        let (answer, mut answers) = unbounded_channel();
        let post = |instance| {
            let answer = answer.clone();
            let progress = Arc::new(Progress::default());
            // Nobody may listen any more.
            let reply = Box::new(move |report| drop(answer.send(report)));
            let order = (self.order)(reply, progress.clone());
            // An instance that has just ended drops the order, and with it the reply.
            let _ = self.node.post_job(instance, Box::new(order));
            Errand {
                instance,
                progress,
                posted: Instant::now(),
            }
        };
        let errands: Vec<Errand<'_>> = instances.iter().map(post).collect();
        drop(answer);
        let mut reports = HashMap::new();
        let mut last_sign = Instant::now();
        loop {
            match tokio::time::timeout(TICK, answers.recv()).await {
                Ok(Some(report)) => {
                    last_sign = Instant::now();
                    reports.insert(report.handle, report);
                }
                Ok(None) => break,
                Err(_) => {
                    let known = |handle: u32| reports.contains_key(&handle) || lost.contains(&handle);
                    let mut awaited = errands.iter().filter(|errand| !known(errand.handle()));
                    if awaited.all(|errand| errand.trouble(self.limits, last_sign).is_some()) {
                        break;
                    }
                }
            }
        }
        while let Ok(report) = answers.try_recv() {
            reports.insert(report.handle, report);
        }
        let missing = errands.iter().filter(|errand| !reports.contains_key(&errand.handle()));
        let made_up: Vec<InstanceReport> = missing.map(|errand| self.timed_out(errand, last_sign)).collect();
        let alive = |report: &&InstanceReport| self.node.registry().get(Handle(report.handle)).is_some();
        let lost = made_up.iter().filter(alive).map(|report| report.handle).collect();
        let mut reports: Vec<InstanceReport> = reports.into_values().chain(made_up).collect();
        reports.sort_by_key(|report| report.handle);
        Answers {
            reports,
            lost,
            late: answers,
        }
    }

    fn timed_out(&self, errand: &Errand<'_>, last_sign: Instant) -> InstanceReport {
        let (noun, pending) = (self.noun, self.pending);
        let quiet = QUIET.as_secs();
        let why = match errand.trouble(self.limits, last_sign).unwrap_or(Trouble::Unreached) {
            Trouble::Ended => "it ended before it had answered".to_owned(),
            Trouble::Busy => format!("it has been busy for {quiet} s; {pending}"),
            Trouble::Unreached => format!("it has not come to the {noun} within {quiet} s; {pending}"),
            Trouble::Stuck(time) => format!(
                "it is stuck inside the {noun} for {:.0} s now, though hotfix.time_limit is {:?}; it cannot be interrupted there \
                 (a long call of Lua's own C code, a finaliser, a very large heap)",
                time.as_secs_f64(),
                self.limits.time_limit
            ),
            Trouble::Waits(time) => format!(
                "it has waited for a suspended old body for {:.0} s, though hotfix.in_flight_wait is {:?}",
                time.as_secs_f64(),
                self.limits.in_flight_wait
            ),
        };
        InstanceReport {
            error: Some(why),
            ..InstanceReport::new(errand.handle(), Status::TimedOut)
        }
    }
}

impl Errand<'_> {
    fn handle(&self) -> u32 {
        self.instance.identity.handle.0
    }

    /// Why its answer is not waited for any longer, if it is not. `last_sign`: when an instance answered last.
    fn trouble(&self, limits: Limits, last_sign: Instant) -> Option<Trouble> {
        let beyond = |since: Instant, limit: Duration| Some(since.elapsed()).filter(|time| *time >= limit + MARGIN);
        match self.progress.stage() {
            _ if !self.instance.mailbox.is_open() => Some(Trouble::Ended),
            Stage::Running(since) => beyond(since, limits.time_limit).map(Trouble::Stuck),
            Stage::Waiting(since) => beyond(since, limits.in_flight_wait).map(Trouble::Waits),
            Stage::Queued if self.posted.elapsed() < QUIET => None,
            // An order overtakes every message, so this is one that it was in when the order came.
            Stage::Queued if self.instance.is_running() => Some(Trouble::Busy),
            // A thousand instances take their time on few threads, as long as they go on.
            Stage::Queued => (last_sign.elapsed() >= QUIET).then_some(Trouble::Unreached),
        }
    }
}

#[cfg(test)]
mod tests {
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
    use crate::patch::order::{Order, Progress, Rollback};
    use crate::patch::outcome::{InstanceReport, Status};

    const LIMITS: Limits = Limits {
        time_limit: Duration::from_secs(10),
        in_flight_wait: Duration::from_secs(20),
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
        running.begin();
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
        };
        std::thread::sleep(super::MARGIN);
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
        let round = Round {
            node: &node,
            limits: LIMITS,
            order: &order,
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
}
