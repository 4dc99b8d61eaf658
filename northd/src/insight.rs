//! What the northbound API tells of northd's inner state: traces, flow listings, nodes and warnings.

mod find;
mod flow_list;
mod names;
mod rule_stats;
mod status;
mod trace;

use std::sync::Arc;

use model::{Changes, Database};
use northbound_proto::northbound::{
    FlowListReply, FlowListRequest, RuleStatsReply, StatusReply, StatusRequest, TraceReply,
    TraceRequest,
};
use pipeline::Tables;
use tonic::Status;

use self::names::Names;
use crate::compile;
use crate::northbound::{Insight, Northbound};
use crate::southbound::{Southbound, State, Stopping};

/// Answers from what Control knows.
#[derive(Clone, Debug)]
pub struct ControlInsight {
    northbound: Northbound,
    southbound: Southbound,
}

impl ControlInsight {
    /// Answers from this Control, about this database.
    pub fn new(northbound: Northbound, southbound: Southbound) -> Self {
        Self {
            northbound,
            southbound,
        }
    }

    /// What Control knows once it has compiled all that was committed so far.
    async fn state(&self) -> Result<State, Stopping> {
        let revision = self.northbound.snapshot().revision();
        self.southbound.state(revision).await
    }

    /// Answers from the tables that all objects make, with every port seen as if it were here.
    async fn with_tables<T: Send + 'static>(
        &self,
        answer: impl FnOnce(Tables) -> T + Send + 'static,
    ) -> Result<T, Status> {
        let objects = self.state().await?.objects;
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
        let database = self.northbound.snapshot();
        self.with_tables(move |tables| trace::reply(&tables, &Names(&database), &request))
            .await
    }

    async fn flow_list(&self, request: FlowListRequest) -> Result<FlowListReply, Status> {
        let list = move |tables| flow_list::reply(&tables, &request.datapath);
        self.with_tables(list).await?
    }

    async fn rule_stats(&self) -> Result<Vec<RuleStatsReply>, Status> {
        let tallies = self.state().await?.tallies;
        let replies = tokio::task::spawn_blocking(move || rule_stats::replies(&tallies)).await;
        replies.map_err(|error| Status::internal(error.to_string()))
    }

    async fn status(&self, StatusRequest {}: StatusRequest) -> Result<StatusReply, Status> {
        let state = self.state().await?;
        Ok(status::reply(state))
    }

    fn warnings(&self, database: &Database, changes: &Changes) -> Vec<String> {
        let warnings = compile::warnings(database, changes);
        warnings.iter().map(ToString::to_string).collect()
    }
}

impl From<Stopping> for Status {
    fn from(stopping: Stopping) -> Self {
        Self::unavailable(stopping.to_string())
    }
}
