//! Clients as they come: several at once, several commands in a packet, other line ends, lines
//! without end, rubbish, and some that never read. All are answered or dropped; the node lives.

use std::thread;

use crate::harness::svc::{greet, running};
use crate::harness::{Console, DEADLINE, Node, poll};

/// The node still answers a new client.
fn unharmed(node: &Node) {
    assert_eq!(greet(node), "<hello you>");
    assert!(node.console().cmd("list").ok);
}

#[test]
fn several_commands_in_one_packet_are_answered_in_order() {
    let (_project, node) = running();
    let mut console = node.console();
    console.send("getenv a\nlist\nnosuchcmd\ncall .svc \"add\",1\n");
    assert_eq!(console.reply().succeeded(), ["a\tnil"]);
    assert!(console.reply().ok);
    assert!(!console.reply().ok);
    assert_eq!(console.reply().succeeded(), ["1\t1", "n\t1"]);
}

#[test]
fn a_command_in_pieces_is_one_command() {
    let (_project, node) = running();
    let mut console = node.console();
    for piece in ["ca", "ll .svc \"gre", "et\",\"you\"", "\n"] {
        console.send(piece);
        thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(console.reply().succeeded(), ["1\t<hello you>", "n\t1"]);
}

#[test]
fn crlf_blank_lines_and_spaces() {
    let (_project, node) = running();
    let mut console = node.console();
    console.send("\n\n  getenv   a  \r\n\ngetenv b\r\n");
    assert_eq!(console.reply().succeeded(), ["a\tnil"]);
    assert_eq!(console.reply().succeeded(), ["b\tnil"]);
}

#[test]
fn a_client_that_has_said_all_still_gets_its_replies() {
    let (_project, node) = running();
    let mut console = node.console();
    console.send("getenv a\ngetenv b\n");
    console.finish_sending();
    assert_eq!(console.reply().succeeded(), ["a\tnil"]);
    assert_eq!(console.reply().succeeded(), ["b\tnil"]);
    assert_eq!(console.line(), None, "the node closes when the client has");
}

#[test]
fn many_clients_at_once_each_get_their_own_replies() {
    let (_project, node) = running();
    let address = node.address();
    thread::scope(|scope| {
        for client in 0..20 {
            scope.spawn(move || {
                let mut console = Console::connect(address);
                for round in 0..20 {
                    let text = format!("client {client} round {round}");
                    let call = format!("call .svc \"greet\",\"{text}\"");
                    let lines = console.cmd(&call).succeeded();
                    assert_eq!(lines[0], format!("1\t<hello {text}>"));
                }
            });
        }
    });
}

#[test]
fn a_slow_command_of_one_client_holds_up_no_other() {
    let (_project, node) = running();
    let mut slow = node.console();
    slow.send("call .svc \"eval\",\"return require('skynet').sleep(100000)\"\n");
    unharmed(&node);
}

#[test]
fn a_line_of_a_mebibyte_is_answered_or_dropped() {
    let (_project, node) = running();
    let mut console = node.console();
    let text = "x".repeat(1 << 20);
    console.send(format!("call .svc \"greet\",\"{text}\"\n"));
    match console.line() {
        None => {}
        Some(first) => {
            let reply = console.reply();
            if reply.ok {
                assert_eq!(first.len(), "1\t<hello >".len() + text.len());
            }
        }
    }
    unharmed(&node);
}

#[test]
fn a_line_without_end_does_not_eat_the_memory() {
    let (_project, node) = running();
    let before = resident_kib(&node);
    let mut console = node.console();
    let block = vec![b'x'; 1 << 20];
    for _ in 0..64 {
        if !console.try_send(&block) {
            break;
        }
    }
    let grown = resident_kib(&node).saturating_sub(before);
    assert!(grown < 32 * 1024, "{grown} KiB more than before");
    drop(console);
    unharmed(&node);
}

#[test]
fn binary_rubbish_is_answered_or_dropped() {
    let (_project, node) = running();
    let rubbish: Vec<u8> = (0..100_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    for bytes in [
        rubbish.as_slice(),
        b"\xff\xf4\xff\xfd\x06\n",
        b"\0\0\0\n",
        b"\x16\x03\x01\x02\n",
    ] {
        let mut console = node.console();
        console.try_send(bytes);
        console.try_send(b"\n");
        drop(console);
    }
    let mut console = node.console();
    console.send(b"call .svc \"greet\",\"\xff\xfe\"\n");
    console.reply();
    unharmed(&node);
}

#[test]
fn a_client_that_never_reads_blocks_nobody() {
    let (_project, node) = running();
    let before = resident_kib(&node);
    let mut deaf = Console::connect_raw(node.address());
    deaf.give_up_sending_after(std::time::Duration::from_secs(3));
    let flood = "help\n".repeat(20_000);
    for _ in 0..20 {
        if !deaf.try_send(&flood) {
            break;
        }
    }
    unharmed(&node);
    let grown = resident_kib(&node).saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB more than before");
}

#[test]
fn clients_that_vanish_leave_nothing_behind() {
    let (_project, node) = running();
    let files = || {
        let entries = std::fs::read_dir(format!("/proc/{}/fd", node.pid()));
        entries.map_or(0, Iterator::count)
    };
    drop(node.console());
    let before = files();
    for _ in 0..100 {
        let mut console = node.console();
        console.send("stat\nlist");
    }
    let back = poll(DEADLINE, || (files() <= before + 2).then_some(()));
    assert!(back.is_some(), "{} open files, {before} before", files());
}

/// The node's resident memory, or 0 where the system does not tell.
fn resident_kib(node: &Node) -> u64 {
    node.resident().unwrap_or_default() / 1024
}
