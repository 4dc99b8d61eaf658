//! Plays a scenario against OVN or against us.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};

use super::{Event, Scenario};
use crate::craft::parse_mac;
use crate::frame::{self, Frame, Names};

/// Who carries out a scenario.
pub trait Side {
    /// Gives ports their interfaces, once they are in the network.
    fn plug(&mut self, ports: &[String]) -> Result<()>;

    /// Runs command lines, as one transaction, and waits until the node obeys.
    fn command(&mut self, lines: &[Vec<String>]) -> Result<()>;

    /// A port sends a frame; gives all frames that come out of ports in consequence. For so many it is worth waiting.
    fn send(&mut self, port: &str, frame: &[u8], expected: usize)
    -> Result<Vec<(String, Vec<u8>)>>;
}

/// What came out for each frame, by the line that sends it, sorted.
pub type Played = Vec<(usize, Vec<String>)>;

/// Plays a scenario.
pub fn play(scenario: &Scenario, side: &mut dyn Side) -> Result<Played> {
    let mut names = Names::default();
    for (name, mac) in &scenario.stations {
        names.add(name, parse_mac(mac));
    }
    let mut chosen = Chosen::of(scenario);
    let mut is_plugged = false;
    let mut pending = Vec::new();
    let mut seen = Vec::new();
    for step in &scenario.steps {
        let (port, frame) = match &step.event {
            Event::Command(words) => {
                pending.push(words.clone());
                continue;
            }
            Event::Frame { port, frame, .. } => (port, frame),
        };
        let context = || format!("line {}", step.line);
        if !pending.is_empty() {
            side.command(&std::mem::take(&mut pending))
                .with_context(context)?;
        }
        if !is_plugged {
            side.plug(&scenario.plugged).with_context(context)?;
            is_plugged = true;
        }
        let frame: Frame = chosen.fill_in(frame).parse().with_context(context)?;
        let bytes = frame::build(&frame, &names).with_context(context)?;
        let expected = step.of_us().map_or(0, |frames| frames.len());
        let sent = side.send(port, &bytes, expected);
        let mut out: Vec<_> = sent.with_context(context)?;
        out.sort();
        let told = out.iter().map(|(port, bytes)| {
            let frame = chosen.replace(frame::read(bytes, &names));
            format!("{port} {frame}")
        });
        let mut told: Vec<String> = told.collect();
        told.sort();
        seen.push((step.line, told));
    }
    Ok(seen)
}

/// Port numbers that were chosen on the way.
struct Chosen {
    /// Those that were not: the scenario speaks of them.
    known: BTreeSet<u16>,
    numbers: BTreeMap<u16, usize>,
}

/// Stands for a chosen port while a frame is text: more than a port can be.
fn mark(index: usize) -> String {
    format!("${index}")
}

impl Chosen {
    fn of(scenario: &Scenario) -> Self {
        let texts = scenario.steps.iter().map(|step| match &step.event {
            Event::Command(words) => words.join(" "),
            Event::Frame { frame, .. } => frame.clone(),
        });
        let all = texts.collect::<Vec<_>>().join(" ").replace(" id ", ":");
        let behind_colons = all.split(':').skip(1).filter_map(|text| {
            let end = text.find(|letter: char| !letter.is_ascii_digit());
            text[..end.unwrap_or(text.len())].parse().ok()
        });
        Self {
            known: behind_colons.collect(),
            numbers: BTreeMap::new(),
        }
    }

    /// The frame with its marks replaced by the ports that they stand for.
    fn fill_in(&self, frame: &str) -> String {
        let mut text = frame.to_owned();
        for (number, index) in &self.numbers {
            text = text.replace(&mark(*index), &number.to_string());
        }
        text
    }

    /// The frame's text, with marks in the place of chosen ports.
    fn replace(&mut self, frame: Frame) -> String {
        let mut text = frame.to_string();
        for frame in [Some(&frame), frame.about.as_deref()].into_iter().flatten() {
            let ends = frame
                .ends
                .iter()
                .flat_map(|(from, to)| [from.port, to.port]);
            let icmp = frame.options.get("id").and_then(|id| id.parse().ok());
            let icmp = icmp.filter(|_| frame.kind == "icmp");
            for port in ends.chain([icmp]).flatten() {
                if self.known.contains(&port) {
                    continue;
                }
                let next = self.numbers.len() + 1;
                let index = *self.numbers.entry(port).or_insert(next);
                text = text.replace(&format!(":{port}"), &format!(":{}", mark(index)));
                text = text.replace(&format!(" id {port}"), &format!(" id {}", mark(index)));
            }
        }
        text
    }
}
