//! A northd as a child process, and small transactions.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use model::{Database, Id, Operation, Table, nb};
use northbound_proto::convert::operation_to_wire;
use northbound_proto::northbound::northbound_client::NorthboundClient;
use northbound_proto::northbound::{CommitReply, CommitRequest, ReadRequest};
use northbound_proto::{MAX_MESSAGE_BYTES, Replica};
use tonic::Status;
use tonic::transport::Channel;

/// The binary of this package.
pub(crate) const NORTHD: &str = env!("CARGO_BIN_EXE_northd");

/// A running northd process; killed when dropped.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) northbound: SocketAddr,
    pub(crate) http: Option<SocketAddr>,
}

impl Process {
    /// Starts northd on free ports of the loopback and waits until it says that it is ready.
    pub(crate) fn start(data_dir: &Path) -> Self {
        Self::start_with(Command::new(NORTHD), data_dir)
    }

    /// The same with a command that becomes northd with the arguments it is given.
    pub(crate) fn start_with(mut command: Command, data_dir: &Path) -> Self {
        let mut child = command
            .args(["--northbound", "127.0.0.1:0", "--southbound", "127.0.0.1:0"])
            .args(["--http", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir)
            .env_remove("NOTIFY_SOCKET")
            .stderr(Stdio::piped())
            .spawn()
            .expect("northd can be started");
        let stderr = child.stderr.take().expect("piped");
        let mut lines = BufReader::new(stderr).lines();
        let line = lines
            .by_ref()
            .map_while(Result::ok)
            .find(|line| line.starts_with("northd ready: "));
        let Some(line) = line else {
            let status = child.wait();
            panic!("northd ended without being ready: {status:?}");
        };
        // Whatever else it says must not fill the pipe.
        std::thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .for_each(|line| eprintln!("{line}"))
        });
        let words: Vec<_> = line.split(' ').collect();
        let after = |word: &str| {
            let position = words.iter().position(|each| *each == word)?;
            words.get(position + 1)?.parse().ok()
        };
        Self {
            child,
            northbound: after("northbound").expect("the ready line has the address"),
            http: after("http"),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client of the northbound API.
pub(crate) async fn connect(address: SocketAddr) -> NorthboundClient<Channel> {
    let client = NorthboundClient::connect(format!("http://{address}")).await;
    let client = client.expect("northd listens");
    client.max_decoding_message_size(MAX_MESSAGE_BYTES)
}

/// Sends a transaction.
pub(crate) async fn commit(
    client: &mut NorthboundClient<Channel>,
    operations: &[Operation],
) -> Result<CommitReply, Status> {
    let operations = operations.iter().map(operation_to_wire).collect();
    let reply = client.commit(CommitRequest { operations }).await?;
    Ok(reply.into_inner())
}

/// Reads all tables.
pub(crate) async fn read(client: &mut NorthboundClient<Channel>) -> Database {
    let request = ReadRequest { tables: vec![] };
    let mut stream = client.read(request).await.expect("a stream").into_inner();
    let mut replica = Replica::new();
    let mut is_complete = false;
    while let Some(reply) = stream.message().await.expect("a reply") {
        assert!(!is_complete, "nothing comes after the last chunk");
        is_complete = replica.read(reply).expect("rows");
    }
    assert!(is_complete);
    replica.database().clone()
}

/// A switch of this name with a port `NAME-0` and a port `NAME-1`.
pub(crate) fn switch_with_ports(name: &str) -> Vec<Operation> {
    let ports = [0, 1].map(|number| nb::LogicalSwitchPort {
        id: Id::random(),
        name: format!("{name}-{number}"),
        ..nb::LogicalSwitchPort::default()
    });
    let switch = nb::LogicalSwitch {
        id: Id::random(),
        name: name.to_owned(),
        ports: ports.iter().map(|port| port.id).collect(),
        ..nb::LogicalSwitch::default()
    };
    ports
        .iter()
        .map(Table::insert)
        .chain([switch.insert()])
        .collect()
}
