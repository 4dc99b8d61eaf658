//! `status`: what northd and its nodes are doing.

use northbound_proto::northbound::{ChassisStatus, RowWarning, StatusReply, StatusRequest};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::client::Client;
use crate::command::Call;
use crate::failure::Failure;
use crate::options::Settings;
use crate::output::{Cell, Palette, Table, TableFormat, TablePrinter, TableStyle, paint};
use crate::program::block_on;

pub(super) fn status(settings: &Settings, _: &Call) -> Result<String, Failure> {
    let reply = block_on(async {
        let mut client = Client::connect(&settings.northbound).await?;
        let reply = client.stub().status(StatusRequest {}).await;
        reply.map_err(|status| client.broken(&status))
    })??
    .into_inner();
    Ok(match settings.style.format {
        TableFormat::Json => format!("{}\n", status_json(&reply)),
        _ => status_text(&reply, &settings.style.palette),
    })
}

fn status_text(reply: &StatusReply, palette: &Palette) -> String {
    let mut text = format!(
        "northd {}, revision {}\n\n",
        reply.software_version, reply.revision
    );
    if reply.chassis.is_empty() {
        text.push_str("No node has connected yet.\n");
    } else {
        chassis_table(&reply.chassis, palette, &mut text);
    }
    if !reply.warnings.is_empty() {
        let heading = paint(palette.heading, "Rows that are not wholly in force:");
        text.push_str(&format!("\n{heading}\n"));
    }
    for warning in &reply.warnings {
        let RowWarning {
            table,
            name,
            column,
            message,
            ..
        } = warning;
        text.push_str(&format!("  {table} {name} {column}: {message}\n"));
    }
    text
}

fn chassis_table(chassis: &[ChassisStatus], palette: &Palette, out: &mut String) {
    let headings = [
        "chassis", "encap ip", "state", "since", "revision", "ports", "objects", "version",
    ];
    let rows = chassis
        .iter()
        .map(|chassis| {
            let state = match (chassis.connected, chassis.last_nack.as_str()) {
                (true, "") => "connected".to_owned(),
                (true, reason) => format!("refused: {reason}"),
                (false, _) => "away".to_owned(),
            };
            [
                chassis.name.clone(),
                chassis.encap_ip.clone(),
                state,
                since(chassis.since_unix_ms),
                chassis.acked_revision.to_string(),
                chassis.ports.to_string(),
                chassis.objects.to_string(),
                chassis.software_version.clone(),
            ]
            .map(Cell::Text)
            .into()
        })
        .collect();
    let table = Table {
        headings: headings.map(str::to_owned).into(),
        rows,
    };
    let style = TableStyle {
        format: TableFormat::Table,
        palette: *palette,
        ..TableStyle::default()
    };
    TablePrinter::default().print(&table, &style, out);
}

/// A time in UTC, to the second.
fn since(unix_ms: u64) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z");
    i64::try_from(unix_ms / 1000)
        .ok()
        .and_then(|secs| OffsetDateTime::from_unix_timestamp(secs).ok())
        .and_then(|time| time.format(format).ok())
        .unwrap_or_else(|| "unknown".to_owned())
}

fn status_json(reply: &StatusReply) -> Value {
    let chassis: Vec<Value> = reply
        .chassis
        .iter()
        .map(|chassis| {
            json!({
                "name": chassis.name,
                "encap_ip": chassis.encap_ip,
                "connected": chassis.connected,
                "since_unix_ms": chassis.since_unix_ms,
                "acked_revision": chassis.acked_revision,
                "ports": chassis.ports,
                "objects": chassis.objects,
                "software_version": chassis.software_version,
                "last_nack": chassis.last_nack,
            })
        })
        .collect();
    let warnings: Vec<Value> = reply
        .warnings
        .iter()
        .map(|warning| {
            json!({
                "table": warning.table,
                "name": warning.name,
                "column": warning.column,
                "message": warning.message,
            })
        })
        .collect();
    json!({
        "revision": reply.revision,
        "software_version": reply.software_version,
        "chassis": chassis,
        "warnings": warnings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_shown_with_their_state() {
        let reply = StatusReply {
            revision: 7,
            software_version: "0.1.0".into(),
            chassis: vec![ChassisStatus {
                name: "node1".into(),
                encap_ip: "192.0.2.1".into(),
                connected: true,
                acked_revision: 7,
                ports: 2,
                software_version: "0.1.0".into(),
                since_unix_ms: 0,
                objects: 30,
                last_nack: String::new(),
            }],
            warnings: vec![RowWarning {
                table: "Logical_Switch_Port".into(),
                name: "p".into(),
                column: "options".into(),
                message: "no router port \"x\"".into(),
                ..RowWarning::default()
            }],
        };
        assert_eq!(
            status_text(&reply, &Palette::PLAIN),
            "northd 0.1.0, revision 7\n\n\
             chassis encap ip  state     since                revision ports objects version\n\
             ------- --------- --------- -------------------- -------- ----- ------- -------\n\
             node1   192.0.2.1 connected 1970-01-01 00:00:00Z 7        2     30      0.1.0\n\
             \nRows that are not wholly in force:\n  Logical_Switch_Port p options: no router port \"x\"\n"
        );
    }
}
