//! A whole vswitch: state, data path, agent, admin socket and HTTP, started in that order.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use southbound_proto::PROTOCOL_VERSION;
use southbound_proto::capability::PARTIAL_CHECKSUMS;
use southbound_proto::convert::address_to_wire;
use southbound_proto::southbound as wire;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::acl_log::{self, LogBook};
use crate::agent::driver::{self, Control};
use crate::agent::session::Identity;
use crate::agent::{Agent, Objects};
use crate::attach::Carrier;
use crate::config::Config;
use crate::datapath::{DataPath, DataPathConfig, DataPathError};
use crate::health::Health;
use crate::node::{self, Socket, SocketError};
use crate::port::Taps;
use crate::state::{State, StateError};
use crate::{VERSION, http};

/// How long the ports of an earlier life may take to come back before the start goes on without them.
const RESTORE_TIMEOUT: Duration = Duration::from_secs(5);
/// How often they are looked at.
const RESTORE_POLL: Duration = Duration::from_millis(5);
/// How often the underlay's MTU and speed are looked at.
const UNDERLAY_INTERVAL: Duration = Duration::from_secs(5);

/// A running vswitch. Dropping it leaves its tasks running: call [`Vswitch::shutdown`].
pub struct Vswitch {
    addresses: Addresses,
    control: Control,
    stop: CancellationToken,
    agent: JoinHandle<()>,
    servers: Vec<JoinHandle<()>>,
    data_path: Arc<DataPath>,
    log_book: Arc<LogBook>,
    _socket: Socket,
}

/// Where a vswitch is to be found, with the ports that the system chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The Geneve socket.
    pub tunnel: SocketAddr,
    /// Health and metrics.
    pub http: Option<SocketAddr>,
}

/// Why a vswitch could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The interfaces of this machine cannot be read.
    #[error("cannot find the interface that carries the encap IP {ip}")]
    Underlay {
        /// The address.
        ip: IpAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The encap IP is not this node's.
    #[error("no interface of this node carries the encap IP {0}")]
    NotOurs(IpAddr),
    /// The data path cannot be started.
    #[error(transparent)]
    DataPath(#[from] DataPathError),
    /// The kernel has no io_uring, keeps it from this process, or cannot do what is asked of it.
    #[error("--io io-uring: the test of io_uring failed")]
    IoUring(#[source] io::Error),
    /// The admin socket cannot be made.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// Health and metrics cannot be served there.
    #[error("cannot listen on --http {address}")]
    Http {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Vswitch {
    /// Starts a vswitch on the current runtime. When this returns, it forwards what it has saved, and its
    /// admin socket answers.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let started = Instant::now();
        let config = Arc::new(config);
        let state = State::open(&config.data_dir)?;
        let (socket, listener) = Socket::bind(&config.admin_socket)?;
        let http = match config.http {
            Some(address) => Some(bind_http(address).await?),
            None => None,
        };
        let carrier = carrier(config.encap_ip)?;
        let data_path = Arc::new(DataPath::start(&DataPathConfig {
            workers: config.workers,
            encap_ip: config.encap_ip,
            encap_port: config.encap_port,
            underlay_mtu: ip_mtu(&carrier),
            max_connections: config.connections,
            tracking: config.tracking,
            fruitless_per_s: config.fruitless_per_s,
            polling: config.polling,
            processors: config.processors.clone(),
        })?);
        let taps = Taps {
            backend: config.tap,
            transfer: config.io.transfer().map_err(StartError::IoUring)?,
        };
        tell_start(&config, taps, &data_path);
        data_path.set_uplink_rate(uplink_kilobits(&config, &carrier));
        let agent = agent(&config, &state, &data_path, started);
        let stop = CancellationToken::new();
        let (control, agent) = driver::start(driver::Parts {
            agent,
            data_path: data_path.clone(),
            taps,
            state,
            stop: stop.clone(),
        });
        let mut vswitch = Self {
            addresses: Addresses {
                tunnel: SocketAddr::new(config.encap_ip, data_path.encap_port()),
                http: http
                    .as_ref()
                    .and_then(|listener| listener.local_addr().ok()),
            },
            control,
            stop,
            agent,
            servers: Vec::new(),
            log_book: acl_log::start(&data_path),
            data_path,
            _socket: socket,
        };
        vswitch.serve(listener, http, config, started);
        vswitch.wait_restored().await;
        Ok(vswitch)
    }

    /// Waits, for a bounded time, until the ports of an earlier life carry packets again.
    async fn wait_restored(&self) {
        let restored = async {
            while self
                .control
                .view()
                .await
                .is_some_and(|view| !view.is_restored)
            {
                tokio::time::sleep(RESTORE_POLL).await;
            }
        };
        if tokio::time::timeout(RESTORE_TIMEOUT, restored)
            .await
            .is_err()
        {
            tracing::warn!("not all ports of the last run are back yet");
        }
    }

    /// Where it is to be found.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Its agent.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Whether it works, for whoever watches it.
    pub fn health(&self) -> Health {
        Health {
            control: self.control.clone(),
            data_path: self.data_path.clone(),
            log_book: self.log_book.clone(),
        }
    }

    /// Waits until a part of it stops that should not.
    pub async fn failed(&mut self) {
        // A part that panicked has been told of on standard error.
        let _ = (&mut self.agent).await;
    }

    /// Stops it. Attached interfaces stay, and their claims: a vswitch that is started soon goes on with them.
    pub async fn shutdown(self) {
        self.stop.cancel();
        if !self.agent.is_finished() {
            let _ = self.agent.await;
        }
        for server in self.servers {
            server.abort();
            let _ = server.await;
        }
        drop(self.data_path);
    }

    fn serve(
        &mut self,
        listener: tokio::net::UnixListener,
        http: Option<tokio::net::TcpListener>,
        config: Arc<Config>,
        started: Instant,
    ) {
        let underlay =
            follow_underlay(config.clone(), self.data_path.clone(), self.control.clone());
        self.servers.push(tokio::spawn(underlay));
        let source = node::Source {
            log_book: self.log_book.clone(),
            control: self.control.clone(),
            data_path: self.data_path.clone(),
            config,
            started,
        };
        let stop = self.stop.clone();
        self.servers.push(tokio::spawn(async move {
            if let Err(error) = node::serve(listener, source, stop).await {
                tracing::error!(%error, "the admin socket is served no more");
            }
        }));
        let Some(listener) = http else { return };
        let health = self.health();
        let stop = self.stop.clone();
        self.servers.push(tokio::spawn(async move {
            if let Err(error) = http::serve(listener, health, stop).await {
                tracing::error!(%error, "health and metrics are served no more");
            }
        }));
    }
}

/// What a log is read for first: which build runs here, and with what settings.
fn tell_start(config: &Config, taps: Taps, data_path: &DataPath) {
    tracing::info!(
        version = VERSION,
        chassis = %config.chassis,
        encap_ip = %config.encap_ip,
        encap_port = data_path.encap_port(),
        tunnel_mtu = data_path.tunnel_mtu(),
        workers = config.workers,
        tap = ?taps.backend,
        frames_a_call = ?taps.transfer,
        southbound = config.southbound.join(","),
        data_dir = %config.data_dir.display(),
        "the node starts"
    );
}

async fn bind_http(address: SocketAddr) -> Result<tokio::net::TcpListener, StartError> {
    let bound = http::bind(address).await;
    bound.map_err(|source| StartError::Http { address, source })
}

/// The interface that carries the encap IP.
fn carrier(ip: IpAddr) -> Result<Carrier, StartError> {
    let carrier = Carrier::of(ip).map_err(|source| StartError::Underlay { ip, source })?;
    carrier.ok_or(StartError::NotOurs(ip))
}

/// The underlay's MTU. A larger one than IP can use counts as the largest.
fn ip_mtu(carrier: &Carrier) -> u16 {
    u16::try_from(carrier.mtu).unwrap_or(u16::MAX)
}

/// What the uplink carries, in kilobits a second: what was set, or what its device tells.
fn uplink_kilobits(config: &Config, carrier: &Carrier) -> u32 {
    let mbits = config.uplink_rate.or_else(|| carrier.speed_mbits());
    mbits.unwrap_or(0).saturating_mul(1_000)
}

/// Makes the tunnel, and then the interfaces of pods, follow the MTU of the interface that carries the encap
/// IP, and what ports are promised its speed.
async fn follow_underlay(config: Arc<Config>, data_path: Arc<DataPath>, control: Control) {
    let ip = config.encap_ip;
    let mut refused = None;
    loop {
        tokio::time::sleep(UNDERLAY_INTERVAL).await;
        let config = config.clone();
        let read = tokio::task::spawn_blocking(move || {
            let carrier = carrier(ip)?;
            Ok::<_, StartError>((ip_mtu(&carrier), uplink_kilobits(&config, &carrier)))
        });
        // An address that is away for a while, as when the interface restarts, says nothing about its MTU.
        let Ok(Ok((underlay_mtu, uplink_kilobits))) = read.await else {
            continue;
        };
        data_path.set_uplink_rate(uplink_kilobits);
        match data_path.set_underlay_mtu(underlay_mtu) {
            Ok(true) => {
                let tunnel_mtu = data_path.tunnel_mtu();
                tracing::info!(%ip, underlay_mtu, tunnel_mtu, "the underlay's MTU has changed");
                control.set_tunnel_mtu(tunnel_mtu.into()).await;
            }
            Ok(false) => refused = None,
            Err(error) if refused != Some(underlay_mtu) => {
                tracing::warn!(%ip, %error, "the underlay's new MTU cannot be followed");
                refused = Some(underlay_mtu);
            }
            Err(_) => {}
        }
    }
}

fn agent(
    config: &Config,
    state: &State,
    data_path: &DataPath,
    now: Instant,
) -> (Agent, Vec<crate::agent::Effect>) {
    let home = config.chassis.clone();
    let objects = Objects::restore(home.clone(), state.load_objects()).unwrap_or_else(|error| {
        tracing::error!(%error, "the saved objects make no tables: starting without them");
        Objects::new(home)
    });
    let attachments = state.load_attachments();
    if objects.count() > 0 || !attachments.is_empty() {
        tracing::info!(
            revision = objects.revision(),
            objects = objects.count(),
            attachments = attachments.len(),
            "going on with what was saved"
        );
    }
    let identity = Identity {
        addresses: config.southbound.clone(),
        hello: wire::Hello {
            protocol_version: PROTOCOL_VERSION,
            capabilities: vec![PARTIAL_CHECKSUMS.to_owned()],
            chassis: config.chassis.to_string(),
            encap_ip: address_to_wire(config.encap_ip),
            encap_port: data_path.encap_port().into(),
            instance: uuid::Uuid::new_v4().to_string(),
            software_version: VERSION.to_owned(),
        },
        seed: RandomState::new().hash_one(&config.chassis),
    };
    let mtu = data_path.tunnel_mtu().into();
    Agent::new(identity, objects, attachments, mtu, now)
}
