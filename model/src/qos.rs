//! `QoS` rows as values.

use std::num::NonZeroU32;

use crate::fault::RowFault;
use crate::nb;

/// A rule that marks packets of a switch, limits their rate, or does both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qos {
    /// Which packets of the switch it sees.
    pub direction: Direction,
    /// Of the rules that mark the greatest counts, and of those that limit.
    pub priority: u16,
    /// Which packets it is about, in OVN's match language.
    pub r#match: String,
    /// The differentiated services code point that they get, `0..=63`.
    pub dscp: Option<u8>,
    /// How much of them may pass on each node.
    pub bandwidth: Option<Bandwidth>,
}

/// Which packets of a switch a rule sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Those that come from ports.
    FromLport,
    /// Those that go to ports.
    ToLport,
}

/// A limit on a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bandwidth {
    /// Kilobits (of 1,000 bits) a second.
    pub rate: NonZeroU32,
    /// Kilobits that may come at once; one second of the rate if it is not said.
    pub burst: Option<NonZeroU32>,
}

impl Qos {
    /// Reads a row. Its match is not looked at.
    ///
    /// # Errors
    /// A column holds something else than the schema allows, or the rule would do nothing.
    pub fn parse(row: &nb::Qos) -> Result<Self, RowFault> {
        let fault = |column, value: i64| RowFault::new(column, format!("{value} is out of range"));
        let direction = match row.direction.as_str() {
            "from-lport" => Direction::FromLport,
            "to-lport" => Direction::ToLport,
            other => {
                let message = format!("{other:?} is neither \"from-lport\" nor \"to-lport\"");
                return Err(RowFault::new("direction", message));
            }
        };
        let dscp = row.action.get("dscp").map(|&dscp| {
            let fits = u8::try_from(dscp).ok().filter(|dscp| *dscp < 64);
            fits.ok_or_else(|| fault("action", dscp))
        });
        let kilobits = |key| {
            let value = row.bandwidth.get(key).copied();
            let number = value.map(|value| {
                let fits = u32::try_from(value).ok().and_then(NonZeroU32::new);
                fits.ok_or_else(|| fault("bandwidth", value))
            });
            number.transpose()
        };
        let (rate, burst) = (kilobits("rate")?, kilobits("burst")?);
        let rule = Self {
            direction,
            priority: u16::try_from(row.priority).map_err(|_| fault("priority", row.priority))?,
            r#match: row.r#match.clone(),
            dscp: dscp.transpose()?,
            bandwidth: rate.map(|rate| Bandwidth { rate, burst }),
        };
        if rule.dscp.is_none() && rule.bandwidth.is_none() {
            let message = "the rule neither marks packets (dscp) nor has a bandwidth with a rate";
            return Err(RowFault::new("action", message));
        }
        Ok(rule)
    }
}
