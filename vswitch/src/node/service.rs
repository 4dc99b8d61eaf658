//! The gRPC service of the admin socket.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pipeline::Tables;
use pipeline::object::{PortKind, SwitchPort};
use southbound_proto::node as wire;
use southbound_proto::node::node_server::Node;
use tonic::{Request, Response, Status};

use super::acl_log::{self, AclLogStream};
use super::connections;
use super::drops::drop_message;
use super::rules::{self, Names};
use super::{Source, unix_ms_ago};
use crate::agent::driver::View;
use crate::agent::session;
use crate::agent::{AttachRequest, Attachment, PortStatus, Refusal, RefusalKind};
use crate::attach;
use crate::stats::{Stats, Traffic, WorkerStats};
use crate::sys::tap;

/// Answers the node's `vsctl`.
pub(super) struct Service {
    source: Source,
    waiters: AtomicU64,
}

impl Service {
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            waiters: AtomicU64::new(0),
        }
    }

    fn waiter(&self) -> u64 {
        self.waiters.fetch_add(1, Ordering::Relaxed)
    }

    async fn view(&self) -> Result<View, Status> {
        self.source.control.view().await.ok_or_else(stopped)
    }
}

#[tonic::async_trait]
impl Node for Service {
    async fn attach(
        &self,
        request: Request<wire::AttachRequest>,
    ) -> Result<Response<wire::AttachReply>, Status> {
        let request = request.into_inner();
        let timeout = Duration::from_millis(request.timeout_ms.into());
        let deadline = (!timeout.is_zero()).then(|| Instant::now() + timeout);
        let request = attach_request(request)?;
        let outcome = self
            .source
            .control
            .attach(self.waiter(), request, deadline)
            .await;
        let plan = outcome
            .ok_or_else(stopped)?
            .map_err(refused)?
            .unwrap_or_default();
        Ok(Response::new(wire::AttachReply {
            mac: plan.mac.map_or_else(String::new, |mac| mac.to_string()),
            addresses: plan.addresses.iter().map(ToString::to_string).collect(),
            mtu: plan.mtu,
        }))
    }

    async fn detach(
        &self,
        request: Request<wire::DetachRequest>,
    ) -> Result<Response<wire::DetachReply>, Status> {
        let wire::DetachRequest { port, if_exists } = request.into_inner();
        let outcome = self
            .source
            .control
            .detach(self.waiter(), port, if_exists)
            .await;
        outcome.ok_or_else(stopped)?.map_err(refused)?;
        Ok(Response::new(wire::DetachReply {}))
    }

    async fn show(
        &self,
        _: Request<wire::ShowRequest>,
    ) -> Result<Response<wire::ShowReply>, Status> {
        let view = self.view().await?;
        Ok(Response::new(show(&self.source, &view)))
    }

    async fn ports(
        &self,
        _: Request<wire::PortsRequest>,
    ) -> Result<Response<wire::PortsReply>, Status> {
        let view = self.view().await?;
        let stats = self.source.data_path.stats();
        let local = |status: &PortStatus| local_port(status, &view.tables, &stats);
        let ports = view.ports.iter().map(local).collect();
        Ok(Response::new(wire::PortsReply { ports }))
    }

    async fn stats(
        &self,
        _: Request<wire::StatsRequest>,
    ) -> Result<Response<wire::StatsReply>, Status> {
        let view = self.view().await?;
        Ok(Response::new(stats(
            &self.source.data_path.stats(),
            &view.tables,
        )))
    }

    async fn drops(
        &self,
        _: Request<wire::DropsRequest>,
    ) -> Result<Response<wire::DropsReply>, Status> {
        let view = self.view().await?;
        let stats = self.source.data_path.stats();
        let names = Names::of(&view.tables);
        let sums = self.source.data_path.ledger().sums();
        let drops = stats.drops.iter();
        let drops = drops.map(|drops| drop_message(drops, &view.tables, &names, &sums));
        let drops = drops.collect();
        Ok(Response::new(wire::DropsReply { drops }))
    }

    async fn connections(
        &self,
        request: Request<wire::ConnectionsRequest>,
    ) -> Result<Response<wire::ConnectionsReply>, Status> {
        let view = self.view().await?;
        let wire::ConnectionsRequest { filter, limit } = request.into_inner();
        let filter = connections::filter(&filter.unwrap_or_default(), &view.tables)?;
        let limit = (limit as usize).min(connections::MOST_LISTED);
        let data_path = self.source.data_path.clone();
        let listed = blocking(move || data_path.list_connections(&filter, limit + 1)).await?;
        Ok(Response::new(connections::reply(
            listed,
            limit,
            &view.tables,
        )))
    }

    async fn flush(
        &self,
        request: Request<wire::FlushRequest>,
    ) -> Result<Response<wire::FlushReply>, Status> {
        let view = self.view().await?;
        let filter = request.into_inner().filter.unwrap_or_default();
        let filter = connections::filter(&filter, &view.tables)?;
        let data_path = self.source.data_path.clone();
        let flushed = blocking(move || data_path.flush_connections(&filter)).await?;
        Ok(Response::new(wire::FlushReply { flushed }))
    }

    async fn tracking(
        &self,
        _: Request<wire::TrackingRequest>,
    ) -> Result<Response<wire::TrackingReply>, Status> {
        let view = self.view().await?;
        let data_path = self.source.data_path.clone();
        let survey = blocking(move || data_path.survey_connections()).await?;
        let data_path = &self.source.data_path;
        Ok(Response::new(connections::tracking(
            &data_path.stats().tracked,
            &survey,
            |zone| data_path.refused_connections(zone),
            &view.tables,
        )))
    }

    async fn rules(
        &self,
        _: Request<wire::RulesRequest>,
    ) -> Result<Response<wire::RulesReply>, Status> {
        let view = self.view().await?;
        let data_path = &self.source.data_path;
        let sums = data_path.ledger().sums();
        let rules = rules::rules(&sums, &Names::of(&view.tables), data_path.now_ms());
        Ok(Response::new(wire::RulesReply { rules }))
    }

    type AclLogStream = AclLogStream;

    async fn acl_log(
        &self,
        request: Request<wire::AclLogRequest>,
    ) -> Result<Response<AclLogStream>, Status> {
        let wire::AclLogRequest { follow } = request.into_inner();
        Ok(Response::new(acl_log::stream(
            &self.source.log_book,
            follow,
        )))
    }
}

fn attach_request(request: wire::AttachRequest) -> Result<AttachRequest, Status> {
    if request.port.is_empty() {
        return Err(Status::invalid_argument("the logical port has no name"));
    }
    if request.netns.is_empty() {
        return Err(Status::invalid_argument(
            "the network namespace has no name",
        ));
    }
    tap::check_name(&request.interface).map_err(|error| refused(error.into()))?;
    Ok(AttachRequest {
        attachment: Attachment {
            port: request.port,
            netns: attach::path_of(&request.netns),
            interface: request.interface,
            bare: request.bare,
            configured: None,
        },
        may_exist: request.may_exist,
    })
}

fn show(source: &Source, view: &View) -> wire::ShowReply {
    let state = match (&view.status, view.was_connected) {
        (session::Status::Connected, _) => "connected".to_owned(),
        (session::Status::Refused(reason), _) => format!("refused: {reason}"),
        (session::Status::Connecting, true) => "connecting".to_owned(),
        (session::Status::Connecting, false) => "never connected".to_owned(),
    };
    let connections = source.data_path.stats().connections;
    let (uplink_kilobits, promised_kilobits) = source.data_path.uplink();
    wire::ShowReply {
        chassis: source.config.chassis.to_string(),
        encap_ip: source.config.encap_ip.to_string(),
        software_version: crate::VERSION.to_owned(),
        southbound_state: state,
        southbound_address: view.address.clone(),
        southbound_since_unix_ms: unix_ms_ago(millis(view.since.elapsed())),
        southbound_last_error: view.last_error.clone(),
        revision: view.revision,
        workers: source.data_path.workers() as u32,
        tunnel_mtu: source.data_path.tunnel_mtu().into(),
        datapaths: view.tables.all_datapaths().len() as u64,
        objects: view.objects as u64,
        connections: connections.connections.into(),
        connections_limit: connections.capacity.into(),
        uptime_ms: millis(source.started.elapsed()),
        dead_workers: source
            .data_path
            .dead_workers()
            .into_iter()
            .map(|number| number as u32)
            .collect(),
        uplink_kilobits,
        promised_kilobits,
    }
}

fn local_port(status: &PortStatus, tables: &Tables, stats: &Stats) -> wire::LocalPort {
    let traffic = status
        .at
        .and_then(|at| stats.ports.get(&at))
        .copied()
        .unwrap_or_default();
    let datapath = status.at.and_then(|at| tables.datapath(at.datapath));
    let row = status.at.and_then(|at| tables.port(at));
    let station = row.and_then(|port| match &port.kind {
        PortKind::Switch(SwitchPort { addresses, .. }) => addresses.first(),
        PortKind::Router(_) => None,
    });
    let addresses = station.map(|station| {
        let ipv4 = station.ipv4.iter().map(ToString::to_string);
        ipv4.chain(station.ipv6.iter().map(ToString::to_string))
            .collect()
    });
    wire::LocalPort {
        port: status.attachment.port.clone(),
        interface: status.attachment.interface.clone(),
        netns: status.attachment.netns.clone(),
        state: status.state.clone(),
        datapath: datapath.map_or_else(String::new, |datapath| datapath.name.clone()),
        mac: station.map_or_else(String::new, |station| station.mac.to_string()),
        addresses: addresses.unwrap_or_default(),
        received: Some(received(&traffic)),
        sent: Some(sent(&traffic)),
        dropped: traffic.rx_dropped + traffic.tx_dropped,
        rate_waits: traffic.rate_waits,
        uplink_waits: traffic.uplink_waits,
    }
}

fn stats(stats: &Stats, tables: &Tables) -> wire::StatsReply {
    let workers = stats
        .workers
        .iter()
        .zip(0..)
        .map(|(stats, worker)| worker_stats(worker, stats));
    let tunnels = stats.tunnels.iter().map(|(remote, traffic)| {
        let chassis = tables
            .all_chassis()
            .find(|chassis| chassis.encap_ip == *remote);
        wire::TunnelStats {
            chassis: chassis.map_or_else(String::new, |chassis| chassis.name.to_string()),
            remote_ip: remote.to_string(),
            received: Some(received(traffic)),
            sent: Some(sent(traffic)),
        }
    });
    wire::StatsReply {
        workers: workers.collect(),
        tunnels: tunnels.collect(),
    }
}

fn worker_stats(worker: u32, stats: &WorkerStats) -> wire::WorkerStats {
    let totals = &stats.totals;
    wire::WorkerStats {
        worker,
        received: totals.received,
        copied: totals.copied,
        originated: totals.originated,
        output: totals.transmitted,
        answered: totals.answered,
        monitored: totals.monitored,
        dropped: totals.dropped,
        held: totals.holding,
        hits: totals.hits,
        misses: totals.misses,
        stale: totals.stale,
        batches: totals.batches,
        longest_pause_ns: nanos(stats.longest_pause),
        longest_turn_ns: nanos(stats.longest_turn),
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn received(traffic: &Traffic) -> wire::Counters {
    wire::Counters {
        packets: traffic.rx_packets,
        bytes: traffic.rx_bytes,
    }
}

fn sent(traffic: &Traffic) -> wire::Counters {
    wire::Counters {
        packets: traffic.tx_packets,
        bytes: traffic.tx_bytes,
    }
}

fn refused(refusal: Refusal) -> Status {
    let message = refusal.message;
    match refusal.kind {
        RefusalKind::Invalid => Status::invalid_argument(message),
        RefusalKind::NotFound => Status::not_found(message),
        RefusalKind::Exists => Status::already_exists(message),
        RefusalKind::Refused => Status::failed_precondition(message),
        RefusalKind::NotPermitted => Status::permission_denied(message),
        RefusalKind::TimedOut => Status::deadline_exceeded(message),
        RefusalKind::Cancelled => Status::cancelled(message),
    }
}

/// Work that looks through a whole table.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| stopped())
}

fn stopped() -> Status {
    Status::unavailable("the vswitch is stopping")
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
