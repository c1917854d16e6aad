//! What each command asks and answers.

use crate::actor::address::Handle;
use crate::actor::port::Port;
use crate::control::tests::Bench;

#[tokio::test]
async fn what_the_launcher_is_asked() {
    let bench = Bench::open("").await;
    let mut client = bench.client().await;
    for (typed, asked) in [
        ("stat", "stat "),
        ("  start  a   b ", "start a   b"),
        ("ping 8", "ping :00000008 "),
        ("info .db  x y", "info :00000008 x y"),
        ("call :00000009 \"a\", 'b'", "call :00000009 \"a\", 'b'"),
        ("ping .launcher", "ping :00000003 "),
        ("exit 9 now", "exit :00000009"),
    ] {
        assert_eq!(client.cmd(typed).await, [asked, "OK"], "{typed}");
    }
    assert_eq!(client.cmd("setenv fail 1").await, ["setenv fail 1", "Error"]);
}

#[tokio::test]
async fn commands_that_need_no_lua() {
    let bench = Bench::open("").await;
    let mut client = bench.client().await;
    let rows = [
        ":00000008\tsnlua store",
        ":00000009\tsnlua store two",
        ":0000000a\tsnlua cafe",
        "OK",
    ];
    assert_eq!(client.cmd("list").await, rows);
    assert_eq!(client.cmd("kill 9").await, [":00000009\tsnlua store two", "OK"]);
    assert_eq!(client.cmd("list").await, [rows[0], rows[2], rows[3]]);
    assert_eq!(client.cmd("history").await, ["OK"]);
    assert_eq!(client.cmd("history x -n 3").await, ["no x in 3", "Error"]);
    for (typed, said) in [
        ("history x y", "One service at most"),
        ("history -n x", "Need a number"),
        ("show x", "Need the number"),
    ] {
        assert!(client.cmd(typed).await[0].starts_with(said), "{typed}");
    }
    assert_eq!(client.cmd("show 7").await, ["no 7", "Error"]);
    assert_eq!(client.cmd("freeze").await, ["None None", "OK"]);
    assert_eq!(client.cmd("freeze a -- b c").await, ["Some(\"a\") Some(\"b c\")", "OK"]);
    assert!(client.cmd("freeze a b").await[0].starts_with("One service at most"));
    assert_eq!(client.cmd("unfreeze a").await, ["Some(\"a\")", "OK"]);
    let unknown = ["Invalid command, type help for command list", "", "Error"];
    assert_eq!(client.cmd("nosuch").await, unknown);
    assert_eq!(client.cmd("help kill").await.len(), 2);
    assert_eq!(client.cmd("help nosuch").await[1], "Error");
    bench.node.kill(Handle(3));
    let said = client.cmd("stat").await;
    assert!(
        said[0].contains("the launcher does not run") && said[1] == "Error",
        "{said:?}"
    );
}

#[tokio::test]
async fn wrong_addresses() {
    let bench = Bench::open("").await;
    let _port = Port::open(&bench.node);
    let mut client = bench.client().await;
    for (typed, said) in [
        ("ping", "Need an address. Usage: ping ADDRESS"),
        (
            "ping zz",
            "Need an address, and `zz` is neither a handle nor a .name. Usage: ping ADDRESS",
        ),
        ("kill .nobody", "Not a valid name: nobody is called .nobody"),
        ("task 999", "call to invalid address :00000999: no such instance"),
        (
            "kill .launcher",
            ":00000003 (launcher) is a part of the node itself; `list` shows the services",
        ),
        (
            "ping b",
            ":0000000b (port) is a part of the node itself; `list` shows the services",
        ),
        (
            "exit 3",
            ":00000003 (launcher) is a part of the node itself; `list` shows the services",
        ),
    ] {
        assert_eq!(client.cmd(typed).await, [said, "Error"], "{typed}");
    }
}

const AMBIGUOUS: &str =
    "`cafe` is a service, but also reads as the handle :0000cafe: name an instance, for example :0000000a";

#[tokio::test]
async fn inject_hands_over_the_file() {
    let bench = Bench::open("").await;
    std::fs::create_dir(bench.file("d")).expect("a directory");
    for (name, text) in [
        ("d/p.lua", "text"),
        ("bad.lua", "bad"),
        ("full.lua", "0123456789"),
        ("large.lua", "0123456789+"),
    ] {
        std::fs::write(bench.file(name), text).expect("a file");
    }
    let mut client = bench.client().await;
    for (typed, said) in [
        ("inject 8 d/p.lua", ":00000008 p.lua d/p.lua [] text"),
        ("inject .db d/p.lua a  b", ":00000008 p.lua d/p.lua [\"a\", \"b\"] text"),
        ("inject store d/p.lua", "store p.lua d/p.lua [] text"),
        ("inject store full.lua", "store full.lua full.lua [] 0123456789"),
    ] {
        assert_eq!(client.cmd(typed).await, ["printed", said, "OK"], "{typed}");
    }
    assert_eq!(client.cmd("inject store bad.lua").await[2], "Error");
    let missing = format!("Can't open x.lua: there is no file {}", bench.file("x.lua").display());
    for (typed, said) in [
        ("inject store x.lua", missing.as_str()),
        ("inject store d", "Can't open d: it is a directory; name one file"),
        (
            "inject store large.lua",
            "Can't open large.lua: it is larger than 10 bytes, the `max_size` under [hotfix]",
        ),
        (
            "inject nobody d/p.lua",
            "no instance of nobody is running; `list` shows what runs",
        ),
        ("inject cafe d/p.lua", AMBIGUOUS),
        (
            "inject :cafe d/p.lua",
            "call to invalid address :0000cafe: no such instance",
        ),
        ("inject :zz d/p.lua", "Need an address: `:zz` is no handle (:0000000a)"),
        (
            "inject 3 d/p.lua",
            ":00000003 (launcher) is a part of the node itself; `list` shows the services",
        ),
        (
            "inject store",
            "Need a file. Usage: inject ADDRESS|SERVICE FILE [ARGS...]",
        ),
    ] {
        assert_eq!(client.cmd(typed).await, [said, "Error"], "{typed}");
    }
}

#[tokio::test]
async fn check_reads_the_file_as_inject_does() {
    let bench = Bench::open("").await;
    std::fs::write(bench.file("p.lua"), "text").expect("a file");
    let mut client = bench.client().await;
    for (typed, said) in [
        ("check store p.lua", "checked p.lua for store"),
        ("check .db p.lua", "checked p.lua for :00000008"),
    ] {
        assert_eq!(client.cmd(typed).await, [said, "OK"], "{typed}");
    }
    for (typed, said) in [
        ("check cafe p.lua", AMBIGUOUS),
        ("check store", "Need a file. Usage: check ADDRESS|SERVICE FILE"),
        ("check", "Need an address. Usage: check ADDRESS|SERVICE FILE"),
    ] {
        assert_eq!(client.cmd(typed).await, [said, "Error"], "{typed}");
    }
}

#[tokio::test]
async fn rollback_says_what_is_wanted() {
    let bench = Bench::open("").await;
    let mut client = bench.client().await;
    for (typed, said) in [
        ("rollback store", ["store Latest", "OK"]),
        ("rollback store 7", ["store One(PatchId(7))", "OK"]),
        ("rollback gone/away --all ", ["gone/away All", "Error"]),
        (
            "rollback",
            ["Need a service. Usage: rollback SERVICE [ID | --all]", "Error"],
        ),
        (
            "rollback store seven",
            [
                "Need the number of a patch, and `seven` is none. Usage: rollback SERVICE [ID | --all]",
                "Error",
            ],
        ),
    ] {
        assert_eq!(client.cmd(typed).await, said, "{typed}");
    }
}

#[tokio::test]
async fn a_special_file_is_refused() {
    let bench = Bench::open("").await;
    std::os::unix::net::UnixListener::bind(bench.file("socket")).expect("a socket");
    let mut client = bench.client().await;
    assert_eq!(client.cmd("inject store socket").await[1], "Error");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        bench.file("pipe"),
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .expect("a pipe");
    assert_eq!(
        client.cmd("inject store pipe").await,
        ["Can't open pipe: it is not a regular file", "Error"]
    );
}

#[tokio::test]
async fn a_file_must_lie_below_the_config_file() {
    let bench = Bench::open("").await;
    let elsewhere = tempfile::tempdir().expect("a directory");
    std::fs::write(elsewhere.path().join("x.lua"), "text").expect("a file");
    std::os::unix::fs::symlink(elsewhere.path(), bench.file("out")).expect("a link");
    std::fs::write(bench.file("in.lua"), "text").expect("a file");
    std::os::unix::fs::symlink("in.lua", bench.file("link.lua")).expect("a link");
    let mut client = bench.client().await;
    let (own, foreign) = (bench.file("in.lua"), elsewhere.path().join("x.lua"));
    let (own, foreign) = (own.display().to_string(), foreign.display().to_string());
    for file in ["in.lua", "link.lua", "no/../in.lua", &own] {
        let inside = !file.starts_with("no/");
        let said = client.cmd(&format!("inject store {file}")).await;
        assert_eq!(
            said.last().map(String::as_str),
            Some(if inside { "OK" } else { "Error" }),
            "{file}: {said:?}"
        );
    }
    let missing = format!("{foreign}.none");
    for file in [
        "out/x.lua",
        "../x.lua",
        "in/../../x.lua",
        "/etc/passwd",
        &foreign,
        &missing,
        "out/../../x.lua",
    ] {
        for command in ["inject", "check"] {
            let said = client.cmd(&format!("{command} store {file}")).await;
            assert!(
                said[0].starts_with(&format!("Can't open {file}: it is not below ")),
                "{said:?}"
            );
            assert_eq!(said[1], "Error");
        }
    }
}
