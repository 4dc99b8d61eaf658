//! The run: all systems up, loads one after the other, each in rounds through every system in turn.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::load::{Load, Values};
use crate::peer::{Peer, Standing};
use crate::results::{About, Key, Results};
use crate::{peers, shell};

/// All loads, with the words by which they are asked for.
const LOADS: [(&str, Load); 9] = [
    ("streams", Load::Streams(1)),
    ("streams", Load::Streams(4)),
    ("frames", Load::Frames(64)),
    ("frames", Load::Frames(1_400)),
    ("echo", Load::UdpEcho),
    ("echo", Load::TcpEcho),
    ("connects", Load::Connects(1)),
    ("connects", Load::Connects(8)),
    ("idle", Load::Idle),
];

/// How often a system that failed is set up again.
const REVIVALS: usize = 8;

/// What is to be compared, and how thoroughly.
pub(crate) struct Request {
    rounds: usize,
    /// How long each load lasts.
    time: Duration,
    /// Words that choose; empty for everything.
    words: Vec<String>,
    is_quick: bool,
}

impl Request {
    /// Reads the program's arguments.
    pub(crate) fn parse(words: &[String]) -> Result<Request> {
        let (quick, words): (Vec<_>, Vec<_>) =
            words.iter().cloned().partition(|word| word == "--quick");
        let known: Vec<&str> = peers::all().iter().map(|peer| peer.name()).collect();
        for word in &words {
            let is_known =
                known.contains(&word.as_str()) || LOADS.iter().any(|(load, _)| load == word);
            ensure!(
                is_known,
                "{word:?} is neither a system ({}) nor a load (streams, frames, echo, connects, idle)",
                known.join(", ")
            );
        }
        let is_quick = !quick.is_empty();
        let (rounds, time_ms) = if is_quick { (3, 500) } else { (5, 1_200) };
        Ok(Request {
            rounds,
            time: Duration::from_millis(time_ms),
            words,
            is_quick,
        })
    }

    /// Whether its results are to be kept.
    pub(crate) fn is_full(&self) -> bool {
        self.words.is_empty() && !self.is_quick
    }

    /// Whether one of these names is asked for, or none of them all.
    fn wants(&self, name: &str, all: &[&str]) -> bool {
        let mut chosen = self
            .words
            .iter()
            .filter(|word| all.contains(&word.as_str()));
        chosen.clone().next().is_none() || chosen.any(|word| word == name)
    }
}

/// Compares.
pub(crate) fn run(request: &Request) -> Result<Results> {
    let start = Instant::now();
    let mut race = Race {
        start,
        results: Results::default(),
        runners: Vec::new(),
    };
    race.line_up(request);
    if race.runners.is_empty() {
        bail!("no system is up");
    }
    let words = LOADS.map(|(word, _)| word);
    for (_, load) in LOADS.iter().filter(|(word, _)| request.wants(word, &words)) {
        for round in 0..request.rounds {
            race.round(*load, round, request.time);
        }
    }
    Ok(race.results)
}

/// A system that takes part.
struct Runner {
    peer: Box<dyn Peer>,
    standing: Option<Standing>,
    /// How often it was set up.
    attempts: usize,
}

struct Race {
    start: Instant,
    results: Results,
    runners: Vec<Runner>,
}

impl Race {
    /// Says something, with the time since the start.
    fn say(&self, text: &str) {
        eprintln!("{:>5} s  {text}", self.start.elapsed().as_secs());
    }

    fn trouble(&mut self, text: String) {
        self.say(&text);
        self.results.troubles.push(text);
    }

    /// Sets all systems up.
    fn line_up(&mut self, request: &Request) {
        let all = peers::all();
        let names: Vec<&str> = all.iter().map(|peer| peer.name()).collect();
        for peer in all {
            let name = peer.name();
            if !request.wants(name, &names) {
                continue;
            }
            let mut programs = peer.programs().iter();
            if let Some(missing) = programs.find(|program| !shell::is_installed(program)) {
                self.trouble(format!("{name} is left out: {missing} is not installed"));
                continue;
            }
            let version = peer.version().unwrap_or_else(|error| format!("{error:#}"));
            self.results.systems.push(About {
                name,
                about: peer.about(),
                version,
            });
            let runner = Runner {
                peer,
                standing: None,
                attempts: 0,
            };
            self.runners.push(runner);
            self.set_up(self.runners.len() - 1);
        }
    }

    /// Sets a system up that is not, unless it failed too often.
    fn set_up(&mut self, number: usize) {
        let runner = &mut self.runners[number];
        if runner.standing.is_some() || runner.attempts > REVIVALS {
            return;
        }
        runner.attempts += 1;
        let name = runner.peer.name();
        let prefix = format!("{}{}", name.replace('-', ""), runner.attempts);
        match runner.peer.set_up(&prefix) {
            Ok(standing) => {
                runner.standing = Some(standing);
                self.say(&format!("{name} is up"));
            }
            Err(error) => self.trouble(format!("{name} does not come up: {error:#}")),
        }
    }

    /// A load through every lane of every system; each round begins with another system.
    fn round(&mut self, load: Load, round: usize, time: Duration) {
        let mut lines = BTreeMap::new();
        for step in 0..self.runners.len() {
            let number = (round + step) % self.runners.len();
            self.set_up(number);
            let runner = &mut self.runners[number];
            let name = runner.peer.name();
            let Some(standing) = runner.standing.take() else {
                continue;
            };
            let lanes = match load {
                Load::Idle => 1,
                _ => standing.paths.len(),
            };
            let mut is_fine = true;
            for path in &standing.paths[..lanes.min(standing.paths.len())] {
                match load.run(path, &standing, time) {
                    Ok(values) => {
                        lines.insert((path.lane, name), first(&values));
                        self.note(load, path.lane, name, round, &values);
                    }
                    Err(error) => {
                        is_fine = false;
                        let end = if standing.has_died() {
                            " (one of its programs has ended)"
                        } else {
                            ""
                        };
                        self.trouble(format!("{name}, {}, {load}: {error:#}{end}", path.lane));
                    }
                }
            }
            // What failed is taken down, and set up anew before its next turn.
            self.runners[number].standing = is_fine.then_some(standing);
        }
        for (lane, group) in by_lane(&lines) {
            self.say(&format!("{load}, {lane}: {group}"));
        }
    }

    fn note(
        &mut self,
        load: Load,
        lane: crate::peer::Lane,
        peer: &'static str,
        round: usize,
        values: &Values,
    ) {
        for (metric, value) in values {
            let key = Key {
                load,
                metric: *metric,
                lane,
                peer,
            };
            self.results.note(key, round, *value);
        }
    }
}

/// The first of the values, in words.
fn first(values: &Values) -> String {
    let words = values
        .first()
        .map(|(metric, value)| format!("{value:.1} {}", metric.unit()));
    words.unwrap_or_default()
}

/// What to say of each lane.
fn by_lane<L: Copy + Ord>(lines: &BTreeMap<(L, &str), String>) -> BTreeMap<L, String> {
    let mut lanes = BTreeMap::<L, Vec<String>>::new();
    for ((lane, name), value) in lines {
        lanes
            .entry(*lane)
            .or_default()
            .push(format!("{name} {value}"));
    }
    let join = |(lane, parts): (L, Vec<String>)| (lane, parts.join(", "));
    lanes.into_iter().map(join).collect()
}
