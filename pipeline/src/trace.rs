//! Traces: what every stage did to one packet, told by the pipeline itself.

mod header;
mod render;

use packet::{Flow, Segment};
use serde::Serialize;

use crate::conntrack::Conntrack;
use crate::drop::DropReason;
use crate::ingress::Ingress;
use crate::record::{Entry, Event, Recorder, Scope};
use crate::stage::Stage;
use crate::tables::Tables;
use crate::verdict::Verdict;
use crate::walk::process;

/// The way of one packet through the logical network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trace {
    /// The packet, on one line.
    pub packet: String,
    /// What happened, in order.
    pub steps: Vec<Step>,
    /// What was decided.
    #[serde(skip)]
    pub verdict: Verdict,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A part of the way.
    Scope {
        /// Which part.
        scope: Scope,
        /// What happened in it.
        steps: Vec<Step>,
    },
    /// An entry of a table matched.
    Hit {
        /// The stage's name.
        stage: &'static str,
        /// The stage's place in its pipeline.
        index: usize,
        /// The entry.
        entry: Entry,
    },
    /// Something else happened.
    Event(Event),
}

/// The trace cannot begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// The name is not that of a logical port.
    #[error("no logical port is named {0:?}")]
    UnknownPort(String),
}

/// Traces a packet that enters by the port named `inport`.
pub fn trace(
    tables: &Tables,
    conntrack: &mut dyn Conntrack,
    inport: &str,
    flow: &Flow,
) -> Result<Trace, TraceError> {
    let port = tables
        .port_named(inport)
        .ok_or_else(|| TraceError::UnknownPort(inport.to_owned()))?;
    let mut recorder = TraceRecorder::default();
    let packet = (flow, &Segment::Unknown);
    let ingress = Ingress::Interface(port.at);
    let verdict = process(tables, conntrack, ingress, packet, &mut recorder);
    Ok(Trace {
        packet: header::line(inport, flow),
        steps: recorder.finish(),
        verdict,
    })
}

/// Keeps everything it hears.
#[derive(Debug, Default)]
pub struct TraceRecorder {
    steps: Vec<Step>,
    /// The scopes that are open, each with what happened before it began.
    open: Vec<(Scope, Vec<Step>)>,
}

impl TraceRecorder {
    /// What happened, with every scope ended.
    pub fn finish(mut self) -> Vec<Step> {
        while self.close().is_some() {}
        self.steps
    }

    /// Ends the scope that began last; true if it was an answer's.
    fn close(&mut self) -> Option<bool> {
        let (scope, before) = self.open.pop()?;
        let is_answer = matches!(scope, Scope::Answer { .. });
        let steps = std::mem::replace(&mut self.steps, before);
        self.steps.push(Step::Scope { scope, steps });
        Some(is_answer)
    }
}

impl Recorder for TraceRecorder {
    fn enter(&mut self, scope: impl FnOnce() -> Scope) {
        self.open.push((scope(), std::mem::take(&mut self.steps)));
    }

    fn leave(&mut self) {
        while self.close() == Some(true) {}
    }

    fn hit(&mut self, stage: Stage, entry: impl FnOnce() -> Entry) {
        self.steps.push(Step::Hit {
            stage: stage.name(),
            index: stage.index(),
            entry: entry(),
        });
    }

    fn event(&mut self, event: impl FnOnce() -> Event) {
        self.steps.push(Step::Event(event()));
    }
}

impl Trace {
    /// The names of the interfaces' logical ports that the packet and its answers left by, in order.
    pub fn outputs(&self) -> Vec<&str> {
        let mut found = Vec::new();
        collect(&self.steps, &mut |event| match event {
            Event::Output { port, kind } if *kind != "patch" => found.push(port.as_str()),
            _ => {}
        });
        found
    }

    /// Why packets ended, in order.
    pub fn drops(&self) -> Vec<DropReason> {
        let mut found = Vec::new();
        collect(&self.steps, &mut |event| {
            if let Event::Drop(reason) = event {
                found.push(*reason);
            }
        });
        found
    }
}

fn collect<'a>(steps: &'a [Step], hear: &mut impl FnMut(&'a Event)) {
    for step in steps {
        match step {
            Step::Scope { steps, .. } => collect(steps, hear),
            Step::Event(event) => hear(event),
            Step::Hit { .. } => {}
        }
    }
}
