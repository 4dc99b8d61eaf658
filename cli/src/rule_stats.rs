//! What rules have come to, as northd knows it from all nodes.

use std::collections::BTreeMap;

use northbound_proto::northbound as wire;
use uuid::Uuid;

use crate::client::Client;
use crate::command::Call;
use crate::failure::Failure;
use crate::moment::time;

/// The option of commands that list rules.
pub const STATS: &str = "--stats";

/// What the rules of rows have come to.
#[derive(Clone, Debug, Default)]
pub struct RuleStats(BTreeMap<Uuid, wire::RuleStats>);

impl RuleStats {
    /// What northd knows, if a call asks for it.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn read(client: &mut Client, calls: &[Call]) -> Result<Self, Failure> {
        let mut stats = Self::default();
        if !calls.iter().any(|call| call.has(STATS)) {
            return Ok(stats);
        }
        let reply = client.stub().rule_stats(wire::RuleStatsRequest {}).await;
        let mut chunks = reply.map_err(|status| client.broken(&status))?.into_inner();
        while let Some(chunk) = chunks
            .message()
            .await
            .map_err(|status| client.broken(&status))?
        {
            stats.take(chunk.rules);
        }
        Ok(stats)
    }

    fn take(&mut self, rules: Vec<wire::RuleStats>) {
        let of_rows = rules.into_iter().filter(|rule| rule.vip.is_empty());
        let by_row = of_rows.filter_map(|rule| Some((Uuid::from_slice(&rule.uuid).ok()?, rule)));
        self.0.extend(by_row);
    }

    /// The headings of [`Self::values`].
    pub const HEADINGS: [&str; 4] = ["packets", "bytes", "connections", "last-hit"];

    /// What the rule of a row has come to.
    pub fn values(&self, row: Uuid) -> [String; 4] {
        let rule = self.0.get(&row).cloned().unwrap_or_default();
        let last = match rule.last_unix_ms {
            0 => "never".to_owned(),
            unix_ms => time(unix_ms),
        };
        let [packets, bytes, connections] =
            [rule.packets, rule.bytes, rule.connections].map(|number| number.to_string());
        [packets, bytes, connections, last]
    }

    /// The headings of [`Self::dropped`].
    pub const DROPPED: [&str; 2] = ["dropped", "dropped-bytes"];

    /// Packets and bytes of the rule of a row that exceeded its limit.
    pub fn dropped(&self, row: Uuid) -> [String; 2] {
        let rule = self.0.get(&row);
        let dropped = rule.map_or((0, 0), |rule| (rule.dropped_packets, rule.dropped_bytes));
        [dropped.0.to_string(), dropped.1.to_string()]
    }

    /// The same as the end of a line.
    pub fn columns(&self, row: Uuid) -> String {
        let named = Self::HEADINGS.into_iter().zip(self.values(row));
        named
            .map(|(heading, value)| format!(" {heading}={value}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_rule_has_come_to_ends_its_line() {
        let row = Uuid::from_u128(1);
        let rule = wire::RuleStats {
            uuid: row.as_bytes().to_vec().into(),
            packets: 12,
            bytes: 900,
            connections: 3,
            last_unix_ms: 1000,
            ..wire::RuleStats::default()
        };
        let vip = wire::RuleStats {
            vip: "10.96.0.1:80".into(),
            packets: 99,
            ..rule.clone()
        };
        let mut stats = RuleStats::default();
        stats.take(vec![rule, vip]);
        let expected = " packets=12 bytes=900 connections=3 last-hit=1970-01-01 00:00:01Z";
        assert_eq!(stats.columns(row), expected);
        let none = " packets=0 bytes=0 connections=0 last-hit=never";
        assert_eq!(stats.columns(Uuid::from_u128(2)), none);
    }
}
