//! A northbound server that plays a part: it accepts every transaction, and ends watches as it is told.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use model::nb::NbGlobal;
use model::{Id, Row, Table as _};
use northbound_proto::convert::{row_to_wire, uuid_to_wire};
use northbound_proto::northbound as wire;
use northbound_proto::northbound::northbound_server::{Northbound, NorthboundServer};
use tokio::net::TcpListener;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status};

/// What a watch sees: rows of `NB_Global`, and then the end or nothing more.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    /// `nb_cfg` and `sb_cfg`, one after the other.
    pub(crate) configurations: Vec<(i64, i64)>,
}

/// The acts of the watches to come; a watch ends after its act.
#[derive(Clone)]
pub(crate) struct Fake {
    acts: Arc<Mutex<VecDeque<Act>>>,
    global: Id<NbGlobal>,
}

/// Serves the acts on a port of the system's choice.
pub(crate) async fn serve(acts: impl IntoIterator<Item = Act>) -> SocketAddr {
    let fake = Fake {
        acts: Arc::new(Mutex::new(acts.into_iter().collect())),
        global: Id::random(),
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = tonic::transport::Server::builder().add_service(NorthboundServer::new(fake));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}

impl Fake {
    fn row(&self, nb_cfg: i64, sb_cfg: i64) -> Row {
        let global = NbGlobal {
            id: self.global,
            nb_cfg,
            sb_cfg,
            ..NbGlobal::default()
        };
        global.to_row()
    }
}

type Chunks<T> = ReceiverStream<Result<T, Status>>;

fn chunks<T>(replies: Vec<Result<T, Status>>) -> Chunks<T> {
    let (sender, receiver) = tokio::sync::mpsc::channel(replies.len().max(1));
    for reply in replies {
        assert!(
            sender.try_send(reply).is_ok(),
            "the channel holds all replies"
        );
    }
    ReceiverStream::new(receiver)
}

#[tonic::async_trait]
impl Northbound for Fake {
    type ReadStream = Chunks<wire::ReadReply>;
    type WatchStream = Chunks<wire::WatchReply>;
    type RuleStatsStream = Chunks<wire::RuleStatsReply>;

    async fn commit(
        &self,
        _: Request<wire::CommitRequest>,
    ) -> Result<Response<wire::CommitReply>, Status> {
        Ok(Response::new(wire::CommitReply::default()))
    }

    async fn read(
        &self,
        _: Request<wire::ReadRequest>,
    ) -> Result<Response<Self::ReadStream>, Status> {
        let rows = wire::TableRows {
            table: NbGlobal::NAME.into(),
            rows: vec![row_to_wire(NbGlobal::SCHEMA, &self.row(0, 0))],
        };
        let reply = wire::ReadReply {
            revision: 1,
            tables: vec![rows],
            complete: true,
        };
        Ok(Response::new(chunks(vec![Ok(reply)])))
    }

    async fn watch(
        &self,
        _: Request<wire::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let act = self.acts.lock().expect("the acts").pop_front();
        let act = act.ok_or_else(|| Status::unavailable("nothing more to see"))?;
        let replies =
            act.configurations
                .into_iter()
                .zip(2..)
                .map(|((nb_cfg, sb_cfg), revision)| {
                    Ok(wire::WatchReply {
                        revision,
                        changes: vec![wire::RowChange {
                            table: NbGlobal::NAME.into(),
                            uuid: uuid_to_wire(self.global.uuid()),
                            row: Some(row_to_wire(NbGlobal::SCHEMA, &self.row(nb_cfg, sb_cfg))),
                        }],
                        complete: true,
                    })
                });
        Ok(Response::new(chunks(replies.collect())))
    }

    async fn trace(
        &self,
        _: Request<wire::TraceRequest>,
    ) -> Result<Response<wire::TraceReply>, Status> {
        Err(Status::unimplemented("no part of the play"))
    }

    async fn flow_list(
        &self,
        _: Request<wire::FlowListRequest>,
    ) -> Result<Response<wire::FlowListReply>, Status> {
        Err(Status::unimplemented("no part of the play"))
    }

    async fn rule_stats(
        &self,
        _: Request<wire::RuleStatsRequest>,
    ) -> Result<Response<Self::RuleStatsStream>, Status> {
        Err(Status::unimplemented("no part of the play"))
    }

    async fn status(
        &self,
        _: Request<wire::StatusRequest>,
    ) -> Result<Response<wire::StatusReply>, Status> {
        Err(Status::unimplemented("no part of the play"))
    }
}
