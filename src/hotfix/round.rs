//! One order to several instances: posted, waited for, and made up for those that are stuck or gone.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tracing::info;

use crate::actor::address::Handle;
use crate::actor::instance::Instance;
use crate::actor::node::Node;
use crate::hotfix::asker::{Advance, Asker};
use crate::patch::order::{Order, Progress, Reply, Stage};
use crate::patch::outcome::{InstanceReport, Status};

/// How long an instance may take to come to an order before the others are told without it.
const QUIET: Duration = Duration::from_secs(2);
/// How long an instance may take for what it does around the patch's own code: the larger its heap, the longer.
const OWN_WORK: Duration = Duration::from_secs(30);
/// How far beyond its limit anything may go: it is not stopped to the millisecond.
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
    /// Starting anew in place.
    pub restart_limit: Duration,
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
    /// Who is told how far it is.
    pub asker: &'a Asker,
    /// Whom it is for, as messages name it: `simpledb/x.lua`.
    pub what: &'a str,
    /// What becomes of the order in an instance that has not come to it; a clause.
    pub pending: &'a str,
}

/// Until people are told how far it is, and then again, in the log.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same for whoever asked.
const SHORT_PATIENCE: Duration = Duration::from_millis(100);

/// What the instances said.
pub(super) struct Answers {
    /// One report for each, by rising handle.
    pub reports: Vec<InstanceReport>,
    /// The handles of those that live and have not answered.
    pub lost: HashSet<u32>,
    /// Brings the answers of those.
    pub late: UnboundedReceiver<InstanceReport>,
}

/// Tells how far it is, now and then.
struct Herald<'a> {
    round: &'a Round<'a>,
    all: usize,
    logged: Instant,
    told: Instant,
}

impl<'a> Herald<'a> {
    fn new(round: &'a Round<'a>, all: usize) -> Herald<'a> {
        let now = Instant::now();
        Herald {
            round,
            all,
            logged: now,
            told: now,
        }
    }

    fn tell(&mut self, done: usize) {
        let now = Instant::now();
        if done == self.all || now - self.told < SHORT_PATIENCE {
            return;
        }
        self.told = now;
        let (what, all) = (self.round.what, self.all);
        self.round.asker.tell(Advance {
            what: what.to_owned(),
            done,
            all,
        });
        if now - self.logged >= PATIENCE {
            self.logged = now;
            info!("[hotfix] {what}: {} so far: {done} of {all} instances", self.round.noun);
        }
    }
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
    Starts(Duration),
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
        let mut herald = Herald::new(self, errands.len());
        loop {
            herald.tell(reports.len());
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
            Trouble::Starts(time) => format!("its start function has not returned for {:.0} s", time.as_secs_f64()),
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
            Stage::Working(since) => beyond(since, OWN_WORK).map(Trouble::Stuck),
            Stage::Running(since) => beyond(since, limits.time_limit.max(QUIET - MARGIN)).map(Trouble::Stuck),
            Stage::Waiting(since) => beyond(since, limits.in_flight_wait).map(Trouble::Waits),
            Stage::Starting(since) => beyond(since, limits.restart_limit).map(Trouble::Starts),
            Stage::Queued if self.posted.elapsed() < QUIET => None,
            // An order overtakes every message, so this is one that it was in when the order came.
            Stage::Queued if self.instance.is_running() => Some(Trouble::Busy),
            // A thousand instances take their time on few threads, as long as they go on.
            Stage::Queued => (last_sign.elapsed() >= QUIET).then_some(Trouble::Unreached),
        }
    }
}

#[cfg(test)]
mod tests;
