//! What northd counts, in Prometheus' text form.

use std::fmt;
use std::time::Duration;

use model::Database;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds of the buckets of commit latencies, in seconds.
const COMMIT_SECONDS: [f64; 12] = [
    0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0,
];

/// All of northd's metrics.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    revision: Gauge,
    rows: Family<TableLabels, Gauge>,
    transactions: Family<ResultLabels, Counter>,
    commit_seconds: Histogram,
    /// The nodes that have a southbound session.
    pub connected_nodes: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TableLabels {
    table: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: TransactionResult,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
enum TransactionResult {
    Committed,
    Refused,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Everything at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("weft_northd");
        let revision = Gauge::default();
        let rows = Family::default();
        let transactions = Family::default();
        let commit_seconds = Histogram::new(COMMIT_SECONDS);
        let connected_nodes = Gauge::default();
        registry.register("revision", "Revision of the database", revision.clone());
        registry.register("rows", "Rows of each table", rows.clone());
        registry.register(
            "transactions",
            "Transactions answered",
            transactions.clone(),
        );
        registry.register_with_unit(
            "commit",
            "From taking up a transaction to its answer",
            Unit::Seconds,
            commit_seconds.clone(),
        );
        registry.register(
            "connected_nodes",
            "Nodes with a southbound session",
            connected_nodes.clone(),
        );
        Self {
            registry,
            revision,
            rows,
            transactions,
            commit_seconds,
            connected_nodes,
        }
    }

    /// Counts an answered transaction.
    pub fn transaction(&self, is_committed: bool, took: Duration) {
        let result = match is_committed {
            true => TransactionResult::Committed,
            false => TransactionResult::Refused,
        };
        let labels = ResultLabels { result };
        self.transactions.get_or_create(&labels).inc();
        self.commit_seconds.observe(took.as_secs_f64());
    }

    /// The metrics as text, with those that are read off the database.
    pub fn encode(&self, database: &Database) -> Result<String, fmt::Error> {
        self.revision.set(database.revision() as i64);
        for schema in database.schemas() {
            let table = schema.name;
            let rows = self.rows.get_or_create(&TableLabels { table });
            rows.set(database.row_count(table) as i64);
        }
        let mut output = String::new();
        text::encode(&mut output, &self.registry)?;
        Ok(output)
    }
}
