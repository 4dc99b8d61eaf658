//! The compiled tables, readably.

use northbound_proto::northbound::{DatapathFlows, FlowEntry, FlowListReply, FlowTable};
use pipeline::object::{DatapathKey, DatapathKind};
use pipeline::{Entry, TableListing, Tables};
use tonic::Status;

use super::find::find_datapath;

/// The tables of the named datapath, or of all when none is named.
pub(super) fn reply(tables: &Tables, datapath: &str) -> Result<FlowListReply, Status> {
    let keys = match datapath {
        "" => tables.all_datapaths().iter().map(|row| row.key).collect(),
        name => find_datapath(tables, name),
    };
    if keys.is_empty() && !datapath.is_empty() {
        return Err(Status::not_found(format!(
            "there is no datapath {datapath:?}"
        )));
    }
    let datapaths = keys.into_iter().filter_map(|key| flows(tables, key));
    Ok(FlowListReply {
        datapaths: datapaths.collect(),
    })
}

fn flows(tables: &Tables, key: DatapathKey) -> Option<DatapathFlows> {
    let kind = match tables.datapath(key)?.kind {
        DatapathKind::Switch(_) => "switch",
        DatapathKind::Router(_) => "router",
    };
    let listing = pipeline::flow_list(tables, key)?;
    Some(DatapathFlows {
        datapath: listing.datapath,
        kind: kind.to_owned(),
        key: key.get(),
        tables: listing.tables.into_iter().map(table).collect(),
    })
}

fn table(table: TableListing) -> FlowTable {
    FlowTable {
        pipeline: table.pipeline.to_owned(),
        stage: table.stage.to_owned(),
        match_kind: table.match_kind.to_owned(),
        entries: table.entries.into_iter().map(entry).collect(),
    }
}

fn entry(entry: Entry) -> FlowEntry {
    FlowEntry {
        priority: u32::from(entry.priority),
        matches: entry.matches,
        actions: entry.actions.join(" "),
    }
}
