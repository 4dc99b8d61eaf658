//! The same scripts through OVN's `ovn-nbctl` and through `vsctl`: what comes out must be the same.

mod common;

use common::memory::Memory;
use common::ovn::Ovn;
use common::script::{self, Script, Side};
use common::served::Served;

/// Compares two transcripts of a script line by line; lines that are said to differ must differ. The
/// databases of OVN here have no northd, so that what one reports is compared without weft's.
fn check(script: &Script, has_northd: bool, ovn: &[String], weft: &[String]) -> Vec<String> {
    let mut problems = Vec::new();
    for (line, (theirs, ours)) in script.lines.iter().zip(ovn.iter().zip(weft)) {
        let place = format!("{}.txt:{}", script.name, line.number);
        if line.is_reported && has_northd {
            continue;
        }
        if line.differs && theirs == ours {
            problems.push(format!("{place}: does not differ any more:\n{theirs}"));
        } else if !line.differs && theirs != ours {
            problems.push(format!(
                "{place}:\n--- ovn-nbctl\n{theirs}--- vsctl\n{ours}"
            ));
        }
    }
    problems
}

/// Runs all scripts on both sides, each on fresh databases.
fn compare<S: Side>(has_northd: bool, start: impl Fn() -> S) {
    if !Ovn::is_installed() {
        return;
    }
    let problems: Vec<String> = script::all()
        .iter()
        .flat_map(|script| {
            let ovn = script.transcript(&mut Ovn::start());
            let weft = script.transcript(&mut start());
            check(script, has_northd, &ovn, &weft)
        })
        .collect();
    let count = problems.len();
    assert!(count == 0, "{count} differences:\n{}", problems.join("\n"));
}

#[test]
fn commands_on_a_database_in_memory_print_what_ovn_nbctl_prints() {
    compare(false, Memory::new);
}

#[test]
fn vsctl_with_northd_prints_what_ovn_nbctl_prints() {
    compare(true, Served::start);
}
