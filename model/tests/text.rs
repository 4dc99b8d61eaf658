//! Values as `ovn-nbctl` prints and reads them. The expected texts are what OVN 23.03 says.

use model::schema::{BaseType, ColumnType, Reference};
use model::text::{SymbolTable, bare, column_type, datum, parse_datum};
use model::{Atom, Datum, Table, nb};
use uuid::Uuid;

const UUID: &str = "a8ac6b1b-2bd4-4b0c-9d8c-00000000000a";

fn kind(table: &str, column: &str) -> ColumnType {
    let schema = nb::TABLES.iter().find(|schema| schema.name == table);
    let column = schema.and_then(|schema| schema.column(column));
    column.expect("declared").1.kind
}

fn port(column: &str) -> ColumnType {
    kind(nb::LogicalSwitchPort::NAME, column)
}

/// Text in, value out; and the value printed is a text that reads as the same value.
fn reads(kind: ColumnType, text: &str, expected: Datum) {
    let read = parse_datum(&kind, text, &mut ());
    assert_eq!(read.as_ref(), Ok(&expected), "{text}");
    let printed = datum(&kind, &expected);
    assert_eq!(
        parse_datum(&kind, &printed, &mut ()),
        Ok(expected),
        "{printed}"
    );
}

fn refuses(kind: ColumnType, text: &str, expected: &str) {
    let error = parse_datum(&kind, text, &mut ()).expect_err(text);
    assert_eq!(error.to_string(), expected);
}

#[test]
fn text_is_quoted_where_it_could_be_something_else() {
    let check = |name: &str, expected: &str| {
        let value = Datum::scalar(name);
        assert_eq!(datum(&port("name"), &value), expected);
        assert_eq!(bare(&value), name);
        reads(port("name"), expected, value);
    };
    check("sw0", "sw0");
    check("a.b-c_d", "a.b-c_d");
    check("_x", "_x");
    check("", "\"\"");
    check("a b", "\"a b\"");
    check("1a", "\"1a\"");
    check("true", "\"true\"");
    check("é", "\"é\"");
    check("q\"uote", "\"q\\\"uote\"");
    check(
        "8ac6b1ba-2bd4-4b0c-9d8c-000000000000x",
        "\"8ac6b1ba-2bd4-4b0c-9d8c-000000000000x\"",
    );
    check(UUID, &format!("\"{UUID}\""));
}

#[test]
fn sets_and_maps_have_brackets_unless_one_is_the_most() {
    let check = |kind: ColumnType, value: Datum, expected: &str, expected_bare: &str| {
        assert_eq!(datum(&kind, &value), expected);
        assert_eq!(bare(&value), expected_bare);
    };
    check(port("tag"), Datum::empty_set(), "[]", "");
    check(port("tag"), Datum::scalar(5), "5", "5");
    check(port("enabled"), Datum::scalar(false), "false", "false");
    check(port("addresses"), Datum::empty_set(), "[]", "");
    check(
        port("addresses"),
        Datum::scalar("unknown"),
        "[unknown]",
        "unknown",
    );
    check(
        port("addresses"),
        Datum::set(["b c", "a"]),
        "[a, \"b c\"]",
        "a b c",
    );
    check(port("options"), Datum::empty_map(), "{}", "");
    let pairs = Datum::map([("a", "b"), ("c d", "e"), ("x", "1.5")]);
    check(
        port("options"),
        pairs,
        "{a=b, \"c d\"=e, x=\"1.5\"}",
        "a=b c d=e x=1.5",
    );
    check(
        kind("NB_Global", "ssl"),
        Datum::scalar(Uuid::nil()),
        &Uuid::nil().to_string(),
        &Uuid::nil().to_string(),
    );
}

#[test]
fn values_are_read_with_and_without_brackets() {
    let addresses = || Datum::set(["a b", "c"]);
    reads(port("addresses"), "\"a b\",c", addresses());
    reads(port("addresses"), "[\"a b\", c]", addresses());
    reads(port("addresses"), " [ c \"a b\" ] ", addresses());
    reads(port("addresses"), "a\\ b,c", addresses());
    reads(port("addresses"), "[]", Datum::empty_set());
    reads(
        port("options"),
        "a=b,c=\"d e\"",
        Datum::map([("a", "b"), ("c", "d e")]),
    );
    reads(
        port("options"),
        "{a = b c=\"d e\"}",
        Datum::map([("a", "b"), ("c", "d e")]),
    );
    reads(port("options"), "{}", Datum::empty_map());
    reads(port("name"), "\"\"", Datum::scalar(""));
    reads(port("name"), "\"a\\u00e9\\n\"", Datum::scalar("aé\n"));
    reads(port("tag"), "4095", Datum::scalar(4095));
    for (text, value) in [
        ("yes", true),
        ("on", true),
        ("1", true),
        ("off", false),
        ("no", false),
    ] {
        reads(port("enabled"), text, Datum::scalar(value));
    }
    let uuid: Uuid = UUID.parse().expect("a UUID");
    reads(kind("Logical_Switch", "ports"), UUID, Datum::scalar(uuid));
    let numbers = ColumnType::set(BaseType::INTEGER);
    reads(numbers, "1-3,7,-2", Datum::set([1, 2, 3, 7, -2]));
}

#[test]
fn names_of_rows_are_looked_up() {
    struct Named;
    impl SymbolTable for Named {
        fn resolve(&mut self, name: &str, refers_to: Option<Reference>) -> Option<Uuid> {
            (name == "a" && refers_to.is_some_and(|to| to.is_strong)).then_some(Uuid::from_u128(7))
        }
    }
    let ports = kind("Logical_Switch", "ports");
    let read = parse_datum(&ports, "@a", &mut Named);
    assert_eq!(read, Ok(Datum::set([Atom::Uuid(Uuid::from_u128(7))])));
    let error = parse_datum(&ports, "@b", &mut Named).expect_err("not known");
    assert_eq!(error.to_string(), "row id \"@b\" is not defined");
}

#[test]
fn what_is_no_value_is_refused_in_ovns_words() {
    let set = port("addresses");
    refuses(set, "", "use \"[]\" to specify the empty set");
    refuses(set, "[a,a]", "[a,a]: set contains duplicate value");
    refuses(set, "[a", "[a: missing \"]\" at end of data");
    refuses(set, "[a]b", "[a]b: trailing garbage after \"]\"");
    refuses(
        set,
        "\"a b\",c,,d",
        "\"a b\",c,,d: unexpected \",\" parsing set of strings",
    );
    refuses(set, ":b", ":b: unexpected \":\" parsing set of strings");
    refuses(
        set,
        "\"abc",
        "\"abc: quoted string extends past end of argument",
    );
    refuses(
        set,
        "\"abc\"d",
        "\"abc\"d: missing quote at end of quoted string",
    );
    refuses(set, "ab\\", "ab\\: backslash at end of argument");
    let map = port("options");
    refuses(map, "", "use \"{}\" to specify the empty map");
    refuses(map, "a", "a: syntax error at \"\" expecting \"=\"");
    refuses(map, "{a}", "a}: syntax error at \"}\" expecting \"=\"");
    refuses(map, "{a:b}", "a:b}: syntax error at \":\" expecting \"=\"");
    refuses(
        map,
        "[]",
        "[]: unexpected \"[\" parsing map of (string, string) pairs",
    );
    refuses(map, "{a=b,a=c}", "{a=b,a=c}: map contains duplicate key");
    let tag = port("tag");
    refuses(
        tag,
        "5000",
        "constraint violation: 5000 is not in the valid range 1 to 4095 (inclusive)",
    );
    refuses(tag, "x", "\"x\" is not a valid integer or range");
    refuses(tag, "0x10", "\"0x10\" is not a valid integer or range");
    refuses(
        tag,
        "99999999999999999999",
        "\"99999999999999999999\" is not a valid integer or range",
    );
    refuses(
        tag,
        "1,2",
        "1,2: 2 value(s) specified but the maximum number is 1",
    );
    refuses(
        tag,
        "1-3",
        "1-3: 3 value(s) specified but the maximum number is 1",
    );
    refuses(
        tag,
        "3-1",
        "\"3-1\" is not a valid range. Range end cannot be before start.",
    );
    refuses(
        tag,
        "0-3",
        "constraint violation: 0 is not in the valid range 1 to 4095 (inclusive)",
    );
    refuses(
        port("type"),
        "[]",
        "[]: 0 value(s) specified but the minimum number is 1",
    );
    refuses(
        port("enabled"),
        "maybe",
        "\"maybe\" is not a valid boolean (use \"true\" or \"false\")",
    );
    refuses(
        kind("Logical_Switch", "ports"),
        "xyz",
        "\"xyz\" is not a valid UUID",
    );
    let policy = kind("Logical_Router_Static_Route", "policy");
    refuses(
        policy,
        "both",
        "constraint violation: both is not one of the allowed values ([dst-ip, src-ip])",
    );
}

#[test]
fn types_have_english_names() {
    assert_eq!(column_type(&port("name")), "string");
    assert_eq!(column_type(&port("tag")), "set of up to 1 integers");
    assert_eq!(
        column_type(&kind("Logical_Router_Port", "networks")),
        "set of 1 or more strings"
    );
    assert_eq!(
        column_type(&port("options")),
        "map of (string, string) pairs"
    );
}
