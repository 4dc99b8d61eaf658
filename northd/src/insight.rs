//! What the northbound API tells of northd's inner state: traces, flow listings, nodes and warnings.

mod find;
mod flow_list;
mod status;
mod trace;

use std::sync::Arc;
use std::time::Duration;

use model::{Changes, Support};
use northbound_proto::northbound::{
    FlowListReply, FlowListRequest, StatusReply, StatusRequest, TraceReply, TraceRequest,
};
use pipeline::Tables;
use tonic::Status;

use crate::northbound::Insight;
use crate::southbound::{Southbound, Stopping};

/// How long an answer to a transaction may wait for its warnings.
const WARNINGS_WAIT: Duration = Duration::from_millis(100);

/// Answers from what Control knows.
#[derive(Clone, Debug)]
pub struct ControlInsight {
    southbound: Southbound,
}

impl ControlInsight {
    /// Answers from this Control.
    pub fn new(southbound: Southbound) -> Self {
        Self { southbound }
    }

    /// Answers from the tables that all objects make, with every port seen as if it were here.
    async fn with_tables<T: Send + 'static>(
        &self,
        answer: impl FnOnce(Tables) -> T + Send + 'static,
    ) -> Result<T, Status> {
        let objects = self.southbound.state().await?.objects;
        let answered = tokio::task::spawn_blocking(move || {
            let objects = objects.into_values().map(Arc::unwrap_or_clone);
            let tables = Tables::new(None).apply(objects, []);
            tables.map(answer)
        });
        let answered = answered
            .await
            .map_err(|error| Status::internal(error.to_string()))?;
        answered.map_err(|error| Status::internal(error.to_string()))
    }
}

impl Insight for ControlInsight {
    async fn trace(&self, request: TraceRequest) -> Result<TraceReply, Status> {
        self.with_tables(move |tables| trace::reply(&tables, &request))
            .await
    }

    async fn flow_list(&self, request: FlowListRequest) -> Result<FlowListReply, Status> {
        let list = move |tables| flow_list::reply(&tables, &request.datapath);
        self.with_tables(list).await?
    }

    async fn status(&self, StatusRequest {}: StatusRequest) -> Result<StatusReply, Status> {
        let state = self.southbound.state().await?;
        Ok(status::reply(state))
    }

    async fn warnings(&self, changes: &Changes) -> Vec<String> {
        let tables = changes
            .tables
            .iter()
            .filter(|(table, _)| is_enforced(table));
        let rows = tables.flat_map(|(table, changes)| {
            let written = changes.iter().filter(|change| change.new.is_some());
            written.map(|change| (*table, change.uuid))
        });
        let rows: Vec<_> = rows.collect();
        if rows.is_empty() {
            return Vec::new();
        }
        let warnings = self.southbound.warnings(changes.revision, rows);
        match tokio::time::timeout(WARNINGS_WAIT, warnings).await {
            Ok(Ok(warnings)) => warnings.iter().map(ToString::to_string).collect(),
            // They can still be seen with the status.
            Ok(Err(Stopping)) | Err(_) => Vec::new(),
        }
    }
}

impl From<Stopping> for Status {
    fn from(stopping: Stopping) -> Self {
        Self::unavailable(stopping.to_string())
    }
}

fn is_enforced(table: &str) -> bool {
    let mut tables = model::nb::TABLES.iter();
    let schema = tables.find(|schema| schema.name == table);
    schema.is_some_and(|schema| schema.support == Support::Enforced)
}
