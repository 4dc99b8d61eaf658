//! `acl-log`: the packets that ACLs of this node logged.

use std::io::Write as _;

use serde_json::json;
use southbound_proto::node::acl_log_reply::Reply;
use southbound_proto::node::{AclLogEntry, AclLogReply, AclLogRequest};
use uuid::Uuid;

use super::client::converse;
use crate::command::Call;
use crate::failure::Failure;
use crate::moment::time;
use crate::options::Settings;
use crate::output::TableFormat;

/// The options that say which entries are wanted, each with what it compares.
type Field = fn(&AclLogEntry) -> &str;
const FILTERS: [(&str, Field); 5] = [
    ("--name", |entry| &entry.name),
    ("--verdict", |entry| &entry.verdict),
    ("--severity", |entry| &entry.severity),
    ("--direction", |entry| &entry.direction),
    ("--inport", |entry| &entry.inport),
];

/// Prints what is kept and, with `--follow`, what comes, until the reader goes away.
pub(super) fn acl_log(settings: &Settings, call: &Call) -> Result<String, Failure> {
    let wanted: Vec<(Field, &str)> = FILTERS
        .into_iter()
        .filter_map(|(option, field)| Some((field, call.option(option)?)))
        .collect();
    let is_json = settings.has_format && settings.style.format == TableFormat::Json;
    let follow = call.has("--follow");
    let mut stdout = std::io::stdout();
    converse(settings, async |mut node| {
        let request = AclLogRequest { follow };
        let mut replies = node.acl_log(request).await?.into_inner();
        while let Some(AclLogReply { reply }) = replies.message().await? {
            let text = match reply {
                Some(Reply::Entry(entry)) if is_wanted(&entry, &wanted) => as_line(&entry, is_json),
                Some(Reply::Missed(count)) => {
                    eprintln!("{count} entries were left out: they came too fast");
                    continue;
                }
                _ => continue,
            };
            let written = stdout.write_all(text.as_bytes());
            if written.and_then(|()| stdout.flush()).is_err() {
                break;
            }
        }
        Ok(())
    })?;
    Ok(String::new())
}

fn is_wanted(entry: &AclLogEntry, wanted: &[(Field, &str)]) -> bool {
    wanted.iter().all(|(field, value)| field(entry) == *value)
}

/// One line, with its end.
fn as_line(entry: &AclLogEntry, is_json: bool) -> String {
    if !is_json {
        return format!("{} {}\n", time(entry.unix_ms), entry.line);
    }
    let acl = Uuid::from_slice(&entry.acl).unwrap_or_default();
    let value = json!({
        "time": time(entry.unix_ms),
        "acl": acl.to_string(),
        "name": entry.name,
        "verdict": entry.verdict,
        "severity": entry.severity,
        "direction": entry.direction,
        "inport": entry.inport,
        "packet": entry.packet,
    });
    format!("{value}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> AclLogEntry {
        AclLogEntry {
            unix_ms: 1000,
            name: "deny".into(),
            verdict: "drop".into(),
            severity: "info".into(),
            direction: "to-lport".into(),
            inport: "web-1".into(),
            packet: "tcp,nw_ttl=64".into(),
            line: "name=\"deny\", verdict=drop: tcp,nw_ttl=64".into(),
            ..AclLogEntry::default()
        }
    }

    #[test]
    fn an_entry_is_a_line_of_text_or_of_json() {
        let text = "1970-01-01 00:00:01Z name=\"deny\", verdict=drop: tcp,nw_ttl=64\n";
        assert_eq!(as_line(&entry(), false), text);
        let line = as_line(&entry(), true);
        let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(
            (&value["packet"], &value["inport"]),
            (&json!("tcp,nw_ttl=64"), &json!("web-1"))
        );
    }

    #[test]
    fn all_filters_must_agree() {
        let field = |option| {
            let found = FILTERS.iter().find(|(name, _)| *name == option);
            found.expect("an option").1
        };
        for (wanted, expected) in [
            (vec![], true),
            (vec![("--name", "deny"), ("--verdict", "drop")], true),
            (vec![("--name", "deny"), ("--verdict", "allow")], false),
            (vec![("--inport", "web-2")], false),
            (vec![("--direction", "to-lport")], true),
            (vec![("--severity", "alert")], false),
        ] {
            let filters: Vec<_> = wanted
                .iter()
                .map(|(option, value)| (field(*option), *value))
                .collect();
            assert_eq!(is_wanted(&entry(), &filters), expected, "{wanted:?}");
        }
    }
}
