//! `vsctl` as a process: what scripts rely on besides the commands' output.

mod common;

use std::process::{Child, Stdio};

use common::script::{Output, Side};
use common::served::{Served, run, vsctl};

/// Runs `vsctl` without a server.
fn alone(words: &[&str]) -> Output {
    run(vsctl().args(words))
}

/// Runs `vsctl` against a server.
fn on(served: &mut Served, words: &[&str]) -> Output {
    let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    served.run(&words)
}

fn started(served: &Served, words: &[&str]) -> Child {
    let mut command = served.command();
    command
        .args(words)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().expect("vsctl starts")
}

#[test]
fn every_example_of_the_help_is_a_command_line() {
    for command in cli::commands::all() {
        for example in command.examples {
            // What a shell does with the output is no word of the command.
            let line = example
                .split([' '])
                .take_while(|word| !matches!(*word, ">" | "|"));
            let line: Vec<&str> = line.collect();
            let words = common::script::split(&line.join(" "));
            let read = cli::options::read(&words, |_| None);
            let Ok(cli::options::Action::Run(_, calls)) = read else {
                panic!("{example}: {read:?}");
            };
            assert!(
                calls.iter().any(|call| call.command.name == command.name),
                "{example}"
            );
            assert_eq!(cli::chain::prepare(&calls), Ok(()), "{example}");
        }
    }
}

#[test]
fn the_help_names_every_command_and_explains_each() {
    let overview = alone(&["--help"]);
    assert_eq!(overview.status, 0);
    for command in cli::commands::all() {
        assert!(overview.stdout.contains(command.name), "{}", command.name);
        let help = alone(&["help", command.name]);
        assert_eq!(help.status, 0);
        assert!(
            help.stdout.starts_with(&format!("{}: ", command.name)),
            "{}",
            help.stdout
        );
    }
    insta::assert_snapshot!(alone(&["help", "lr-route-add"]).stdout);
}

#[test]
fn what_is_nearly_a_command_or_option_is_answered_with_the_right_one() {
    for (words, expected) in [
        (
            ["lsp-addd", "a", "b"],
            "vsctl: unknown command 'lsp-addd'; use --help for help\n  help: did you mean 'lsp-add'?\n",
        ),
        (
            ["--no-wiat", "ls-add", "b"],
            "vsctl: unrecognized option '--no-wiat'\n  help: did you mean '--no-wait'?\n",
        ),
        (
            ["list", "Logical_Swich", "b"],
            "vsctl: unknown table \"Logical_Swich\"\n  help: did you mean Logical_Switch?\n",
        ),
        (
            ["get", "NB_Global", "."],
            "vsctl: 127.0.0.1:1: database connection failed (Connection refused)\n",
        ),
        (
            ["--detach", "ls-add", "b"],
            "vsctl: option '--detach' is not supported\n  \
             help: vsctl needs no daemon: leave out --detach and OVN_NB_DAEMON\n",
        ),
        (
            ["mirror-add", "a", "b"],
            "vsctl: 'mirror-add' command is not supported\n  help: ovn-nbctl has this command; \
             this version of weft does not carry out what it configures\n",
        ),
        (
            ["--db=unix:/x", "ls-add", "b"],
            "vsctl: unix:/x: database connection failed (not an address of northd)\n  \
             help: give ADDR:PORT or tcp:ADDR:PORT, such as --northbound 127.0.0.1:6641\n",
        ),
        (
            ["help", "--", "b"],
            "vsctl: unknown command 'b'; use --help for help\n",
        ),
        (
            ["status", "--", "ls-list"],
            "vsctl: 'status' command must be the only one of its line\n",
        ),
    ] {
        let output = run(vsctl().env("WEFT_NORTHBOUND", "127.0.0.1:1").args(words));
        assert_eq!(
            (output.stderr.as_str(), output.status),
            (expected, 1),
            "{words:?}"
        );
        assert_eq!(output.stdout, "");
    }
}

/// Input: wrong lines by way of a link called `ovn-nbctl`. Output: that name, and nothing that OVN does not say.
#[test]
fn scripts_written_for_ovn_may_start_it_by_a_link() {
    let directory = tempfile::tempdir().expect("a directory");
    let link = directory.path().join("ovn-nbctl");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_vsctl"), &link).expect("a link");
    let served = Served::start();
    for (words, expected) in [
        (
            ["list", "--", "ls-list"],
            "ovn-nbctl: 'list' command requires at least 1 arguments\n",
        ),
        (
            ["ls-add", "s", "t"],
            "ovn-nbctl: 'ls-add' command takes at most 1 arguments\n",
        ),
        (
            ["--foo", "ls-add", "s"],
            "ovn-nbctl: unrecognized option '--foo'\n",
        ),
        (
            ["ls-del", "s", "--"],
            "ovn-nbctl: s: switch name not found\n",
        ),
    ] {
        let mut command = std::process::Command::new(&link);
        command.env("WEFT_NORTHBOUND", served.address().to_string());
        let output = run(command.args(words));
        assert_eq!(
            (output.stderr.as_str(), output.status),
            (expected, 1),
            "{words:?}"
        );
    }
}

#[test]
fn shells_and_manuals_are_made_from_the_same_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let output = alone(&["completion", shell]);
        assert_eq!(output.status, 0);
        assert!(output.stdout.contains("lr-route-add"), "{shell}");
    }
    assert_eq!(alone(&["completion", "csh"]).status, 1);
    assert!(alone(&["man"]).stdout.contains(".TH vsctl 1"));
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_str().expect("a path");
    assert_eq!(alone(&["man", path]).status, 0);
    assert!(directory.path().join("vsctl-lr-route-add.1").exists());
}

#[test]
fn the_server_is_named_by_option_environment_or_file() {
    let served = Served::start();
    let address = served.address().to_string();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("vsctl.toml");
    let file_name = file.to_str().expect("a path");
    std::fs::write(&file, format!("northbound = \"{address}\"\n")).expect("a file");
    for words in [
        vec![format!("--northbound={address}")],
        vec!["--northbound".to_owned(), address.clone()],
        vec![format!("--db=tcp:{address}")],
        vec![format!("--config={file_name}")],
    ] {
        let output = run(vsctl().args(&words).arg("init"));
        assert_eq!(output.status, 0, "{words:?}: {}", output.stderr);
    }
    for (name, value) in [
        ("WEFT_NORTHBOUND", address.as_str()),
        ("WEFT_CONFIG", file_name),
    ] {
        let output = run(vsctl().env(name, value).arg("init"));
        assert_eq!(output.status, 0, "{name}: {}", output.stderr);
    }
    std::fs::write(&file, "northbund = 1\n").expect("a file");
    let output = run(vsctl().env("WEFT_CONFIG", file_name).arg("init"));
    assert_eq!(output.status, 1);
    assert!(output.stderr.contains("northbund"), "{}", output.stderr);
}

#[test]
fn a_timeout_ends_the_process_by_the_alarm_signal() {
    let mut served = Served::start();
    let output = on(
        &mut served,
        &["-t", "1", "wait-until", "Logical_Switch", "never"],
    );
    assert_eq!(output.status, 142);
    assert!(output.stderr.contains("Alarm clock"), "{}", output.stderr);
}

#[test]
fn wait_until_ends_when_somebody_else_makes_it_true() {
    let mut served = Served::start();
    let line = ["wait-until", "Logical_Switch_Port", "p", "enabled=false"];
    let mut waiting = started(&served, &line);
    assert_eq!(
        on(&mut served, &["ls-add", "s", "--", "lsp-add", "s", "p"]).status,
        0
    );
    assert!(waiting.try_wait().expect("a process").is_none());
    assert_eq!(
        on(&mut served, &["lsp-set-enabled", "p", "disabled"]).status,
        0
    );
    assert!(waiting.wait().expect("a process").success());
}

#[test]
fn lines_at_the_same_time_do_not_lose_each_others_changes() {
    let mut served = Served::start();
    assert_eq!(on(&mut served, &["ls-add", "s"]).status, 0);
    let names: Vec<String> = (0..8).map(|number| format!("p{number}")).collect();
    let mut lines: Vec<Child> = names
        .iter()
        .flat_map(|name| {
            let option = format!("external_ids:{name}=x");
            [
                started(&served, &["lsp-add", "s", name]),
                // Reads the map, adds to it and writes it back.
                started(&served, &["set", "Logical_Switch", "s", &option]),
            ]
        })
        .collect();
    for line in &mut lines {
        assert!(line.wait().expect("a process").success());
    }
    let ports = on(&mut served, &["lsp-list", "s"]).stdout;
    let map = on(&mut served, &["get", "Logical_Switch", "s", "external_ids"]).stdout;
    for name in &names {
        assert!(ports.contains(&format!("({name})")), "{ports}");
        assert!(map.contains(&format!("{name}=x")), "{map}");
    }
}

#[test]
fn rows_that_this_version_does_not_carry_out_are_refused() {
    let mut served = Served::start();
    let output = on(&mut served, &["create", "Copp", "name=c"]);
    assert_eq!(output.status, 1);
    assert!(output.stderr.contains("not supported"), "{}", output.stderr);
}

/// Runs `vsctl` with colours, whether or not it writes to a terminal.
fn coloured(served: &Served, words: &[&str]) -> Output {
    run(served.command().env("CLICOLOR_FORCE", "1").args(words))
}

#[test]
fn colours_only_dress_what_is_printed_without_them() {
    let mut served = Served::start();
    on(&mut served, &["ls-add", "one", "--", "ls-add", "other"]);
    let list = ["-f", "table", "list", "Logical_Switch"];
    for (words, first) in [
        (&list[..], "\x1b[1m_uuid\x1b[0m"),
        (&["status"], "northd "),
        (&["ls-del", "nine"], "\x1b[1m\x1b[31mvsctl:\x1b[0m "),
        (&["--frob"], "\x1b[1m\x1b[31mvsctl:\x1b[0m "),
        // All other forms are for programs.
        (&["-f", "list", "list", "Logical_Switch"], "_uuid"),
        (&["ls-list"], ""),
    ] {
        let plain = on(&mut served, words);
        let plain = plain.stdout + &plain.stderr;
        assert!(!plain.contains('\x1b'), "{plain}");
        let dressed = coloured(&served, words);
        let dressed = dressed.stdout + &dressed.stderr;
        assert!(dressed.starts_with(first), "{dressed}");
        assert_eq!(anstream::adapter::strip_str(&dressed).to_string(), plain);
    }
    let refused = run(served
        .command()
        .env("CLICOLOR_FORCE", "1")
        .env("NO_COLOR", "1")
        .args(list));
    assert_eq!(refused.stdout, on(&mut served, &list).stdout);
}

#[test]
fn what_means_nothing_is_refused_and_pointed_at() {
    let mut served = Served::start();
    assert_eq!(on(&mut served, &["ls-add", "s"]).status, 0);
    let check = |served: &mut Served, words: &[&str], expected: &str| {
        let output = on(served, words);
        assert_eq!(output.status, 1, "{words:?}");
        assert_eq!(output.stderr, expected);
    };
    check(
        &mut served,
        &["acl-add", "s", "to-lport", "1", "ip4 && tcp.port == 80", "drop"],
        "vsctl: transaction error: {\"details\":\"ACL column match: there is no field `tcp.port` (at character \
         8)\",\"error\":\"constraint violation\"}
  |
1 | ip4 && tcp.port == 80
  |        ^^^^^^^^
  |
  = help: there is tcp.src, tcp.dst, tcp.flags
",
    );
    check(
        &mut served,
        &["create", "Load_Balancer", "name=lb", "vips:x=y"],
        "vsctl: transaction error: {\"details\":\"Load_Balancer column vips: \\\"x\\\" is not an IP address, or an IP \
         address and a port such as 10.0.0.1:80 or [fd00::1]:80\",\"error\":\"constraint violation\"}\n",
    );
    check(
        &mut served,
        &[
            "create",
            "Address_Set",
            "name=a",
            "addresses=10.0.0.1,10.0.0.300",
        ],
        "vsctl: transaction error: {\"details\":\"Address_Set column addresses: \\\"10.0.0.300\\\" is not an address or \
         network\",\"error\":\"constraint violation\"}\n",
    );
    let unknown = [
        "acl-add",
        "s",
        "to-lport",
        "1",
        "ip4.src == $later && inport == @later",
        "drop",
    ];
    assert_eq!(on(&mut served, &unknown).status, 0, "names may come later");
    let health = ["create", "Load_Balancer_Health_Check", "vip=30.0.0.1"];
    assert_eq!(
        on(&mut served, &health).status,
        0,
        "a row that nothing keeps is no row"
    );
}
