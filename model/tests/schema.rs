//! The declarations against OVN's own schema file, and their shape.

use std::collections::BTreeMap;
use std::path::Path;

use model::schema::{BaseType, ColumnType, TableSchema};
use model::{Support, nb, sb};
use serde_json::{Map, Value, json};

/// Where Debian's `ovn-central` puts the schema; `OVN_NB_SCHEMA` names another place.
const INSTALLED_SCHEMA: &str = "/usr/share/ovn/ovn-nb.ovsschema";

/// Our declaration as a schema file says it.
fn to_json(table: &TableSchema) -> Value {
    let columns = table.columns.iter();
    let columns: Map<_, _> = columns
        .map(|column| (column.name.to_owned(), column_to_json(&column.kind)))
        .collect();
    json!({
        "columns": columns,
        "indexes": table.indexes,
        "isRoot": table.is_root,
        "maxRows": table.max_rows,
    })
}

fn column_to_json(kind: &ColumnType) -> Value {
    let max = match kind.max {
        usize::MAX => json!("unlimited"),
        max => json!(max),
    };
    let value = kind.value.as_ref().map(base_to_json);
    json!({ "key": base_to_json(&kind.key), "value": value, "min": kind.min, "max": max })
}

fn base_to_json(base: &BaseType) -> Value {
    match base {
        BaseType::Integer { min, max } => json!({ "type": "integer", "min": min, "max": max }),
        BaseType::String {
            allowed,
            max_length,
        } => {
            let mut words = allowed.to_vec();
            words.sort_unstable();
            json!({ "type": "string", "enum": words, "maxLength": max_length })
        }
        BaseType::Uuid { refers_to } => {
            let reference = refers_to.map(|to| json!([to.table, to.is_strong]));
            json!({ "type": "uuid", "refersTo": reference })
        }
        BaseType::Real | BaseType::Boolean => json!({ "type": base.name() }),
    }
}

/// A table of a schema file in the same form.
fn normalise(table: &Value) -> Value {
    let columns = table["columns"].as_object().expect("a table has columns");
    let columns: Map<_, _> = columns
        .iter()
        .map(|(name, column)| (name.clone(), normalise_column(&column["type"])))
        .collect();
    json!({
        "columns": columns,
        "indexes": table.get("indexes").cloned().unwrap_or(json!([])),
        "isRoot": table.get("isRoot").cloned().unwrap_or(json!(false)),
        "maxRows": table.get("maxRows").cloned().unwrap_or(Value::Null),
    })
}

fn normalise_column(kind: &Value) -> Value {
    let (key, value) = match kind {
        Value::String(_) => (kind, None),
        _ => (&kind["key"], kind.get("value")),
    };
    json!({
        "key": normalise_base(key),
        "value": value.map(normalise_base),
        "min": kind.get("min").cloned().unwrap_or(json!(1)),
        "max": kind.get("max").cloned().unwrap_or(json!(1)),
    })
}

fn normalise_base(base: &Value) -> Value {
    let kind = base.as_str().or_else(|| base["type"].as_str());
    match kind.expect("a base type has a type") {
        "integer" => json!({
            "type": "integer",
            "min": base.get("minInteger").cloned().unwrap_or(json!(i64::MIN)),
            "max": base.get("maxInteger").cloned().unwrap_or(json!(i64::MAX)),
        }),
        "string" => json!({
            "type": "string",
            "enum": words(base.get("enum")),
            "maxLength": base.get("maxLength").cloned().unwrap_or(json!(usize::MAX)),
        }),
        "uuid" => {
            let is_strong = base.get("refType").is_none_or(|kind| kind == "strong");
            let reference = base.get("refTable").map(|table| json!([table, is_strong]));
            json!({ "type": "uuid", "refersTo": reference })
        }
        other => json!({ "type": other }),
    }
}

/// An `enum`, which is one word or `["set", [words]]`.
fn words(value: Option<&Value>) -> Vec<String> {
    let list = match value {
        Some(Value::Array(pair)) => pair[1].as_array().cloned().unwrap_or_default(),
        Some(word) => vec![word.clone()],
        None => vec![],
    };
    let mut words: Vec<String> = list
        .iter()
        .filter_map(|word| word.as_str().map(str::to_owned))
        .collect();
    words.sort_unstable();
    words
}

/// What OVN added after the version of the schema file.
fn add_later_columns(tables: &mut BTreeMap<&str, Value>) {
    let acl = tables.get_mut("ACL").expect("a table");
    let actions = acl["columns"]["action"]["key"]["enum"].as_array_mut();
    let actions = actions.expect("a list of words");
    actions.push(json!("pass"));
    actions.sort_by_key(|word| word.as_str().map(str::to_owned));
    let tier = json!({ "type": "integer", "min": 0, "max": 3 });
    acl["columns"]["tier"] = json!({ "key": tier, "value": null, "min": 1, "max": 1 });
}

#[test]
fn every_column_is_declared_as_in_ovns_schema_file() {
    let path = std::env::var("OVN_NB_SCHEMA").unwrap_or_else(|_| INSTALLED_SCHEMA.to_owned());
    if !Path::new(&path).exists() {
        let is_due = std::env::var_os("CI").is_some();
        assert!(!is_due, "{path} is not there (install ovn-central)");
        eprintln!("not compared: {path} is not there (install ovn-central)");
        return;
    }
    let text = std::fs::read_to_string(&path).expect("the schema file can be read");
    let file: Value = serde_json::from_str(&text).expect("the schema file is JSON");
    assert_eq!(file["version"], nb::OVN_SCHEMA_VERSION);
    let tables = file["tables"].as_object().expect("the schema has tables");
    let mut theirs: BTreeMap<_, _> = tables
        .iter()
        .map(|(name, table)| (name.as_str(), normalise(table)))
        .collect();
    add_later_columns(&mut theirs);
    let ours: BTreeMap<_, _> = nb::TABLES.iter().map(|t| (t.name, to_json(t))).collect();
    let names: Vec<_> = ours.keys().collect();
    assert_eq!(names, theirs.keys().collect::<Vec<_>>());
    for (name, table) in ours {
        assert_eq!(table, theirs[name], "table {name}");
    }
}

#[test]
fn columns_stand_in_alphabetical_order_so_that_they_are_found() {
    for table in nb::TABLES.iter().chain(sb::TABLES) {
        for (position, column) in table.columns.iter().enumerate() {
            let found = table.column(column.name).map(|(position, _)| position);
            assert_eq!(found, Some(position), "{}.{}", table.name, column.name);
        }
    }
}

#[test]
fn the_tables_in_force_are_these() {
    let enforced = nb::TABLES.iter().filter(|t| t.support == Support::Enforced);
    let enforced: Vec<_> = enforced.map(|table| table.name).collect();
    assert_eq!(
        enforced,
        [
            "ACL",
            "Address_Set",
            "Chassis_Template_Var",
            "Gateway_Chassis",
            "Load_Balancer",
            "Load_Balancer_Group",
            "Load_Balancer_Health_Check",
            "Logical_Router",
            "Logical_Router_Port",
            "Logical_Router_Static_Route",
            "Logical_Switch",
            "Logical_Switch_Port",
            "Meter",
            "Meter_Band",
            "NAT",
            "NB_Global",
            "Port_Group",
            "QoS",
            "Static_MAC_Binding",
        ]
    );
    let seen = sb::TABLES.iter().filter(|t| t.support == Support::Reported);
    let seen: Vec<_> = seen.map(|table| table.name).collect();
    assert_eq!(seen, ["Controller_Event", "Service_Monitor"]);
    let known = [Support::Internal, Support::Reported];
    assert!(sb::TABLES.iter().all(|t| known.contains(&t.support)));
}

#[test]
fn a_declaration_says_all_that_the_schema_language_has() {
    let port = nb::TABLES.iter().find(|t| t.name == "Logical_Switch_Port");
    let port = port.expect("declared");
    assert_eq!(
        port.summary,
        "A place on a switch where a pod, a router or a node plugs in."
    );
    assert_eq!(port.indexes, [["name"]]);
    let check = |name: &str, expected: Value| {
        let (_, column) = port.column(name).expect("declared");
        assert_eq!(column_to_json(&column.kind), expected, "{name}");
    };
    let text = json!({ "type": "string", "enum": [], "maxLength": usize::MAX });
    check(
        "type",
        json!({ "key": text, "value": null, "min": 1, "max": 1 }),
    );
    check(
        "options",
        json!({ "key": text, "value": text, "min": 0, "max": "unlimited" }),
    );
    let tag = json!({ "type": "integer", "min": 1, "max": 4095 });
    check(
        "tag",
        json!({ "key": tag, "value": null, "min": 0, "max": 1 }),
    );
    let mirror = json!({ "type": "uuid", "refersTo": ["Mirror", false] });
    check(
        "mirror_rules",
        json!({ "key": mirror, "value": null, "min": 0, "max": "unlimited" }),
    );
    assert!(
        port.column("up")
            .is_some_and(|(_, column)| column.is_reported)
    );
}
