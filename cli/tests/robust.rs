//! Whatever words a line has, it is answered: with what it asks for or with what is wrong, and never by a panic.

mod common;

use common::memory::Memory;
use common::script::Side;
use proptest::prelude::*;
use proptest::sample::select;

/// The most words of a line.
const MAX_WORDS: usize = 8;
/// The most lines on one database.
const MAX_LINES: usize = 12;

/// A word that means something somewhere.
fn known_word() -> impl Strategy<Value = String> {
    let commands = cli::commands::all().map(|command| command.name.to_owned());
    let options = cli::commands::all()
        .flat_map(|command| command.options)
        .map(|option| option.usage());
    let columns = [
        "name",
        "ports",
        "tag",
        "options:a",
        "addresses",
        "networks",
        "_uuid",
        "up",
    ];
    let values = [
        "a",
        "b",
        "@a",
        "5",
        "1-9",
        "[]",
        "{}",
        "a=b",
        "\"a b\"",
        ".",
        "--",
        "",
        "10.0.0.1/24",
        "fe80::1/64",
        "00:00:00:00:00:01",
        "00:00:00:00:00:01 10.0.0.1",
        "unknown",
        "discard",
        "enabled",
        "true",
        "=",
        "{<=}",
    ];
    let tables = model::nb::TABLES.iter().map(|table| table.name.to_owned());
    let pairs = columns
        .iter()
        .flat_map(|column| values.iter().map(move |value| format!("{column}={value}")));
    let words: Vec<String> = commands
        .chain(options)
        .chain(tables)
        .chain(columns.map(str::to_owned))
        .chain(values.map(str::to_owned))
        .chain(pairs)
        .collect();
    select(words)
}

/// A line that begins with a command, so that it gets further than its first word.
fn line() -> impl Strategy<Value = Vec<String>> {
    let rows = cli::commands::all()
        .filter(|command| matches!(command.handler, cli::command::Handler::Rows { .. }))
        .map(|command| command.name.to_owned());
    let word = prop_oneof![8 => known_word(), 1 => ".{0,12}"];
    let rest = proptest::collection::vec(word, 0..MAX_WORDS);
    (select(rows.collect::<Vec<_>>()), rest)
        .prop_map(|(command, rest)| std::iter::once(command).chain(rest).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_line_of_words_is_answered(lines in proptest::collection::vec(line(), 1..MAX_LINES)) {
        let mut memory = Memory::new();
        for words in [["ls-add", "a"], ["lr-add", "b"]] {
            memory.run(&words.map(str::to_owned));
        }
        for words in lines {
            let output = memory.run(&words);
            let is_failure = output.status == 1;
            prop_assert_eq!(is_failure, output.stderr.lines().any(|line| {
                !line.starts_with("vsctl: warning: ") && !line.starts_with("  help: ")
            }), "{:?}: {:?}", words, output);
        }
    }

    #[test]
    fn any_options_are_answered(words in proptest::collection::vec(
        prop_oneof![known_word(), "-{1,2}[a-zA-Z=]{0,8}", ".{0,8}"], 0..MAX_WORDS,
    )) {
        let _ = cli::options::read(&words, |_| None);
    }
}
