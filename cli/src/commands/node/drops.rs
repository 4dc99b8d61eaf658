//! `node drops`: why packets were dropped, and the last one of each reason.

use southbound_proto::node::{Drop, DropsRequest, RuleDrops};

use super::client::ask;
use super::{print, table};
use crate::failure::Failure;
use crate::moment::time;
use crate::options::Settings;
use crate::output::{Palette, Table, paint};

/// Bytes in one line of a dump.
const DUMP_WIDTH: usize = 16;

pub(super) fn drops(settings: &Settings, is_verbose: bool) -> Result<String, Failure> {
    let reply = ask(settings, async |mut node| node.drops(DropsRequest {}).await)?;
    if settings.has_format {
        return Ok(print(settings, &[as_table(&reply.drops)]));
    }
    if reply.drops.is_empty() {
        return Ok("No packet was dropped.\n".to_owned());
    }
    let palette = &settings.style.palette;
    let texts = reply.drops.iter();
    let texts = texts.map(|drop| as_text(drop, is_verbose, palette));
    Ok(texts.collect())
}

fn as_text(drop: &Drop, is_verbose: bool, palette: &Palette) -> String {
    let reason = paint(palette.heading, &format!("{}:", drop.reason));
    let mut text = format!("{:>10}  {reason} {}\n", drop.packets, drop.description);
    if drop.last_unix_ms != 0 {
        text.push_str(&format!(
            "            last: {}, {}, from {}{}\n",
            drop.last_summary,
            time(drop.last_unix_ms),
            drop.last_port,
            by(&drop.last_rule),
        ));
    }
    for RuleDrops { rule, packets } in &drop.rules {
        text.push_str(&format!("            {packets} by {rule}\n"));
    }
    if is_verbose {
        for (index, bytes) in drop.last_packet.chunks(DUMP_WIDTH).enumerate() {
            let offset = index * DUMP_WIDTH;
            text.push_str(&format!("            {offset:04x}  {}\n", hex(bytes)));
        }
    }
    text
}

fn by(rule: &str) -> String {
    match rule {
        "" => String::new(),
        rule => format!(", by {rule}"),
    }
}

fn as_table(drops: &[Drop]) -> Table {
    let headings = [
        "reason",
        "packets",
        "last port",
        "last time",
        "last packet",
        "last bytes",
        "last rule",
        "description",
    ];
    let row = |drop: &Drop| {
        [
            drop.reason.clone(),
            drop.packets.to_string(),
            drop.last_port.clone(),
            if drop.last_unix_ms == 0 {
                String::new()
            } else {
                time(drop.last_unix_ms)
            },
            drop.last_summary.clone(),
            hex(&drop.last_packet),
            drop.last_rule.clone(),
            drop.description.clone(),
        ]
    };
    table(headings, drops.iter().map(row))
}

fn hex(bytes: &[u8]) -> String {
    let octets: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    octets.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drop_tells_of_its_last_packet_and_shows_it_when_asked() {
        let drop = Drop {
            reason: "no-route".into(),
            description: "No route matches.".into(),
            packets: 3,
            last_packet: (0..18).collect::<Vec<u8>>().into(),
            last_packet_length: 18,
            last_port: "web-1".into(),
            last_unix_ms: 1000,
            last_summary: "udp 10.0.0.5:1 > 10.9.9.9:2 ttl 64".into(),
            ..Drop::default()
        };
        let brief = "         3  no-route: No route matches.\n            last: udp 10.0.0.5:1 > \
                     10.9.9.9:2 ttl 64, 1970-01-01 00:00:01Z, from web-1\n";
        assert_eq!(as_text(&drop, false, &Palette::PLAIN), brief);
        let dump = "            0000  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f\n            \
                    0010  10 11\n";
        assert_eq!(
            as_text(&drop, true, &Palette::PLAIN),
            format!("{brief}{dump}")
        );
    }

    #[test]
    fn a_drop_that_a_rule_asked_for_names_it() {
        let drop = Drop {
            reason: "acl-drop".into(),
            description: "An ACL drops the packet.".into(),
            packets: 3,
            last_port: "web-1".into(),
            last_unix_ms: 1000,
            last_summary: "udp 10.0.0.5:1 > 10.9.9.9:2 ttl 64".into(),
            last_rule: "deny".into(),
            rules: vec![RuleDrops {
                rule: "deny".into(),
                packets: 2,
            }],
            ..Drop::default()
        };
        let text = as_text(&drop, false, &Palette::PLAIN);
        let expected = ", from web-1, by deny\n            2 by deny\n";
        assert!(text.ends_with(expected), "{text}");
    }
}
