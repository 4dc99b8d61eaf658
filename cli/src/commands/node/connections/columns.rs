//! A connection in columns.

use southbound_proto::node::{ConnectionTuple, Decider, TrackedConnection};

use super::super::table as table_of;
use crate::failure::Failure;
use crate::output::{Cell, Table};

/// A column of the whole table: its name, and what stands in it.
#[derive(Debug)]
pub(super) struct Column {
    name: &'static str,
    cell: fn(&TrackedConnection) -> String,
}

/// Declares a column.
macro_rules! column {
    ($name:literal, $cell:expr) => {
        Column {
            name: $name,
            cell: $cell,
        }
    };
}

static COLUMNS: [Column; 25] = [
    column!("zone", |c| c.zone.clone()),
    column!("kind", |c| c.zone_kind.clone()),
    column!("protocol", |c| c.protocol.clone()),
    column!("state", |c| c.state.clone()),
    column!("src", |c| tuple(&c.original).src),
    column!("sport", |c| tuple(&c.original).src_port.to_string()),
    column!("dst", |c| tuple(&c.original).dst),
    column!("dport", |c| tuple(&c.original).dst_port.to_string()),
    column!("reply-src", |c| tuple(&c.reply).src),
    column!("reply-sport", |c| tuple(&c.reply).src_port.to_string()),
    column!("reply-dst", |c| tuple(&c.reply).dst),
    column!("reply-dport", |c| tuple(&c.reply).dst_port.to_string()),
    column!("mark", |c| c.marks.join(",")),
    column!("label", |c| c.label.to_string()),
    column!("timeout", |c| seconds(c.left_ms)),
    column!("age", |c| seconds(c.age_ms)),
    column!("acl", |c| texts(&c.acls)),
    column!("acl-uuid", |c| uuids(&c.acls)),
    column!("lb", |c| texts(c.balancer.as_slice())),
    column!("lb-uuid", |c| uuids(c.balancer.as_slice())),
    column!("vip", |c| c.vip.clone()),
    column!("backend", |c| c.backend.clone()),
    column!("nat", |c| texts(&c.nats)),
    column!("nat-uuid", |c| uuids(&c.nats)),
    column!("route", |c| c.route.clone()),
];

/// All columns.
pub(super) fn all() -> Vec<&'static Column> {
    COLUMNS.iter().collect()
}

/// The columns with these names, which stand between commas.
pub(super) fn chosen(names: &str) -> Result<Vec<&'static Column>, Failure> {
    let find = |name: &str| {
        let found = COLUMNS.iter().find(|column| column.name == name);
        found.ok_or_else(|| {
            let known = COLUMNS.each_ref().map(|column| column.name).join(", ");
            Failure::usage(format!("--columns {name:?}: expected some of {known}"))
        })
    };
    names.split(',').map(str::trim).map(find).collect()
}

/// One connection a row.
pub(super) fn table(connections: &[TrackedConnection], columns: &[&Column]) -> Table {
    let row = |connection: &TrackedConnection| {
        let cells = columns.iter().map(|column| (column.cell)(connection));
        cells.map(Cell::Text).collect()
    };
    Table {
        headings: columns
            .iter()
            .map(|column| column.name.to_owned())
            .collect(),
        rows: connections.iter().map(row).collect(),
    }
}

/// What people want to know first.
pub(super) fn brief(connections: &[TrackedConnection]) -> Table {
    let headings = [
        "zone", "protocol", "state", "from", "to", "answers", "left", "by",
    ];
    table_of(headings, connections.iter().map(brief_row))
}

fn brief_row(connection: &TrackedConnection) -> [String; 8] {
    let is_echo = connection.protocol.starts_with("icmp");
    let original = tuple(&connection.original);
    let reply = tuple(&connection.reply);
    let (from, to, answers) = match is_echo {
        // The client's port is the identifier, the server's is the type.
        true => (
            format!("{} id {}", original.src, original.src_port),
            original.dst,
            format!("{} > {} id {}", reply.src, reply.dst, reply.dst_port),
        ),
        false => (
            endpoint(&original.src, original.src_port),
            endpoint(&original.dst, original.dst_port),
            format!(
                "{} > {}",
                endpoint(&reply.src, reply.src_port),
                endpoint(&reply.dst, reply.dst_port)
            ),
        ),
    };
    let zone = match connection.zone_kind.as_str() {
        "port" => connection.zone.clone(),
        kind => format!("{} {kind}", connection.zone),
    };
    let mut state = connection.state.clone();
    if connection.marks.iter().any(|mark| mark == "blocked") {
        state.push_str(" blocked");
    }
    [
        zone,
        connection.protocol.clone(),
        state,
        from,
        to,
        match connection.is_translated {
            true => answers,
            false => String::new(),
        },
        format!("{}s", seconds(connection.left_ms)),
        deciders(connection),
    ]
}

/// Who decided, in the order of a packet's way.
fn deciders(connection: &TrackedConnection) -> String {
    let mut said = Vec::new();
    for acl in &connection.acls {
        said.push(format!("acl {}", text(acl)));
    }
    if let Some(balancer) = &connection.balancer {
        let (vip, backend) = (&connection.vip, &connection.backend);
        said.push(format!("lb {} {vip} -> {backend}", text(balancer)));
    }
    for nat in &connection.nats {
        said.push(format!("nat {}", text(nat)));
    }
    if !connection.route.is_empty() {
        said.push(format!("route {}", connection.route));
    }
    said.join(", ")
}

fn tuple(tuple: &Option<ConnectionTuple>) -> ConnectionTuple {
    tuple.clone().unwrap_or_default()
}

fn texts(deciders: &[Decider]) -> String {
    deciders.iter().map(text).collect::<Vec<_>>().join(",")
}

/// The UUID of a row that is gone.
fn text(decider: &Decider) -> &str {
    match decider.text.as_str() {
        "" => &decider.uuid,
        text => text,
    }
}

fn uuids(deciders: &[Decider]) -> String {
    let uuids: Vec<_> = deciders.iter().map(|it| it.uuid.as_str()).collect();
    uuids.join(",")
}

fn seconds(ms: u64) -> String {
    ms.div_ceil(1_000).to_string()
}

fn endpoint(ip: &str, port: u32) -> String {
    match (port, ip.contains(':')) {
        (0, _) => ip.to_owned(),
        (port, true) => format!("[{ip}]:{port}"),
        (port, false) => format!("{ip}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balanced() -> TrackedConnection {
        let tuple = |src: &str, src_port, dst: &str, dst_port| {
            Some(ConnectionTuple {
                src: src.into(),
                dst: dst.into(),
                src_port,
                dst_port,
            })
        };
        let decider = |uuid: &str, text: &str| Decider {
            uuid: uuid.into(),
            text: text.into(),
        };
        TrackedConnection {
            zone: "web-1".into(),
            zone_kind: "port".into(),
            protocol: "tcp".into(),
            state: "ESTABLISHED".into(),
            original: tuple("fd00::1", 4000, "fd00::9", 80),
            reply: tuple("fd00::2", 8080, "fd00::1", 4000),
            is_translated: true,
            marks: vec!["natted".into()],
            left_ms: 1_001,
            acls: vec![decider("u1", "to-lport 1001 allow-web"), decider("u2", "")],
            balancer: Some(decider("u3", "web")),
            vip: "[fd00::9]:80".into(),
            backend: "[fd00::2]:8080".into(),
            route: "fd00::/64".into(),
            ..TrackedConnection::default()
        }
    }

    #[test]
    fn a_connection_tells_what_it_became_and_who_made_it() {
        let expected = [
            "web-1",
            "tcp",
            "ESTABLISHED",
            "[fd00::1]:4000",
            "[fd00::9]:80",
            "[fd00::2]:8080 > [fd00::1]:4000",
            "2s",
            "acl to-lport 1001 allow-web, acl u2, lb web [fd00::9]:80 -> [fd00::2]:8080, route fd00::/64",
        ];
        assert_eq!(brief_row(&balanced()), expected);
    }

    #[test]
    fn a_connection_that_is_not_translated_does_not_repeat_itself() {
        let plain = TrackedConnection {
            is_translated: false,
            zone: "r".into(),
            zone_kind: "snat".into(),
            protocol: "icmp6".into(),
            marks: vec!["blocked".into()],
            ..balanced()
        };
        let row = brief_row(&plain);
        let told = [&row[0], &row[2], &row[3], &row[4], &row[5]];
        let expected = [
            "r snat",
            "ESTABLISHED blocked",
            "fd00::1 id 4000",
            "fd00::9",
            "",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn columns_are_chosen_by_name_and_order() {
        let chosen = chosen("acl-uuid, timeout,reply-dport").expect("columns");
        let table = table(&[balanced()], &chosen);
        assert_eq!(table.headings, ["acl-uuid", "timeout", "reply-dport"]);
        let row: Vec<String> = chosen.iter().map(|it| (it.cell)(&balanced())).collect();
        assert_eq!(row, ["u1,u2", "2", "4000"]);
        let error = super::chosen("zone,colour").expect_err("no column");
        assert!(error.to_string().contains("colour"));
    }
}
