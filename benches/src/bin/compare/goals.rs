//! What weft is to reach, as ratios to other systems.

use crate::load::{Load, Metric};
use crate::peer::Lane;
use crate::results::{Key, Results, Spread};

/// A bound on a ratio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// A ratio that is to be reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Goal {
    pub(crate) ours: Key,
    pub(crate) theirs: Key,
    pub(crate) bound: Bound,
}

impl Goal {
    /// The ratio, and whether it is reached; `None` if either was not measured.
    pub(crate) fn judge(&self, results: &Results) -> Option<(Spread, bool)> {
        let ratio = results.ratio(self.ours, self.theirs)?;
        let is_met = match self.bound {
            Bound::AtLeast(bound) => ratio.median >= bound,
            Bound::AtMost(bound) => ratio.median <= bound,
        };
        Some((ratio, is_met))
    }
}

/// All goals.
pub(crate) fn all() -> Vec<Goal> {
    use Bound::{AtLeast, AtMost};
    use Lane::{Served, ServedAcross, Switched, SwitchedAcross};
    let mut goals = Vec::new();
    let mut add = |load, metric, lane, theirs: (&'static str, Lane), bound| {
        let key = |peer, lane| Key {
            load,
            metric,
            lane,
            peer,
        };
        goals.push(Goal {
            ours: key("weft", lane),
            theirs: key(theirs.0, theirs.1),
            bound,
        });
    };
    let mut stream = |lane, theirs, bound| {
        add(
            Load::Streams(1),
            Metric::Throughput,
            lane,
            theirs,
            AtLeast(bound),
        );
    };
    stream(Switched, ("bare", Switched), 0.9);
    stream(Served, ("bare", Switched), 0.85);
    stream(Served, ("ovn", Served), 15.0);
    stream(Served, ("ovn-tso", Served), 1.0);
    stream(Switched, ("linux", Switched), 0.6);
    stream(Served, ("linux", Served), 0.65);
    stream(ServedAcross, ("ovn", ServedAcross), 12.0);
    stream(ServedAcross, ("bare", SwitchedAcross), 0.85);
    stream(ServedAcross, ("linux", SwitchedAcross), 0.55);
    let mut frames = |lane, theirs, bound| {
        add(
            Load::Frames(64),
            Metric::Frames,
            lane,
            theirs,
            AtLeast(bound),
        );
    };
    frames(Switched, ("bare-ring", Switched), 0.85);
    frames(Switched, ("ovs", Switched), 1.5);
    frames(Served, ("ovn", Served), 2.0);
    frames(Switched, ("linux", Switched), 1.0);
    frames(ServedAcross, ("ovn", ServedAcross), 4.0);
    frames(SwitchedAcross, ("linux", SwitchedAcross), 2.0);
    let mut echo = |metric, lane, theirs, bound| {
        add(Load::UdpEcho, metric, lane, theirs, AtMost(bound));
    };
    echo(Metric::MedianRoundTrip, Switched, ("ovs", Switched), 0.5);
    echo(Metric::SlowRoundTrip, Switched, ("ovs", Switched), 0.3);
    echo(Metric::MedianRoundTrip, Switched, ("linux", Switched), 1.6);
    echo(
        Metric::MedianRoundTrip,
        ServedAcross,
        ("ovn", ServedAcross),
        0.4,
    );
    echo(
        Metric::MedianRoundTrip,
        SwitchedAcross,
        ("linux", SwitchedAcross),
        2.2,
    );
    let mut connects = |at_once, theirs, bound| {
        let load = Load::Connects(at_once);
        add(load, Metric::Connects, Served, theirs, AtLeast(bound));
    };
    connects(1, ("ovn", Served), 2.2);
    connects(8, ("linux", Served), 1.5);
    goals
}
