//! Counts: read from callgrind's dumps, written down, and compared.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Instructions of each piece of work, by its name.
pub(super) type Counts = BTreeMap<String, u64>;

/// By how much a count may differ from the one written down, in percent. Hashes are the same in every run, but what is
/// where in memory is not.
pub(super) const TOLERANCE_PERCENT: u64 = 3;
/// What differs by so few is never complained of.
const TOLERANCE: u64 = 8;
/// How the first line of the file begins.
const HEADING: &str = "# instructions, by ";

/// What is written down.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Baseline {
    /// The compiler that the counts are of.
    pub(super) compiler: String,
    pub(super) counts: Counts,
}

/// One line of a comparison.
pub(super) struct Change {
    pub(super) name: String,
    /// The count and how it has changed, in words.
    pub(super) line: String,
    pub(super) is_fine: bool,
}

/// The name and count of what one line of the program and one dump tell.
pub(super) fn read_dump(line: &str, dump: &str) -> Result<(String, u64)> {
    let (name, units) = line
        .rsplit_once(' ')
        .context("the counted program prints names and numbers")?;
    let units: u64 = units.parse().context("a number of units")?;
    let total = dump.lines().find_map(|line| line.strip_prefix("totals: "));
    let total: u64 = total
        .context("a dump has totals")?
        .trim()
        .parse()
        .context("totals are a number")?;
    ensure!(units > 0 && total > 0, "{name}: nothing was counted");
    Ok((name.to_owned(), total.div_ceil(units)))
}

impl Baseline {
    pub(super) fn read(path: &Path) -> Result<Baseline> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is not legible", path.display()))
    }

    pub(super) fn write(&self, path: &Path) -> Result<()> {
        std::fs::write(path, self.text())
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn parse(text: &str) -> Result<Baseline> {
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        let compiler = first
            .strip_prefix(HEADING)
            .context("the first line names the compiler")?;
        let count = |line: &str| {
            let (count, name) = line.split_once('\t').context("a count, a tab and a name")?;
            Ok((name.to_owned(), count.parse().context("a count")?))
        };
        Ok(Baseline {
            compiler: compiler.to_owned(),
            counts: lines.map(count).collect::<Result<_>>()?,
        })
    }

    fn text(&self) -> String {
        let mut text = format!("{HEADING}{}\n", self.compiler);
        for (name, count) in &self.counts {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{count}\t{name}");
        }
        text
    }

    /// Each count beside the one written down. What is only in one of the two is not fine.
    pub(super) fn compare(&self, counts: &Counts) -> Vec<Change> {
        let gone = self
            .counts
            .keys()
            .filter(|name| !counts.contains_key(*name));
        let gone = gone.map(|name| Change {
            name: name.clone(),
            line: format!("{:>12}  not counted", "-"),
            is_fine: false,
        });
        let there = counts.iter().map(|(name, &now)| {
            let Some(&before) = self.counts.get(name) else {
                return Change {
                    name: name.clone(),
                    line: format!("{now:>12}  new"),
                    is_fine: false,
                };
            };
            let percent = (now as f64 / before.max(1) as f64 - 1.0) * 100.0;
            Change {
                name: name.clone(),
                line: format!("{now:>12}  {percent:+6.1} %"),
                is_fine: is_near(before, now),
            }
        });
        there.chain(gone).collect()
    }
}

/// What has fallen is to be written down too: else it could rise again unseen.
fn is_near(before: u64, now: u64) -> bool {
    let difference = before.abs_diff(now);
    difference <= TOLERANCE || difference * 100 <= before * TOLERANCE_PERCENT
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(all: &[(&str, u64)]) -> Counts {
        all.iter()
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect()
    }

    #[test]
    fn what_is_written_down_is_read_again() {
        let baseline = Baseline {
            compiler: "rustc 1.2.3 for that".to_owned(),
            counts: counts(&[("hit: routed", 300), ("parse", 60)]),
        };
        assert_eq!(Baseline::parse(&baseline.text()).unwrap(), baseline);
        assert!(Baseline::parse("300\tparse\n").is_err());
    }

    #[test]
    fn a_dump_is_divided_by_the_units_of_its_work() {
        let dump = "version: 1\npart: 2\n\nfn=(1)\n1 2\n\ntotals: 6400\n";
        let read = read_dump("hit: routed 64", dump).unwrap();
        assert_eq!(read, ("hit: routed".to_owned(), 100));
        assert!(read_dump("hit 64", "totals: 0\n").is_err());
        assert!(read_dump("hit", dump).is_err());
    }

    #[test]
    fn counts_that_differ_by_more_than_chance_are_complained_of() {
        let baseline = Baseline {
            compiler: String::new(),
            counts: counts(&[
                ("a", 1_000),
                ("b", 1_000),
                ("c", 10),
                ("d", 1_000),
                ("gone", 5),
            ]),
        };
        let now = counts(&[
            ("a", 1_029),
            ("b", 1_031),
            ("c", 18),
            ("d", 900),
            ("new", 5),
        ]);
        let found: Vec<_> = baseline
            .compare(&now)
            .into_iter()
            .map(|change| (change.name, change.is_fine))
            .collect();
        let expected = [
            ("a", true),
            ("b", false),
            ("c", true),
            ("d", false),
            ("new", false),
            ("gone", false),
        ];
        assert_eq!(found, expected.map(|(name, fine)| (name.to_owned(), fine)));
    }
}
