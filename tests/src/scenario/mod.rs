//! Scenarios: a logical network by commands, frames in, and the frames that came out of OVN 23.03, as text.
//!
//! ```text
//! network one-switch
//! plug a b
//! mac a 0a:00:00:00:00:01
//! $ ls-add sw -- lsp-add sw a
//!
//! scenario An answer passes, what is unasked for does not
//! use one-switch
//! $ acl-add sw to-lport 1000 'outport == "a"' drop
//! > a tcp a>b 10.0.0.1:4000>10.0.0.2:80 S
//!   b tcp a>b 10.0.0.1:4000>10.0.0.2:80 S
//! ```
//!
//! A line that starts with `>` is a frame that a port sends; the indented lines behind it are the frames that come
//! out, each behind its port. A port number that stands nowhere in the commands and in the frames sent was chosen on
//! the way: it is written `$1`, `$2` and so on by first appearance, and a later frame may use it.
//!
//! Where we differ from OVN on purpose, OVN's line starts with `-`, ours with `+`, and a `#` line before says why.

mod play;

use std::fmt::Write as _;

use anyhow::{Context, Result, bail};

pub use play::{Played, Side, play};

/// A scenario.
#[derive(Clone, Debug, Default)]
pub struct Scenario {
    /// What it shows, as a sentence.
    pub title: String,
    /// The names of MAC addresses.
    pub stations: Vec<(String, String)>,
    /// The ports with interfaces.
    pub plugged: Vec<String>,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// Something that happens, with the line of the file that says it.
#[derive(Clone, Debug)]
pub struct Step {
    /// The line's number in its file, from 1.
    pub line: usize,
    /// What it is.
    pub event: Event,
}

/// What happens.
#[derive(Clone, Debug)]
pub enum Event {
    /// The network is changed by a command line.
    Command(Vec<String>),
    /// A port sends a frame.
    Frame {
        /// The port.
        port: String,
        /// The frame as text.
        frame: String,
        /// What comes out.
        seen: Vec<Seen>,
    },
}

/// A frame that comes out, behind its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whose frame it is.
    pub by: By,
    /// The port and the frame.
    pub text: String,
}

/// Where a frame comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// With OVN and with us.
    Both,
    /// With OVN only.
    Ovn,
    /// With us only.
    Us,
}

/// The scenarios of a file.
pub fn parse(text: &str) -> Result<Vec<Scenario>> {
    let mut networks: Vec<Scenario> = Vec::new();
    let mut scenarios: Vec<Scenario> = Vec::new();
    let mut is_network = false;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let (word, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        is_network = match word {
            "network" => true,
            "scenario" => false,
            _ => is_network,
        };
        let list = if is_network {
            &mut networks
        } else {
            &mut scenarios
        };
        match word {
            "" | "#" => {}
            "network" | "scenario" => list.push(Scenario {
                title: rest.to_owned(),
                ..Scenario::default()
            }),
            "use" => {
                let known = networks.iter().find(|network| network.title == rest);
                let network = known.with_context(|| format!("line {number}: no network {rest}"))?;
                let scenario = scenarios.last_mut().context("use belongs to a scenario")?;
                *scenario = Scenario {
                    title: std::mem::take(&mut scenario.title),
                    ..network.clone()
                };
            }
            _ => {
                let scenario = list
                    .last_mut()
                    .context("a file starts with a network or scenario")?;
                let taken = scenario.take(number, line.starts_with(' '), word, rest);
                taken.with_context(|| format!("line {number}: {line}"))?;
            }
        }
    }
    Ok(scenarios)
}

impl Scenario {
    fn take(&mut self, line: usize, is_indented: bool, word: &str, rest: &str) -> Result<()> {
        if is_indented {
            let Some(Step {
                event: Event::Frame { seen, .. },
                ..
            }) = self.steps.last_mut()
            else {
                bail!("what comes out stands behind what goes in");
            };
            let (by, text) = match word {
                "-" => (By::Ovn, rest.to_owned()),
                "+" => (By::Us, rest.to_owned()),
                _ => (By::Both, format!("{word} {rest}")),
            };
            seen.push(Seen { by, text });
            return Ok(());
        }
        match word {
            "plug" => self.plugged = rest.split_whitespace().map(str::to_owned).collect(),
            "mac" => {
                let (name, mac) = rest.split_once(' ').context("mac NAME ADDRESS")?;
                self.stations.push((name.to_owned(), mac.to_owned()));
            }
            "$" => self.push(line, Event::Command(words(rest)?)),
            ">" => {
                let (port, frame) = rest.split_once(' ').context("> PORT FRAME")?;
                let (port, frame) = (port.to_owned(), frame.to_owned());
                self.push(
                    line,
                    Event::Frame {
                        port,
                        frame,
                        seen: Vec::new(),
                    },
                );
            }
            _ => bail!("a line starts with network, scenario, use, plug, mac, $ or >"),
        }
        Ok(())
    }

    fn push(&mut self, line: usize, event: Event) {
        self.steps.push(Step { line, event });
    }
}

/// The words of a command line, as a shell parts them.
fn words(line: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for letter in line.chars() {
        match (letter, quote) {
            (_, Some(open)) if letter == open => quote = None,
            (_, Some(_)) => word.get_or_insert_default().push(letter),
            ('\'' | '"', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (' ', None) => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    if quote.is_some() {
        bail!("a quote is not closed");
    }
    Ok(words)
}

/// The file again, with what was seen of OVN now: what came out after each frame, by its line. What stands there
/// already stays, with its remarks.
pub fn rewrite(text: &str, scenarios: &[Scenario], seen: &Played) -> String {
    let mut new = String::new();
    let mut skipping = false;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        skipping &= line.starts_with(' ');
        if skipping {
            continue;
        }
        let _ = writeln!(new, "{line}");
        let Some((_, now)) = seen.iter().find(|(line, _)| *line == number) else {
            continue;
        };
        let steps = scenarios.iter().flat_map(|scenario| &scenario.steps);
        let before = steps
            .filter(|step| step.line == number)
            .find_map(Step::of_ovn);
        if before.as_ref() != Some(now) {
            skipping = true;
            for frame in now {
                let _ = writeln!(new, "  {frame}");
            }
        }
    }
    new
}

impl Step {
    /// What came out with OVN.
    pub fn of_ovn(&self) -> Option<Vec<String>> {
        self.seen_by(By::Ovn)
    }

    /// What comes out with us.
    pub fn of_us(&self) -> Option<Vec<String>> {
        self.seen_by(By::Us)
    }

    fn seen_by(&self, whom: By) -> Option<Vec<String>> {
        let Event::Frame { seen, .. } = &self.event else {
            return None;
        };
        let of = seen
            .iter()
            .filter(|seen| seen.by == whom || seen.by == By::Both);
        let mut frames: Vec<_> = of.map(|seen| seen.text.clone()).collect();
        frames.sort();
        Some(frames)
    }
}
