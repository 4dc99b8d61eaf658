//! `node show`: the node and its session with northd.

use southbound_proto::node::{ShowReply, ShowRequest};

use super::client::ask;
use super::{print, table};
use crate::failure::Failure;
use crate::moment::time;
use crate::options::Settings;
use crate::output::{Palette, Table, TableFormat, paint};

pub(super) fn show(settings: &Settings) -> Result<String, Failure> {
    let reply = ask(settings, async |mut node| node.show(ShowRequest {}).await)?;
    let facts = facts(&reply);
    Ok(
        match settings.has_format && settings.style.format != TableFormat::List {
            true => print(settings, &[as_table(facts)]),
            false => as_text(&facts, &settings.style.palette),
        },
    )
}

fn facts(reply: &ShowReply) -> Vec<(&'static str, String)> {
    let since = time(reply.southbound_since_unix_ms);
    let mut facts = vec![
        ("chassis", reply.chassis.clone()),
        ("encap ip", reply.encap_ip.clone()),
        ("version", reply.software_version.clone()),
        ("northd", reply.southbound_address.clone()),
        (
            "session",
            format!("{} since {since}", reply.southbound_state),
        ),
    ];
    if !reply.southbound_last_error.is_empty() {
        facts.push(("last error", reply.southbound_last_error.clone()));
    }
    facts.extend([
        ("revision", reply.revision.to_string()),
        ("datapaths", reply.datapaths.to_string()),
        ("objects", reply.objects.to_string()),
        ("workers", workers(reply)),
        ("pod mtu", reply.tunnel_mtu.to_string()),
        ("uplink", uplink(reply)),
        (
            "connections",
            format!("{} of {}", reply.connections, reply.connections_limit),
        ),
        ("uptime", format!("{} s", reply.uptime_ms / 1000)),
    ]);
    facts
}

/// What the node can send to others, and what of that is promised.
fn uplink(reply: &ShowReply) -> String {
    let megabits = |kilobits: u64| format!("{} Mb/s", kilobits as f64 / 1_000.0);
    let promised = megabits(reply.promised_kilobits);
    match (reply.uplink_kilobits, reply.promised_kilobits) {
        (0, 0) => "not known".to_owned(),
        (0, _) => format!("not known: {promised} promised, without effect (--uplink-rate)"),
        (whole, 0) => megabits(whole.into()),
        (whole, _) => format!("{}, {promised} promised", megabits(whole.into())),
    }
}

/// How many workers there are, and which of them are dead.
fn workers(reply: &ShowReply) -> String {
    if reply.dead_workers.is_empty() {
        return reply.workers.to_string();
    }
    let dead: Vec<String> = reply.dead_workers.iter().map(u32::to_string).collect();
    format!("{}, of which dead: {}", reply.workers, dead.join(" "))
}

fn as_text(facts: &[(&'static str, String)], palette: &Palette) -> String {
    let line = |(name, value): &(&str, String)| {
        let name = paint(palette.heading, &format!("{name:<11}"));
        format!("{name} {value}\n")
    };
    facts.iter().map(line).collect()
}

fn as_table(facts: Vec<(&'static str, String)>) -> Table {
    let rows = facts
        .into_iter()
        .map(|(name, value)| [name.to_owned(), value]);
    table(["name", "value"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_workers_are_named() {
        let mut reply = ShowReply {
            workers: 4,
            ..ShowReply::default()
        };
        assert_eq!(workers(&reply), "4");
        reply.dead_workers = vec![0, 3];
        assert_eq!(workers(&reply), "4, of which dead: 0 3");
    }

    #[test]
    fn promises_that_cannot_be_kept_are_told() {
        for (uplink_kilobits, promised_kilobits, expected) in [
            (0, 0, "not known"),
            (10_000_000, 0, "10000 Mb/s"),
            (20_500, 300, "20.5 Mb/s, 0.3 Mb/s promised"),
            (
                0,
                5_000,
                "not known: 5 Mb/s promised, without effect (--uplink-rate)",
            ),
        ] {
            let reply = ShowReply {
                uplink_kilobits,
                promised_kilobits,
                ..ShowReply::default()
            };
            assert_eq!(uplink(&reply), expected);
        }
    }

    #[test]
    fn an_error_is_shown_only_when_there_was_one() {
        let mut reply = ShowReply {
            chassis: "node1".into(),
            southbound_state: "connected".into(),
            connections_limit: 8,
            ..ShowReply::default()
        };
        let text = as_text(&facts(&reply), &Palette::PLAIN);
        assert!(text.starts_with("chassis     node1\n"), "{text}");
        assert!(
            text.contains("session     connected since 1970-01-01 00:00:00Z\n"),
            "{text}"
        );
        assert!(text.contains("connections 0 of 8\n"), "{text}");
        assert!(!text.contains("last error"), "{text}");
        reply.southbound_last_error = "northd:6642: refused".into();
        let text = as_text(&facts(&reply), &Palette::PLAIN);
        assert!(
            text.contains("last error  northd:6642: refused\n"),
            "{text}"
        );
    }
}
