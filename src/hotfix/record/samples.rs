//! Patches for the tests of the post room.

use super::{Event, EventKind, Function, Instance, Intake, Origin, Outcome, Source, Subject, Target, Verdict, sha256};
use crate::patch::outcome::Status;

/// A dropped patch for all instances.
pub fn intake(service: &str, name: &str, bytes: &[u8]) -> Intake {
    Intake {
        service: service.to_owned(),
        name: name.to_owned(),
        bytes: bytes.to_owned(),
        sha256: sha256(bytes),
        previous: None,
        by: "alice".to_owned(),
        reason: Some("coins doubled".to_owned()),
        origin: Origin::Dropped,
        target: Target::All,
    }
}

/// A verdict with something in each field.
pub fn verdict(status: Status) -> Verdict {
    Verdict {
        status,
        summary: "applied to 1 of 1 instance".to_owned(),
        error: (!status.is_live()).then(|| "x.lua:3: no".to_owned()),
        ms: 0.5,
        diff: "-old\n+new\n".to_owned(),
        instances: vec![Instance {
            handle: ":0000000a".to_owned(),
            status,
            ms: 0.25,
            error: None,
            traceback: None,
        }],
        functions: vec![Function {
            name: "command.do_test".to_owned(),
            holders: 2,
        }],
        warnings: vec!["`coinz` has never been set".to_owned()],
        sources: vec![Source {
            file: "services/simpledb.lua".to_owned(),
            sha256: sha256(b"source"),
        }],
    }
}

/// Something that bob did.
pub fn event(kind: EventKind, subject: Subject) -> Event {
    Event {
        kind,
        subject,
        by: "bob".to_owned(),
        reason: None,
        outcome: Outcome::default(),
    }
}
