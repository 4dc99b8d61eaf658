//! Times of batches, and how they are printed.

use std::sync::Arc;

use benches::port::{Loose, Wire};
use benches::rig::Rig;

/// Nanoseconds a packet, of each of many batches.
#[derive(Default)]
pub(crate) struct Laps(Vec<f64>);

impl Laps {
    /// Adds those of the batches since the last time; returns what they took together.
    pub(crate) fn add(&mut self, rig: &Rig) -> u64 {
        let mut batches = rig.stopwatch.take();
        batches.retain(|(_, packets)| *packets > 0);
        let each = batches.iter();
        self.0
            .extend(each.map(|(ns, packets)| *ns as f64 / *packets as f64));
        batches.iter().map(|(ns, _)| ns).sum()
    }

    /// Replays frames and adds what that took.
    pub(crate) fn play(
        &mut self,
        rig: &mut Rig,
        wire: &Wire,
        frames: &Arc<Vec<Loose>>,
        count: usize,
    ) {
        rig.stopwatch.take();
        rig.play(wire, frames, count);
        self.add(rig);
    }

    /// The batch that so many percent are faster than, in nanoseconds a packet.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
        sorted.get(at).copied().unwrap_or(f64::NAN)
    }

    /// The median, in nanoseconds a packet.
    pub(crate) fn median(&self) -> f64 {
        self.percentile(50)
    }

    /// Prints a row of the table.
    pub(crate) fn print(&self, name: &str, flows: u32, note: &str) {
        let (median, best) = (self.median(), self.percentile(5));
        println!(
            "{name:<36}{flows:>9}{median:>9.1}{best:>9.1}{:>8.0}{:>9.2}  {note}",
            best * ghz(),
            1e3 / median
        );
    }
}

/// The first line of the table.
pub(crate) fn print_heading() {
    println!(
        "{:<36}{:>9}{:>9}{:>9}{:>8}{:>9}",
        "scenario", "flows", "ns", "best ns", "cycles", "Mpps"
    );
}

/// Time stamp counts in a nanosecond, as the kernel tells.
fn ghz() -> f64 {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("cpu MHz"));
    let mhz = line.and_then(|line| line.split_once(':')?.1.trim().parse::<f64>().ok());
    mhz.unwrap_or(1_000.0) / 1_000.0
}
