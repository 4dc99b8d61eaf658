//! What the language accepts is what OVN accepts: random expressions go to both.
//!
//! OVN's side is `ovn-trace`: it reads the logical flows of a southbound database, and says of each match that
//! it cannot parse why. The database here has nothing but such flows.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use std::os::unix::net::UnixStream;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tempfile::TempDir;

const SCHEMA: &str = "/usr/share/ovn/ovn-sb.ovsschema";
const DATABASE: &str = "OVN_Southbound";

/// How long the database server may take to start.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How many expressions are compared.
const EXPRESSIONS: usize = 3_000;

/// A database server; it ends with this.
struct Oracle {
    server: Child,
    directory: TempDir,
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // Both fail only for a process that has ended already.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Oracle {
    /// The oracle; `None` where OVN is not installed, which it has to be where nothing may be left out.
    fn start() -> Option<Self> {
        let programs = ["ovsdb-tool", "ovsdb-server", "ovsdb-client", "ovn-trace"];
        let is_installed = Path::new(SCHEMA).exists() && programs.into_iter().all(runs);
        if !is_installed {
            let is_due = std::env::var_os("CI").is_some();
            assert!(!is_due, "apt-get install ovn-central ovn-common");
            eprintln!("not compared: apt-get install ovn-central ovn-common");
            return None;
        }
        let directory = tempfile::tempdir().expect("a directory");
        let database = directory.path().join("sb.db");
        let created = Command::new("ovsdb-tool")
            .arg("create")
            .arg(&database)
            .arg(SCHEMA)
            .status();
        assert!(created.expect("ovsdb-tool runs").success());
        let server = Command::new("ovsdb-server")
            .arg(format!("--remote=p{}", socket(&directory)))
            .arg(format!(
                "--unixctl={}",
                directory.path().join("ctl").display()
            ))
            .args(["-vconsole:off", "-vsyslog:off"])
            .arg(&database)
            .stdin(Stdio::null())
            .spawn()
            .expect("ovsdb-server runs");
        let start = Instant::now();
        while !directory.path().join("sb.sock").exists() {
            assert!(start.elapsed() < START_LIMIT, "ovsdb-server did not start");
            std::thread::sleep(Duration::from_millis(5));
        }
        Some(Self { server, directory })
    }

    /// Why OVN refuses expressions, by their position. A comment tells them apart.
    fn refusals(&self, expressions: &[String]) -> BTreeMap<usize, String> {
        let mut operations = vec![json!(DATABASE)];
        operations.push(insert(
            "Datapath_Binding",
            json!({ "tunnel_key": 1, "external_ids": ["map", [["name", "dp"], ["logical-switch", "dp"]]] }),
            "dp",
        ));
        operations.push(insert(
            "Port_Binding",
            json!({ "logical_port": "p", "datapath": ["named-uuid", "dp"], "tunnel_key": 1 }),
            "port",
        ));
        let set = json!({ "name": "set", "addresses": ["set", ["10.0.0.1", "10.0.0.2"]] });
        operations.push(insert("Address_Set", set, "set"));
        let group = json!({ "name": "group", "ports": "p" });
        operations.push(insert("Port_Group", group, "grp"));
        for (index, expression) in expressions.iter().enumerate() {
            let flow = json!({
                "logical_datapath": ["named-uuid", "dp"],
                "pipeline": "ingress",
                "table_id": 0,
                "priority": 1,
                "match": format!("{expression} /*{index}*/"),
                "actions": "drop;",
            });
            operations.push(insert("Logical_Flow", flow, &format!("flow{index}")));
        }
        self.transact(&Value::from(operations));
        let output = Command::new("ovn-trace")
            .arg(format!("--db={}", socket(&self.directory)))
            .args(["--minimal", "dp", "inport == \"p\""])
            .output()
            .expect("ovn-trace runs");
        assert!(output.status.success(), "{output:?}");
        let lines = String::from_utf8_lossy(&output.stderr).into_owned();
        lines.lines().filter_map(refusal).collect()
    }

    /// One transaction, all or nothing (RFC 7047 section 4.1.3).
    fn transact(&self, operations: &Value) {
        let stream = UnixStream::connect(self.directory.path().join("sb.sock"));
        let stream = stream.expect("the server listens");
        let request = json!({ "method": "transact", "params": operations, "id": 0 });
        serde_json::to_writer(&stream, &request).expect("the server reads");
        let replies = serde_json::Deserializer::from_reader(&stream);
        let reply = replies
            .into_iter::<Value>()
            .next()
            .expect("the server answers");
        let reply = reply.expect("the answer is JSON");
        let results = reply["result"].as_array().expect("results");
        let error = results.iter().find(|result| result.get("error").is_some());
        assert!(error.is_none(), "{error:?}");
    }
}

fn runs(program: &str) -> bool {
    let mut command = Command::new(program);
    let command = command
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn socket(directory: &TempDir) -> String {
    format!("unix:{}/sb.sock", directory.path().display())
}

fn insert(table: &str, row: Value, name: &str) -> Value {
    json!({ "op": "insert", "table": table, "row": row, "uuid-name": name })
}

/// The position and the reason in a line such as
/// `...|WARN|ip4.srx == 5 /*7*/: parsing expression failed (...)`.
fn refusal(line: &str) -> Option<(usize, String)> {
    let (expression, reason) = line.split_once("*/: parsing expression failed (")?;
    let (_, index) = expression.rsplit_once("/*")?;
    let reason = reason.strip_suffix(')').unwrap_or(reason);
    Some((index.parse().ok()?, reason.to_owned()))
}

/// Every name of the language, and some that are none.
const NAMES: &str = r#"
    inport outport flags flags.loopback flags.force_snat_for_dnat flags.force_snat_for_lb
    flags.skip_snat_for_lb flags.use_snat_zone reg0 reg5 reg9 reg10 xreg0 xreg4 xreg5 xxreg0 xxreg1
    xxreg2 pkt.mark ct_mark ct_mark.blocked ct_mark.natted ct_mark.skip_snat ct_mark.force_snat
    ct_mark.ecmp_reply_port ct_label ct_label.blocked ct_label.natted ct_label.skip_snat
    ct_label.force_snat ct_label.ecmp_reply_eth ct_label.ecmp_reply_port ct_label.label ct_state
    ct.trk ct.new ct.est ct.rel ct.rpl ct.inv ct.snat ct.dnat eth.src eth.dst eth.type eth.bcast
    eth.mcast eth.mcastv6 vlan.tci vlan.present vlan.pcp vlan.vid ip4 ip6 ip ip.proto ip.dscp ip.ecn
    ip.ttl ip.frag ip.is_frag ip.later_frag ip.first_frag ip4.src ip4.dst ip4.src_mcast ip4.mcast
    ip6.src ip6.dst ip6.label ip6.mcast ip6.mcast_rsvd ip6.mcast_all_nodes ip6.mcast_all_rtrs
    ip6.mcast_sol_node ip6.mcast_flood icmp icmp4 icmp4.type icmp4.code icmp6 icmp6.type icmp6.code
    igmp mldv1 mldv2 arp arp.op arp.spa arp.sha arp.tpa arp.tha rarp rarp.op rarp.spa rarp.sha
    rarp.tpa rarp.tha nd nd_ns nd_na nd_rs nd_ra nd.target nd.sll nd.tll tcp tcp.src tcp.dst
    tcp.flags udp udp.src udp.dst sctp sctp.src sctp.dst tcp.port ct.foo ip5
"#;

const CONSTANTS: &str = r#"
    0 1 2 6 80 255 256 65535 65536 4294967295 4294967296 0x1 0xff 0xffffffffffffffffffffffffffffffff
    00 0x 0/1 1/1 0x10/0xf0 5/3 10.0.0.1 10.0.0.0/8 10.0.0.1/255.0.0.1 10.0.0.0/33 10.0.0.256
    fd00::1 fd00::/8 :: ::/129 ::ffff:10.0.0.1 00:00:00:00:00:01 00:00:00:00:00:00/01:00:00:00:00:00
    "p" "nosuch" $set @group
"#;

const RELATIONS: &str = "== != < <= > >=";

/// One of the words of a text.
fn any_of(words: &'static str) -> impl Strategy<Value = String> + Clone {
    let words: Vec<&str> = words.split_whitespace().collect();
    prop::sample::select(words).prop_map(str::to_owned)
}

fn any_field() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        6 => any_of(NAMES),
        1 => (any_of(NAMES), 0..40u32).prop_map(|(name, bit)| format!("{name}[{bit}]")),
        1 => (any_of(NAMES), 0..40u32, 0..40u32)
            .prop_map(|(name, low, high)| format!("{name}[{low}..{high}]")),
    ]
}

fn any_constants() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        4 => any_of(CONSTANTS),
        1 => prop::collection::vec(any_of(CONSTANTS), 1..4)
            .prop_map(|constants| format!("{{{}}}", constants.join(", "))),
    ]
}

/// A random expression, seldom a long one.
fn any_expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        3 => any_field(),
        6 => (any_field(), any_of(RELATIONS), any_constants())
            .prop_map(|(field, relation, constants)| format!("{field} {relation} {constants}")),
        1 => (any_constants(), any_of(RELATIONS), any_field())
            .prop_map(|(constants, relation, field)| format!("{constants} {relation} {field}")),
        1 => (any_of(CONSTANTS), any_of(RELATIONS), any_field(), any_of(RELATIONS), any_of(CONSTANTS))
            .prop_map(|(low, first, field, second, high)| format!("{low} {first} {field} {second} {high}")),
        1 => Just("is_chassis_resident(\"p\")".to_owned()),
        1 => any_of("0 1 2 () !"),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|operand| format!("!({operand})")),
            inner.clone().prop_map(|operand| format!("!{operand}")),
            (inner.clone(), any_of("&& ||"), inner.clone())
                .prop_map(|(left, operator, right)| format!("{left} {operator} {right}")),
            (inner.clone(), any_of("&& ||"), inner)
                .prop_map(|(left, operator, right)| format!("({left}) {operator} ({right})")),
        ]
    })
}

#[test]
fn what_ovn_accepts_is_accepted_and_nothing_else() {
    let Some(oracle) = Oracle::start() else {
        return;
    };
    let mut runner = TestRunner::deterministic();
    let expressions: Vec<String> = (0..EXPRESSIONS)
        .map(|_| {
            any_expression()
                .new_tree(&mut runner)
                .expect("a value")
                .current()
        })
        .collect();
    let refusals = oracle.refusals(&expressions);
    let mut differences = Vec::new();
    for (index, expression) in expressions.iter().enumerate() {
        let ours = expr::parse(expression);
        match (&ours, refusals.get(&index)) {
            (Ok(_), Some(reason)) if !is_about_a_set(expression, reason) => {
                differences.push(format!("{expression}\n  OVN: {reason}"))
            }
            (Err(error), None) if !is_stricter(&error.message) => {
                differences.push(format!("{expression}\n  here: {}", error.message));
            }
            _ => {}
        }
    }
    let accepted = expressions.len() - refusals.len();
    assert!(
        accepted > EXPRESSIONS / 10,
        "only {accepted} of them are sound"
    );
    let count = differences.len();
    assert!(
        count == 0,
        "{count} differences:\n{}",
        differences.join("\n")
    );
}

/// OVN cuts off constants that are too wide for the bits that they are compared with, and takes one address of
/// a set where order is asked for.
fn is_stricter(message: &str) -> bool {
    message.starts_with("the constant has ")
        || message.ends_with("cannot be used with a set of values")
}

/// What a set holds is not known when an expression is read.
fn is_about_a_set(expression: &str, reason: &str) -> bool {
    expression.contains("$set") && reason.contains("is not compatible with")
}
