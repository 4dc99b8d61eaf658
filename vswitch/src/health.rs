//! Whether the process works, as far as that depends on itself.

use std::sync::Arc;
use std::time::Duration;

use crate::acl_log::LogBook;
use crate::agent::driver::{Control, View};
use crate::datapath::DataPath;

/// The parts that must work: the agent and all workers.
#[derive(Clone)]
pub struct Health {
    /// The agent.
    pub control: Control,
    /// The data path.
    pub data_path: Arc<DataPath>,
    /// What ACLs have logged: for the metrics.
    pub log_book: Arc<LogBook>,
}

/// The part that is dead. It stays so until the process is started anew.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unhealthy {
    /// The agent has stopped.
    #[error("the agent has stopped")]
    Agent,
    /// Workers have died.
    #[error("dead workers: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    Workers(Vec<usize>),
}

impl Health {
    /// The agent's view, or what is dead. An agent that hangs makes this wait.
    pub async fn check(&self) -> Result<View, Unhealthy> {
        let view = self.control.view().await.ok_or(Unhealthy::Agent)?;
        match self.data_path.dead_workers() {
            dead if dead.is_empty() => Ok(view),
            dead => Err(Unhealthy::Workers(dead)),
        }
    }

    /// Calls `tell` at once and then again and again, as long as all is well; returns what ended that.
    pub async fn tell_while_well(&self, every: Duration, mut tell: impl FnMut()) -> Unhealthy {
        let mut interval = tokio::time::interval(every);
        loop {
            interval.tick().await;
            match self.check().await {
                Ok(_) => tell(),
                Err(unhealthy) => return unhealthy,
            }
        }
    }
}
