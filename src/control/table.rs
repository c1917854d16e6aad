//! The table of commands: what can be asked, in the order in which `help` shows it.

use crate::control::address;
use crate::control::command::{Command, Reply, Request, Run, Upload, Window};
use crate::control::commands::{check, exit, freeze, history, inject, kill, list, restart, rollback, show, unfreeze};
use crate::hotfix::asker::Asker;

/// Every command, sorted by name.
const TABLE: &[Command] = &[
    Command {
        name: "call",
        usage: "ADDRESS VALUE[,VALUE...]",
        help: "send a service Lua values and show what it returns",
        run: Run::AskAbout,
    },
    check::COMMAND,
    Command {
        name: "clearcache",
        usage: "",
        help: "read every Lua file again when it is needed next",
        run: Run::Ask,
    },
    exit::COMMAND,
    freeze::COMMAND,
    Command {
        name: "gc",
        usage: "",
        help: "collect garbage in every service and show its memory",
        run: Run::Ask,
    },
    Command {
        name: "getenv",
        usage: "KEY",
        help: "show a value of the environment",
        run: Run::Ask,
    },
    Command {
        name: "help",
        usage: "[COMMAND]",
        help: "show this list",
        run: Run::Now(help),
    },
    history::COMMAND,
    Command {
        name: "info",
        usage: "ADDRESS [ARGS...]",
        help: "show what a service says about itself",
        run: Run::AskAbout,
    },
    inject::COMMAND,
    kill::COMMAND,
    list::COMMAND,
    Command {
        name: "mem",
        usage: "",
        help: "show the memory of every service",
        run: Run::Ask,
    },
    Command {
        name: "ping",
        usage: "ADDRESS",
        help: "show how long a service takes to answer, in hundredths of a second",
        run: Run::AskAbout,
    },
    restart::COMMAND,
    rollback::COMMAND,
    Command {
        name: "service",
        usage: "",
        help: "show the unique services",
        run: Run::Ask,
    },
    Command {
        name: "setenv",
        usage: "KEY VALUE",
        help: "set a value of the environment that has none yet",
        run: Run::Ask,
    },
    show::COMMAND,
    Command {
        name: "start",
        usage: "SERVICE [ARGS...]",
        help: "launch a service and wait until it has started",
        run: Run::Ask,
    },
    Command {
        name: "stat",
        usage: "",
        help: "show seconds of work, messages, queue and waiting coroutines of every service",
        run: Run::Ask,
    },
    Command {
        name: "task",
        usage: "ADDRESS",
        help: "show where the coroutines of a service wait",
        run: Run::AskAbout,
    },
    unfreeze::COMMAND,
];

/// Who sends a line, and what comes with it.
#[derive(Clone, Copy)]
pub struct Sender<'a> {
    /// Who.
    pub asker: &'a Asker,
    /// A file.
    pub upload: Option<&'a Upload>,
    /// It is a program that wants data, not text.
    pub wants_data: bool,
}

/// Runs one line, which is not blank.
pub async fn run(window: &Window, line: &str, sender: Sender<'_>) -> Reply {
    let line = line.trim();
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let Some(command) = find(name) else {
        // skynet's words, with its empty line.
        return Reply::error("Invalid command, type help for command list\n");
    };
    let request = Request {
        command,
        rest: rest.trim_start(),
        asker: sender.asker,
        upload: sender.upload,
        wants_data: sender.wants_data,
    };
    match command.run {
        Run::Now(run) => run(window, &request),
        Run::Later(run) => run(window, &request).await,
        Run::Ask => window.ask(format!("{name} {}", request.rest)).await,
        Run::AskAbout => match address::first(window, &request) {
            Ok((instance, rest)) => window.ask(format!("{name} {} {rest}", instance.identity.handle)).await,
            Err(why) => Reply::error(why),
        },
    }
}

fn find(name: &str) -> Option<&'static Command> {
    TABLE.iter().find(|command| command.name == name)
}

fn help(_window: &Window, request: &Request<'_>) -> Reply {
    let (name, _) = request.first_word();
    if name.is_empty() {
        return Reply::text(TABLE.iter().map(described).collect::<Vec<_>>().join("\n"), true);
    }
    match find(name) {
        Some(command) => Reply::text(described(command), true),
        None => Reply::error(format!("there is no command {name}; help alone shows them all")),
    }
}

fn described(command: &Command) -> String {
    let Command { name, usage, help, .. } = command;
    if usage.is_empty() {
        format!("{name}\t{help}")
    } else {
        format!("{name}\t{usage}: {help}")
    }
}

#[cfg(test)]
mod tests {
    use super::TABLE;

    #[test]
    fn the_table_is_sorted_and_holds_nothing_twice() {
        assert!(TABLE.is_sorted_by(|one, next| one.name < next.name));
    }
}
