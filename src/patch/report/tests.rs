//! Tests of the report: its lines are those of the contract.

use super::{Deed, Delivery};
use crate::patch::outcome::{FunctionChange, InstanceReport, Status, Text};

fn report(handle: u32, status: Status) -> InstanceReport {
    let text = Text {
        file: "f".into(),
        line: 1,
        text: String::new(),
    };
    let function = FunctionChange {
        name: "f".into(),
        holders: 2,
        old: Some(text.clone()),
        new: text,
    };
    let applied = status == Status::Applied;
    InstanceReport {
        error: (!status.is_live()).then(|| "hotfix/s/x.lua:3: boom".into()),
        functions: if applied { vec![function] } else { Vec::new() },
        micros: 400,
        ..InstanceReport::new(handle, status)
    }
}

fn told(reports: &[InstanceReport]) -> (Status, String, String) {
    let deed = Deed::Apply {
        id: 1,
        sha256: "3fa9c0ffee00aaaa",
        by: None,
    };
    let delivery = Delivery { deed, reports };
    (delivery.status(), delivery.summary(), delivery.details())
}

#[test]
fn the_summaries_are_those_of_the_contract() {
    use Status::{Applied, Failed, NoEffect, Rejected, Unchanged};
    let one = |status| told(&[report(10, status)]).1;
    assert_eq!(
        one(Applied),
        "applied to 1 of 1 instance: 1 function, 2 holders, 0.4 ms (patch 1, sha256 3fa9c0ffee00…)"
    );
    assert_eq!(one(Unchanged), "unchanged: these bytes are live already");
    assert!(one(NoEffect).starts_with("had no effect: "));
    assert_eq!(one(Rejected), "rejected: hotfix/s/x.lua:3: boom");
    assert_eq!(one(Failed), "failed and undone: hotfix/s/x.lua:3: boom");
}

#[test]
fn each_failing_instance_is_named() {
    let (status, summary, details) = told(&[
        report(10, Status::Applied),
        report(11, Status::Failed),
        report(12, Status::Unchanged),
    ]);
    assert_eq!(status, Status::Applied);
    assert!(
        summary.starts_with("applied to 2 of 3 instances: 1 function, 2 holders"),
        "{summary}"
    );
    assert_eq!(details, "  :0000000b failed and undone: hotfix/s/x.lua:3: boom\n");
}

#[test]
fn one_failure_outweighs_no_effect() {
    assert_eq!(
        told(&[report(1, Status::NoEffect), report(2, Status::Failed)]).0,
        Status::Failed
    );
    assert_eq!(told(&[]).0, Status::TimedOut);
}

#[test]
fn an_effect_is_never_nothing() {
    let applied = |change: fn(&mut InstanceReport)| {
        let mut report = InstanceReport::new(10, Status::Applied);
        change(&mut report);
        let summary = told(&[report]).1;
        let effect = summary.strip_prefix("applied to 1 of 1 instance: ").map(str::to_owned);
        effect.and_then(|effect| Some(effect.split_once(", 0.0 ms")?.0.to_owned()))
    };
    for (change, effect) in [
        ((|r| r.values = 1) as fn(&mut InstanceReport), "1 value"),
        (|r| r.output = "a\nb\n".into(), "printed 2 lines"),
        (|r| r.notes = vec!["kept".into()], "no function and no value"),
        (|_| {}, "only messages and timers"),
    ] {
        assert_eq!(applied(change).as_deref(), Some(effect));
    }
}

#[test]
fn a_plan_speaks_of_what_would_be() {
    use Status::{Applied, NoEffect, Rejected, TimedOut, Unchanged};
    let plan = |reports: &[InstanceReport]| {
        let deed = Deed::Check;
        Delivery { deed, reports }.summary()
    };
    let one = |status| plan(&[report(10, status)]);
    assert_eq!(
        one(Applied),
        "would be applied to 1 of 1 instance: 1 function, 2 holders"
    );
    assert_eq!(one(Unchanged), "would be unchanged: these bytes are live already");
    assert!(one(NoEffect).starts_with("would have no effect: "));
    assert_eq!(one(Rejected), "would be rejected: hotfix/s/x.lua:3: boom");
    assert!(one(TimedOut).starts_with("cannot be told: "));
    assert_eq!(
        plan(&[InstanceReport::new(10, Applied)]),
        "would be applied to 1 of 1 instance: no function and no value"
    );
}

#[test]
fn a_rollback_names_its_patches_and_who_did_it() {
    use Status::{Applied, Rejected, Unchanged};
    let told = |ids: &[u64], reports: &[InstanceReport]| {
        let deed = Deed::Rollback { ids, by: "alice" };
        Delivery { deed, reports }.summary()
    };
    assert_eq!(
        told(&[7], &[report(10, Applied), report(11, Unchanged)]),
        "rolled back in 2 of 2 instances: 1 function, 2 holders, 0.4 ms (patch 7, by alice)"
    );
    assert_eq!(
        told(&[7, 5], &[report(10, Unchanged)]),
        "rolled back: it was live in no instance (patches 7, 5, by alice)"
    );
    assert_eq!(
        told(&[7], &[report(10, Rejected)]),
        "not rolled back: hotfix/s/x.lua:3: boom (patch 7, by alice)"
    );
    assert_eq!(
        told(&[7], &[]),
        "rolled back: no instance is running (patch 7, by alice)"
    );
}
