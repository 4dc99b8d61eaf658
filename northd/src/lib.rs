//! northd: the logical network's database, its compiler and the nodes' sessions, as a library with a thin
//! binary, so that whole systems run in one process in tests.
//!
//! An object's way: the [`northbound`] API takes a transaction, and the [`store`] makes it durable. [`control`]
//! follows the revisions: it hands out keys ([`allocate`]), has the rows that changed [`compile`]d into objects,
//! and finds out who needs those ([`world`], [`relevance`]). Each node's [`session`] sends the difference to
//! what the node has, through the [`southbound`] server.

pub mod allocate;
pub mod compile;
pub mod config;
pub mod control;
pub mod insight;
mod ipam;
pub mod logging;
pub mod metrics;
pub mod northbound;
pub mod readiness;
pub mod relevance;
mod servers;
pub mod session;
pub mod southbound;
pub mod store;
pub mod world;

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::control::NODE_TIMEOUT;
use crate::metrics::Metrics;
use crate::northbound::{Northbound, Writer};
use crate::readiness::Readiness;
use crate::servers::Fault;
use crate::session::Identity;
use crate::southbound::Driver;
use crate::store::{DiskStore, Store, StoreError};

/// How long open calls may take to end once northd stops.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// A running northd. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Northd {
    northbound: Northbound,
    addresses: Addresses,
    writer: Writer,
    driver: Driver,
    tasks: JoinSet<Result<(), Fault>>,
    cancel: CancellationToken,
}

/// Where a running northd listens, with the ports that it really has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The northbound API.
    pub northbound: SocketAddr,
    /// The nodes' sessions.
    pub southbound: SocketAddr,
    /// Health and metrics.
    pub http: Option<SocketAddr>,
}

/// Why northd does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be used.
    #[error("the database cannot be opened")]
    Store(#[from] StoreError),
    /// The control thread cannot be started.
    #[error("the control thread cannot be started")]
    Thread(#[source] io::Error),
    /// An address cannot be listened on.
    #[error("cannot listen on {what} address {address}")]
    Listen {
        /// Which of the addresses.
        what: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

impl Northd {
    /// Starts northd on the database in the configured directory.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let directory = config.data_dir.clone();
        // Opening waits for the disk, which must not hold up others on this runtime.
        let store = tokio::task::spawn_blocking(move || DiskStore::open(&directory)).await;
        Self::start_on(config, store.expect("opening a store does not panic")?).await
    }

    /// Starts northd on this store. It is ready when this returns: what is stored is compiled.
    pub async fn start_on(config: Config, store: impl Store) -> Result<Self, StartError> {
        let metrics = Arc::new(Metrics::new());
        let readiness = Arc::new(Readiness::default());
        let northbound_listener = listen("northbound", config.northbound).await?;
        let southbound_listener = listen("southbound", config.southbound).await?;
        let http_listener = match config.http {
            Some(address) => Some(listen("http", address).await?),
            None => None,
        };
        let http_address = http_listener.as_ref().map(|l| l.local_addr());
        let addresses = Addresses {
            northbound: northbound_listener
                .local_addr()
                .unwrap_or(config.northbound),
            southbound: southbound_listener
                .local_addr()
                .unwrap_or(config.southbound),
            http: http_address.and_then(Result::ok),
        };
        let opened = tokio::task::spawn_blocking({
            let (metrics, readiness) = (Arc::clone(&metrics), Arc::clone(&readiness));
            move || Northbound::open(store, metrics, readiness)
        });
        let (northbound, writer) = opened.await.expect("loading a store does not panic")?;

        let cancel = CancellationToken::new();
        let identity = Identity {
            epoch: northbound.epoch().to_string(),
            timeout: NODE_TIMEOUT,
            software_version: env!("CARGO_PKG_VERSION").to_owned(),
            capabilities: BTreeSet::new(),
        };
        let started = Driver::start(
            northbound.clone(),
            identity,
            Arc::clone(&metrics),
            Arc::clone(&readiness),
            cancel.clone(),
        );
        let (mut driver, control) = started.map_err(StartError::Thread)?;
        let mut tasks = JoinSet::new();
        let parts = servers::Parts {
            northbound: northbound.clone(),
            control,
            metrics,
            readiness,
            cancel: cancel.clone(),
        };
        servers::start(
            &mut tasks,
            parts,
            northbound_listener,
            southbound_listener,
            http_listener,
        );
        driver.compiled().await;
        Ok(Self {
            northbound,
            addresses,
            writer,
            driver,
            tasks,
            cancel,
        })
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// The database, for parts in the same process.
    pub fn northbound(&self) -> &Northbound {
        &self.northbound
    }

    /// Returns when one of northd's servers ended by itself, which none should.
    pub async fn failed(&mut self) -> Fault {
        match self.tasks.join_next().await {
            Some(Ok(Err(fault))) => fault,
            Some(Err(error)) => Fault::Panicked(error),
            Some(Ok(Ok(()))) | None => Fault::Ended,
        }
    }

    /// Ends open calls, stops the writer after what it has begun, and closes the store.
    pub async fn shutdown(mut self) {
        self.cancel.cancel();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_GRACE, ended).await.is_err() {
            tracing::warn!("cut off calls that did not end in {STOP_GRACE:?}");
            self.tasks.shutdown().await;
        }
        self.driver.stop().await;
        self.writer.stop().await;
    }
}

async fn listen(what: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| StartError::Listen {
        what,
        address,
        source,
    })
}
