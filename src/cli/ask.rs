//! The commands that ask the node that runs: each becomes a line as on the console, and perhaps a file that goes with it.

use std::path::PathBuf;

use clap::Args;

/// What the node is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The line.
    pub line: String,
    /// The file that goes with it.
    pub file: Option<File>,
    /// The answer is wanted as JSON.
    pub json: bool,
}

/// A file that goes with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where it is, as typed.
    pub path: PathBuf,
    /// What `...` is in it.
    pub args: Vec<String>,
}

/// How the answer looks.
#[derive(Args, Clone, Debug)]
pub struct Output {
    /// Print one JSON document instead of text
    #[arg(long)]
    json: bool,
}

/// The options of `hotlua list`.
#[derive(Args, Clone, Debug)]
pub struct List {
    #[command(flatten)]
    output: Output,
}

/// The options of `hotlua inject`.
#[derive(Args, Clone, Debug)]
pub struct Inject {
    /// A service, or one instance by its handle (:0000000a) or name (.db)
    target: String,
    /// The patch file
    file: PathBuf,
    /// What `...` is in the patch; those that begin with `-` stand behind `--`
    #[arg(allow_negative_numbers = true)]
    args: Vec<String>,
    #[command(flatten)]
    output: Output,
}

/// The options of `hotlua check`.
#[derive(Args, Clone, Debug)]
pub struct Check {
    /// A service, or one instance by its handle (:0000000a) or name (.db)
    target: String,
    /// The patch file
    file: PathBuf,
    #[command(flatten)]
    output: Output,
}

/// The options of `hotlua history`.
#[derive(Args, Clone, Debug)]
pub struct History {
    /// One service; all without
    service: Option<String>,
    /// How many events are told, the latest
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 50)]
    number: u32,
    #[command(flatten)]
    output: Output,
}

/// The options of `hotlua show`.
#[derive(Args, Clone, Debug)]
pub struct Show {
    /// The patch's number, as `history` shows it
    id: u64,
    #[command(flatten)]
    output: Output,
}

/// The options of `hotlua rollback`.
#[derive(Args, Clone, Debug)]
pub struct Rollback {
    /// The service
    service: String,
    /// The patch's number; the latest without
    #[arg(conflicts_with = "all")]
    id: Option<u64>,
    /// Take back every patch: return to the source
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    output: Output,
}

/// The options of `hotlua restart`.
#[derive(Args, Clone, Debug)]
pub struct Restart {
    /// The service
    service: String,
    #[command(flatten)]
    output: Output,
}

/// The options of `hotlua freeze`.
#[derive(Args, Clone, Debug)]
pub struct Freeze {
    /// One service; the whole node without
    service: Option<String>,
    /// Why, for those who meet it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// The options of `hotlua unfreeze`.
#[derive(Args, Clone, Debug)]
pub struct Unfreeze {
    /// One service; the whole node without
    service: Option<String>,
    #[command(flatten)]
    output: Output,
}

impl From<List> for Ask {
    fn from(list: List) -> Ask {
        Ask::new("list".to_owned(), None, &list.output)
    }
}

impl From<Inject> for Ask {
    fn from(inject: Inject) -> Ask {
        let Inject {
            target,
            file,
            args,
            output,
        } = inject;
        Ask::new(format!("inject {target}"), Some(File { path: file, args }), &output)
    }
}

impl From<Check> for Ask {
    fn from(check: Check) -> Ask {
        let file = File {
            path: check.file,
            args: Vec::new(),
        };
        Ask::new(format!("check {}", check.target), Some(file), &check.output)
    }
}

impl From<History> for Ask {
    fn from(history: History) -> Ask {
        let service = history.service.unwrap_or_default();
        Ask::new(
            format!("history {service} -n {}", history.number),
            None,
            &history.output,
        )
    }
}

impl From<Show> for Ask {
    fn from(show: Show) -> Ask {
        Ask::new(format!("show {}", show.id), None, &show.output)
    }
}

impl From<Rollback> for Ask {
    fn from(rollback: Rollback) -> Ask {
        let what = match (rollback.id, rollback.all) {
            (Some(id), _) => format!(" {id}"),
            (None, true) => " --all".to_owned(),
            (None, false) => String::new(),
        };
        Ask::new(format!("rollback {}{what}", rollback.service), None, &rollback.output)
    }
}

impl From<Restart> for Ask {
    fn from(restart: Restart) -> Ask {
        Ask::new(format!("restart {}", restart.service), None, &restart.output)
    }
}

impl From<Freeze> for Ask {
    fn from(freeze: Freeze) -> Ask {
        let service = freeze.service.unwrap_or_default();
        // A line is one line.
        let reason = freeze
            .reason
            .map(|reason| format!(" -- {}", reason.replace(char::is_control, " ")));
        Ask::new(
            format!("freeze {service}{}", reason.unwrap_or_default()),
            None,
            &freeze.output,
        )
    }
}

impl From<Unfreeze> for Ask {
    fn from(unfreeze: Unfreeze) -> Ask {
        Ask::new(
            format!("unfreeze {}", unfreeze.service.unwrap_or_default()),
            None,
            &unfreeze.output,
        )
    }
}

impl Ask {
    fn new(line: String, file: Option<File>, output: &Output) -> Ask {
        Ask {
            line: line.trim_end().to_owned(),
            file,
            json: output.json,
        }
    }
}
