//! `ct-list`, `ct-flush`, `ct-stats`: the connections that this node tracks.

mod columns;

use southbound_proto::node::{
    ConnectionFilter, ConnectionsRequest, FlushRequest, TrackingReply, TrackingRequest,
};

use super::client::ask;
use super::{print, table};
use crate::command::{Call, Command, CommandOption};
use crate::failure::Failure;
use crate::options::Settings;

/// Connections that are listed unless more are asked for.
const LIMIT: u32 = 1_000;

pub(super) const LIST: Command = Command::alone(
    "ct-list",
    ("", 0, 0),
    "print the connections that this node tracks",
    list,
)
.options(&[
    ZONE,
    PROTOCOL,
    STATE,
    SRC,
    DST,
    SPORT,
    DPORT,
    IP,
    PORT,
    RULE,
    VIP,
    BACKEND,
    CommandOption::value("--limit", "N", "at most N of them (1000)"),
    CommandOption::value("--columns", "NAME,...", "print these columns"),
])
.details(
    "A connection is listed once for each zone that it passes: those of the ports at its ends, and those of \
     routers that translate it. Tells who speaks to whom, what the answers come in as if that is translated, \
     the state, for how long the connection stays if nothing comes, and who decided: ACLs, load balancer, \
     NATs and route. With -f or --columns, everything has a column of its own: zone, kind, protocol, \
     state, src, sport, dst, dport, reply-src, reply-sport, reply-dst, reply-dport, mark, label, timeout, age, \
     acl, acl-uuid, lb, lb-uuid, vip, backend, nat, nat-uuid and route.",
)
.examples(&[
    "ct-list",
    "ct-list --zone web-1 --protocol tcp --state ESTABLISHED",
    "-f json ct-list --dst 10.96.0.0/12 --dport 443",
    "ct-list --columns zone,src,dst,acl",
    "ct-list --vip 10.96.0.10:53 --backend 10.0.0.7",
]);

pub(super) const FLUSH: Command = Command::alone(
    "ct-flush",
    ("", 0, 0),
    "forget connections that this node tracks",
    flush,
)
.options(&[
    ZONE, PROTOCOL, STATE, SRC, DST, SPORT, DPORT, IP, PORT, RULE, VIP, BACKEND,
])
.details(
    "Without options, all of them. Packets of a connection that is forgotten are judged as if it had never \
     been.",
)
.examples(&["ct-flush", "ct-flush --ip 10.0.0.5", "ct-flush --zone web-1 --dport 53"]);

pub(super) const STATS: Command = Command::alone(
    "ct-stats",
    ("", 0, 0),
    "print how full the table of connections is, and what was refused",
    |settings, _| stats(settings),
)
.details(
    "Three tables: the size and bound of the table and what it has come to, connections by state, and \
     connections by zone with those that are half-open and those that were refused because of too many such.",
)
.examples(&["ct-stats"]);

const ZONE: CommandOption = CommandOption::value(
    "--zone",
    "NAME",
    "in the zone of this port, or in those of this switch or router and its ports",
);
const PROTOCOL: CommandOption =
    CommandOption::value("--protocol", "P", "tcp, udp, sctp, icmp, icmp6 or a number");
const STATE: CommandOption =
    CommandOption::value("--state", "STATE", "in this state, such as ESTABLISHED");
const SRC: CommandOption = CommandOption::value(
    "--src",
    "IP[/LEN]",
    "begun by this address or network, before or after translation",
);
const DST: CommandOption = CommandOption::value(
    "--dst",
    "IP[/LEN]",
    "begun to this address or network, before or after translation",
);
const SPORT: CommandOption = CommandOption::value("--sport", "N", "begun from this port");
const DPORT: CommandOption = CommandOption::value("--dport", "N", "begun to this port");
const IP: CommandOption = CommandOption::value(
    "--ip",
    "IP[/LEN]",
    "with this address or network at either end",
);
const PORT: CommandOption = CommandOption::value("--port", "N", "with this port at either end");
const RULE: CommandOption = CommandOption::value(
    "--rule",
    "NAME|UUID",
    "that this ACL, load balancer or NAT decided about",
);
const VIP: CommandOption = CommandOption::value(
    "--vip",
    "IP[:PORT]",
    "to this address of a load balancer, or network of such",
);
const BACKEND: CommandOption = CommandOption::value(
    "--backend",
    "IP[:PORT]",
    "served by this backend of a load balancer, or network of such",
);

fn list(settings: &Settings, call: &Call) -> Result<String, Failure> {
    let chosen = call.option("--columns").map(columns::chosen).transpose()?;
    let limit = number(call, "--limit")?.unwrap_or(LIMIT);
    let request = ConnectionsRequest {
        filter: Some(filter(call)?),
        limit,
    };
    let reply = ask(settings, async |node| {
        // The limit bounds the answer.
        let mut node = node.max_decoding_message_size(usize::MAX);
        node.connections(request).await
    })?;
    let connections = &reply.connections;
    let is_for_people = !settings.has_format;
    if connections.is_empty() && is_for_people {
        return Ok("No connection is tracked.\n".to_owned());
    }
    let table = match chosen {
        Some(chosen) => columns::table(connections, &chosen),
        None if is_for_people => columns::brief(connections),
        None => columns::table(connections, &columns::all()),
    };
    let mut text = print(settings, &[table]);
    if reply.has_more && is_for_people {
        text.push_str(&format!("There are more than {limit}; see --limit.\n"));
    }
    Ok(text)
}

fn flush(settings: &Settings, call: &Call) -> Result<String, Failure> {
    let request = FlushRequest {
        filter: Some(filter(call)?),
    };
    let reply = ask(settings, async |mut node| node.flush(request).await)?;
    let noun = match reply.flushed {
        1 => "connection",
        _ => "connections",
    };
    Ok(format!("{} {noun} flushed\n", reply.flushed))
}

fn stats(settings: &Settings) -> Result<String, Failure> {
    let reply = ask(settings, async |mut node| {
        node.tracking(TrackingRequest {}).await
    })?;
    let TrackingReply {
        counts,
        states,
        mut zones,
    } = reply;
    zones.sort_by(|a, b| (b.half_open, &a.zone).cmp(&(a.half_open, &b.zone)));
    let counts = counts.into_iter();
    let counts = counts.map(|count| [count.name, count.value.to_string(), count.description]);
    let states = states.into_iter();
    let states = states.map(|count| [count.protocol, count.state, count.connections.to_string()]);
    let zones = zones.into_iter().map(|count| {
        let numbers = [count.connections, count.half_open, count.refused];
        let [connections, half_open, refused] = numbers.map(|number| number.to_string());
        [count.zone, count.zone_kind, connections, half_open, refused]
    });
    let tables = [
        table(["count", "value", "description"], counts),
        table(["protocol", "state", "connections"], states),
        table(
            ["zone", "kind", "connections", "half-open", "refused"],
            zones,
        ),
    ];
    Ok(print(settings, &tables))
}

fn filter(call: &Call) -> Result<ConnectionFilter, Failure> {
    let text = |name| call.option(name).unwrap_or_default().to_owned();
    let port = |name| number(call, name).map(Option::unwrap_or_default);
    Ok(ConnectionFilter {
        zone: text("--zone"),
        protocol: text("--protocol"),
        ip: text("--ip"),
        port: port("--port")?,
        state: text("--state"),
        src: text("--src"),
        dst: text("--dst"),
        src_port: port("--sport")?,
        dst_port: port("--dport")?,
        rule: text("--rule"),
        vip: text("--vip"),
        backend: text("--backend"),
    })
}

fn number(call: &Call, name: &str) -> Result<Option<u32>, Failure> {
    let Some(text) = call.option(name) else {
        return Ok(None);
    };
    let number = text.parse().ok().filter(|number| *number > 0);
    let wrong = || Failure::usage(format!("{name} {text}: expected a number from 1 on"));
    number.map(Some).ok_or_else(wrong)
}
