//! How many connections there are, by state and by zone.

use std::collections::BTreeMap;

use pipeline::conntrack::Zone;

use super::list::Portion;
use super::turn::Member;

/// Connections now, by what they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// By IP protocol and the name of the state.
    pub states: BTreeMap<(u8, &'static str), u64>,
    /// By zone.
    pub zones: BTreeMap<Zone, ZoneCounts>,
}

/// What there is of a zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ZoneCounts {
    /// Connections.
    pub connections: u64,
    /// Those that both ends are not known to want.
    pub half_open: u64,
}

impl Member {
    /// Counts all connections. Portions of the table are looked at in turns of their own.
    pub fn survey(&mut self, now_ms: u64) -> Survey {
        let mut survey = Survey::default();
        self.each_portion(|turn, range| {
            for listed in range.filter_map(|index| turn.listed(index, now_ms)) {
                let progress = listed.kept.progress;
                let state = (listed.kept.original.protocol, progress.name());
                *survey.states.entry(state).or_default() += 1;
                let zone = survey.zones.entry(listed.kept.zone).or_default();
                zone.connections += 1;
                zone.half_open += u64::from(progress.is_half_open());
            }
            Portion::Done
        });
        survey
    }
}
