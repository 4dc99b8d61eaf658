//! Listings: the compiled tables of a datapath, readable.
//!
//! The entries are those that traces show. What is looked up elsewhere (the addresses that the peer switch
//! knows) is listed where it takes effect.

mod policy;
mod router;
mod switch;
mod translating;

use std::fmt;

use serde::Serialize;
use uuid::Uuid;

use crate::object::DatapathKey;
use crate::record::Entry;
use crate::stage::{Pipeline, Stage};
use crate::tables::{Compiled, Tables};
use crate::walk::In;

/// The tables of one datapath.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// The datapath's name.
    pub datapath: String,
    /// The UUID of its northbound row.
    pub uuid: Uuid,
    /// Its tables, in the order in which a packet meets them.
    pub tables: Vec<TableListing>,
}

/// One stage's table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableListing {
    /// The stage's name.
    pub stage: &'static str,
    /// `ingress` or `egress`.
    pub pipeline: &'static str,
    /// The stage's place in its pipeline.
    pub index: usize,
    /// How entries are looked up.
    pub match_kind: &'static str,
    /// The entries: the greatest priority first, then by what they match.
    pub entries: Vec<Entry>,
}

/// Lists the tables of a datapath; `None` if there is no such datapath.
pub fn flow_list(tables: &Tables, datapath: DatapathKey) -> Option<Listing> {
    let row = tables.datapath(datapath)?;
    let datapath_tables = tables.datapath_tables(datapath)?;
    let listed = match &datapath_tables.compiled {
        Compiled::Nothing => Vec::new(),
        Compiled::Switch(compiled) => {
            let switch = In {
                key: datapath,
                name: &row.name,
                datapath: datapath_tables,
                tables: &**compiled,
            };
            let pipelines = [Pipeline::SwitchIngress, Pipeline::SwitchEgress];
            list(&pipelines, |stage| switch::entries(stage, tables, switch))
        }
        Compiled::Router(compiled) => {
            let router = In {
                key: datapath,
                name: &row.name,
                datapath: datapath_tables,
                tables: &**compiled,
            };
            let pipelines = [Pipeline::RouterIngress, Pipeline::RouterEgress];
            list(&pipelines, |stage| router::entries(stage, tables, router))
        }
    };
    Some(Listing {
        datapath: row.name.clone(),
        uuid: row.uuid,
        tables: listed,
    })
}

fn list(pipelines: &[Pipeline], entries: impl Fn(Stage) -> Vec<Entry>) -> Vec<TableListing> {
    let stages = Stage::ALL
        .iter()
        .filter(|stage| pipelines.contains(&stage.pipeline()));
    let table = |stage: &Stage| {
        let mut entries = entries(*stage);
        entries.sort_by(|a, b| {
            (b.priority, &a.matches, &a.actions).cmp(&(a.priority, &b.matches, &b.actions))
        });
        TableListing {
            stage: stage.name(),
            pipeline: stage.pipeline().direction(),
            index: stage.index(),
            match_kind: stage.match_kind(),
            entries,
        }
    };
    stages.map(table).collect()
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pipeline = "";
        for table in &self.tables {
            if table.pipeline != pipeline {
                pipeline = table.pipeline;
                let (name, uuid) = (&self.datapath, self.uuid);
                writeln!(f, "Datapath: \"{name}\" ({uuid})  Pipeline: {pipeline}")?;
            }
            writeln!(
                f,
                "  table={:<2} {} ({})",
                table.index, table.stage, table.match_kind
            )?;
            for Entry {
                priority,
                matches,
                actions,
            } in &table.entries
            {
                let actions = actions.join(" ");
                writeln!(
                    f,
                    "    priority={priority:<3} match=({matches}), action=({actions})"
                )?;
            }
        }
        Ok(())
    }
}
