//! What the northbound API says about northd's inner state.

use std::future::Future;

use model::{Changes, Database};
use northbound_proto::northbound::{
    FlowListReply, FlowListRequest, RuleStatsReply, StatusReply, StatusRequest, TraceReply,
    TraceRequest,
};
use tonic::Status;

/// Answers questions about what the database was compiled to and what the nodes do with it.
pub trait Insight: Send + Sync + 'static {
    /// Runs a microflow through the compiled tables. What is wrong with its text is part of the reply.
    fn trace(
        &self,
        request: TraceRequest,
    ) -> impl Future<Output = Result<TraceReply, Status>> + Send;

    /// The compiled tables, readably.
    fn flow_list(
        &self,
        request: FlowListRequest,
    ) -> impl Future<Output = Result<FlowListReply, Status>> + Send;

    /// What rules have come to on all nodes, in chunks.
    fn rule_stats(&self) -> impl Future<Output = Result<Vec<RuleStatsReply>, Status>> + Send;

    /// What the nodes are doing and which rows are not wholly in force.
    fn status(
        &self,
        request: StatusRequest,
    ) -> impl Future<Output = Result<StatusReply, Status>> + Send;

    /// What is not in force of the rows that a transaction wrote, a sentence each.
    fn warnings(&self, database: &Database, changes: &Changes) -> Vec<String>;
}
