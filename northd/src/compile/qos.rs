//! `QoS` → `Qos`, one for each switch that has it.

use model::{nb, qos};
use pipeline::object::{MeterBand, Object, Qos, QosDirection};
use uuid::Uuid;

use super::index::Lookup;
use super::names::warn_of_unknown_names;
use super::{Output, Reader};

pub(super) fn compile(reader: &mut Reader<'_>, row: Uuid, out: &mut Output) {
    let Some(stored) = reader.row::<nb::Qos>(row) else {
        return;
    };
    out.name(&stored.r#match);
    let rule = match qos::Qos::parse(&stored) {
        Ok(rule) => rule,
        Err(fault) => return out.warn(fault.column, fault.message),
    };
    let matches = match expr::parse(&rule.r#match) {
        Ok(expression) => expression.lower(),
        Err(error) => return out.warn("match", error.to_string()),
    };
    warn_of_unknown_names(&matches, reader, out);
    let switches = reader.lookup(Lookup::SwitchesOfQos(row));
    for switch in switches {
        let Some(switch) = reader.datapath_key(switch) else {
            continue;
        };
        out.object(Object::Qos(Qos {
            switch,
            uuid: row,
            direction: match rule.direction {
                qos::Direction::FromLport => QosDirection::FromLport,
                qos::Direction::ToLport => QosDirection::ToLport,
            },
            priority: rule.priority,
            matches: matches.clone(),
            dscp: rule.dscp,
            limit: rule.bandwidth.map(|bandwidth| MeterBand {
                rate: bandwidth.rate.get(),
                burst: bandwidth.burst.map_or(0, |burst| burst.get()),
            }),
        }));
    }
}
