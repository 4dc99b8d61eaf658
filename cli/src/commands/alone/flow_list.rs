//! `flow-list`: the compiled tables.

use northbound_proto::northbound::{DatapathFlows, FlowListRequest, FlowTable};
use serde_json::{Value, json};

use crate::client::Client;
use crate::command::Call;
use crate::failure::Failure;
use crate::options::Settings;
use crate::output::{Palette, TableFormat, paint};
use crate::program::block_on;

pub(super) fn flow_list(settings: &Settings, call: &Call) -> Result<String, Failure> {
    let datapath = call.arguments().first().cloned().unwrap_or_default();
    let reply = block_on(async {
        let mut client = Client::connect(&settings.northbound).await?;
        let request = FlowListRequest {
            datapath: datapath.clone(),
        };
        let reply = client.stub().flow_list(request).await;
        reply.map_err(|status| client.broken(&status))
    })??;
    let datapaths = reply.into_inner().datapaths;
    if datapaths.is_empty() && !datapath.is_empty() {
        return Err(Failure::new(format!("{datapath}: datapath not found")));
    }
    Ok(match settings.style.format {
        TableFormat::Json => {
            let datapaths: Vec<Value> = datapaths.iter().map(datapath_json).collect();
            format!("{}\n", Value::from(datapaths))
        }
        _ => {
            let texts: Vec<String> = datapaths
                .iter()
                .map(|datapath| datapath_text(datapath, &settings.style.palette))
                .collect();
            texts.join("\n")
        }
    })
}

fn datapath_text(datapath: &DatapathFlows, palette: &Palette) -> String {
    let DatapathFlows {
        datapath: name,
        kind,
        key,
        tables,
    } = datapath;
    let heading = format!("Datapath: {name} ({kind}, tunnel key {key})");
    let mut text = paint(palette.heading, &heading) + "\n";
    for table in tables {
        text.push_str(&format!(
            "  {} {} ({})\n",
            table.pipeline, table.stage, table.match_kind
        ));
        text.push_str(&entries_text(table));
    }
    text
}

fn entries_text(table: &FlowTable) -> String {
    let width = table
        .entries
        .iter()
        .map(|entry| entry.matches.chars().count())
        .max();
    let width = width.unwrap_or(0);
    table
        .entries
        .iter()
        .map(|entry| {
            format!(
                "    {:>5}  {:<width$}  {}\n",
                entry.priority, entry.matches, entry.actions
            )
        })
        .collect()
}

fn datapath_json(datapath: &DatapathFlows) -> Value {
    json!({
        "datapath": datapath.datapath,
        "kind": datapath.kind,
        "key": datapath.key,
        "tables": datapath.tables.iter().map(table_json).collect::<Vec<_>>(),
    })
}

fn table_json(table: &FlowTable) -> Value {
    let entries: Vec<Value> = table
        .entries
        .iter()
        .map(|entry| {
            json!({
                "priority": entry.priority,
                "match": entry.matches,
                "actions": entry.actions,
            })
        })
        .collect();
    json!({
        "pipeline": table.pipeline,
        "stage": table.stage,
        "match_kind": table.match_kind,
        "entries": entries,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use northbound_proto::northbound::FlowEntry;

    #[test]
    fn entries_stand_in_columns_under_their_stage() {
        let entry = |priority, matches: &str, actions: &str| FlowEntry {
            priority,
            matches: matches.into(),
            actions: actions.into(),
        };
        let datapath = DatapathFlows {
            datapath: "web".into(),
            kind: "switch".into(),
            key: 1,
            tables: vec![FlowTable {
                pipeline: "ingress".into(),
                stage: "l2_lookup".into(),
                match_kind: "exact".into(),
                entries: vec![
                    entry(50, "eth.dst == 0a:58:0a:00:00:05", "output to web-1"),
                    entry(0, "1", "drop"),
                ],
            }],
        };
        assert_eq!(
            datapath_text(&datapath, &Palette::PLAIN),
            "Datapath: web (switch, tunnel key 1)\n  ingress l2_lookup (exact)\n\
             \x20      50  eth.dst == 0a:58:0a:00:00:05  output to web-1\n\
             \x20       0  1                             drop\n"
        );
    }
}
