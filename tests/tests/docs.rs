//! Parts of the documentation are printed by the code. This compares them, and writes them anew when the
//! environment says `WEFT_BLESS=1`.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use model::lb::OptionDeclaration;
use model::schema::{Support, TableSchema};
use pipeline::conntrack::Timeouts;
use pipeline::{DropReason, Pipeline, Stage};

/// Generated text stands between these two lines.
const BEGIN: &str = "<!-- generated -->";
const END: &str = "<!-- end of generated -->";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(name)
}

/// Compares the generated part of a document with what the code prints now.
fn check(name: &str, expected: &str) {
    let path = path(name);
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (before, rest) = text
        .split_once(BEGIN)
        .unwrap_or_else(|| panic!("{name} has no line {BEGIN}"));
    let (current, after) = rest
        .split_once(END)
        .unwrap_or_else(|| panic!("{name} has no line {END}"));
    let expected = format!("\n\n{}\n\n", expected.trim());
    if current == expected {
        return;
    }
    if std::env::var("WEFT_BLESS").is_ok_and(|value| value == "1") {
        fs::write(&path, format!("{before}{BEGIN}{expected}{END}{after}"))
            .expect("the document is writable");
        return;
    }
    panic!(
        "docs/{name} is not what the code says; write it anew with: WEFT_BLESS=1 cargo test -p tests --test docs"
    );
}

#[test]
fn every_drop_reason_is_documented() {
    let mut text = String::from("| reason | what it means |\n|---|---|\n");
    for reason in DropReason::ALL {
        writeln!(text, "| `{}` | {} |", reason.name(), reason.description())
            .expect("text takes text");
    }
    check("drops.md", &text);
}

#[test]
fn every_stage_is_documented() {
    let pipelines = [
        (
            Pipeline::SwitchIngress,
            "Switch ingress (on the sender's node)",
        ),
        (
            Pipeline::SwitchEgress,
            "Switch egress (on the receiver's node)",
        ),
        (
            Pipeline::RouterIngress,
            "Router ingress (on the sender's node)",
        ),
        (
            Pipeline::RouterEgress,
            "Router egress (on the sender's node)",
        ),
    ];
    let mut text = String::new();
    for (pipeline, title) in pipelines {
        writeln!(
            text,
            "### {title}\n\n| stage | looked up by | decides |\n|---|---|---|"
        )
        .expect("text takes text");
        for stage in Stage::ALL
            .iter()
            .filter(|stage| stage.pipeline() == pipeline)
        {
            let (name, kind, what) = (stage.name(), stage.match_kind(), stage.description());
            writeln!(text, "| `{name}` | {kind} | {what} |").expect("text takes text");
        }
        text.push('\n');
    }
    check("stages.md", &text);
}

#[test]
fn every_northbound_table_is_documented() {
    let of = |support| move |table: &&&'static TableSchema| table.support == support;
    let mut text = String::from("| table | what it is | columns |\n|---|---|---|\n");
    for table in model::nb::TABLES.iter().filter(of(Support::Enforced)) {
        let columns: Vec<_> = table
            .columns
            .iter()
            .map(|column| {
                if column.is_reported {
                    format!("*{}*", column.name)
                } else {
                    column.name.to_owned()
                }
            })
            .collect();
        writeln!(
            text,
            "| `{}` | {} | {} |",
            table.name,
            table.summary,
            columns.join(", ")
        )
        .expect("text takes text");
    }
    let declared: Vec<_> = model::nb::TABLES
        .iter()
        .filter(of(Support::Declared))
        .map(|table| format!("`{}`", table.name))
        .collect();
    writeln!(text, "\nDeclared only: {}.", declared.join(", ")).expect("text takes text");
    write_reported(&mut text);
    for (column, options) in [
        ("Load_Balancer.options", model::lb::OPTIONS),
        (
            "Load_Balancer_Health_Check.options",
            model::lb::HEALTH_CHECK_OPTIONS,
        ),
    ] {
        write_options(&mut text, column, options);
    }
    check("northbound.md", &text);
}

/// The tables that northd fills.
fn write_reported(text: &mut String) {
    let head = "northd's own tables, for `list`, `find`, `get` and `wait-until`:";
    writeln!(
        text,
        "\n{head}\n\n| table | what it is | columns |\n|---|---|---|"
    )
    .expect("text takes text");
    let is_reported = |table: &&&TableSchema| table.support == Support::Reported;
    for table in model::sb::TABLES.iter().filter(is_reported) {
        let columns: Vec<_> = table.columns.iter().map(|column| column.name).collect();
        let (name, summary, columns) = (table.name, table.summary, columns.join(", "));
        writeln!(text, "| `{name}` | {summary} | {columns} |").expect("text takes text");
    }
}

/// The keys of an `options` column; those that OVN has not are marked.
fn write_options(text: &mut String, column: &str, options: &[OptionDeclaration]) {
    writeln!(
        text,
        "\n`{column}`; OVN has not those in *italics*:\n\n| key | values | meaning |\n|---|---|---|"
    )
    .expect("text takes text");
    for option in options {
        let mark = if option.is_own { "*" } else { "" };
        let values = option.values.replace('|', "\\|");
        writeln!(
            text,
            "| {mark}`{}`{mark} | `{values}` | {} |",
            option.name, option.summary
        )
        .expect("text takes text");
    }
}

#[test]
fn every_option_beyond_ovn_is_documented() {
    let mut text = String::new();
    for (column, options) in [
        ("Load_Balancer.options", model::lb::OPTIONS),
        (
            "Load_Balancer_Health_Check.options",
            model::lb::HEALTH_CHECK_OPTIONS,
        ),
    ] {
        let own = options.iter().filter(|option| option.is_own);
        writeln!(
            text,
            "`{column}`:\n\n| key | values | meaning |\n|---|---|---|"
        )
        .expect("text takes text");
        for option in own {
            let values = option.values.replace('|', "\\|");
            writeln!(
                text,
                "| `{}` | `{values}` | {} |",
                option.name, option.summary
            )
            .expect("text takes text");
        }
        text.push('\n');
    }
    text.push_str("`vswitch --timeout`:\n\n| state | seconds |\n|---|---|\n");
    let timeouts = Timeouts::default();
    for name in Timeouts::NAMES {
        let seconds = timeouts.get(name).expect("a name has a timeout");
        writeln!(text, "| `{name}` | {seconds} |").expect("text takes text");
    }
    check("options.md", &text);
}

#[test]
fn documents_link_only_to_what_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let documents = [
        "README.md",
        "ARCHITECTURE.md",
        "docs/glossary.md",
        "docs/drops.md",
        "docs/stages.md",
        "docs/northbound.md",
        "docs/options.md",
        "docs/vsctl.md",
    ];
    let mut complaints = Vec::new();
    for document in documents {
        let text = fs::read_to_string(root.join(document))
            .unwrap_or_else(|error| panic!("{document}: {error}"));
        let folder = Path::new(document).parent().unwrap_or(Path::new(""));
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'))
            .map(|(target, _)| target)
        {
            let file = target.split('#').next().unwrap_or(target);
            if !file.is_empty() && !root.join(folder).join(file).exists() {
                complaints.push(format!("{document}: {target}"));
            }
        }
        for place in text
            .split('`')
            .filter(|word| word.contains(".rs") && !word.contains([' ', '*', '\n']))
        {
            if !root.join(place.split(':').next().unwrap_or(place)).exists() {
                complaints.push(format!("{document}: {place}"));
            }
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}
