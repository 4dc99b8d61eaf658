//! The connection to northd's northbound API.

use std::time::Duration;

use model::{Database, Operation, TransactionError};
use northbound_proto::northbound as wire;
use northbound_proto::northbound::northbound_client::NorthboundClient;
use northbound_proto::{Replica, convert};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::failure::Failure;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A client of northd.
#[derive(Clone, Debug)]
pub struct Client {
    address: String,
    stub: NorthboundClient<Channel>,
}

/// What northd did with a transaction.
#[derive(Debug)]
pub enum Committed {
    /// It happened; these are warnings about its rows.
    Done(Vec<String>),
    /// What it relied on had changed.
    Conflict,
    /// It was refused.
    Refused(TransactionError),
}

impl Client {
    /// Connects to the first of the addresses, separated by commas, that answers. Each is `ADDR:PORT`, or
    /// `tcp:ADDR:PORT` as in OVN.
    ///
    /// # Errors
    /// One is no such address, or nobody answers.
    pub async fn connect(addresses: &str) -> Result<Self, Failure> {
        let mut failure = not_an_address(addresses);
        for address in addresses.split(',') {
            match Self::connect_to(address).await {
                Ok(client) => return Ok(client),
                Err(error) if error.is_usage => return Err(error),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn connect_to(address: &str) -> Result<Self, Failure> {
        let socket = address.strip_prefix("tcp:").unwrap_or(address);
        let is_other = ["unix:", "ssl:"]
            .iter()
            .any(|scheme| address.starts_with(scheme));
        if is_other || !socket.contains(':') {
            return Err(not_an_address(address));
        }
        let unreachable =
            |error: tonic::transport::Error| unreachable_server(address, &innermost(&error));
        let endpoint = Endpoint::from_shared(format!("http://{socket}")).map_err(unreachable)?;
        let endpoint = endpoint.connect_timeout(CONNECT_TIMEOUT);
        let channel = endpoint.connect().await.map_err(unreachable)?;
        let stub = NorthboundClient::new(channel)
            .max_decoding_message_size(northbound_proto::MAX_MESSAGE_BYTES)
            .max_encoding_message_size(northbound_proto::MAX_MESSAGE_BYTES);
        Ok(Self {
            address: address.to_owned(),
            stub,
        })
    }

    /// All rows as they are now.
    ///
    /// # Errors
    /// The connection broke, or an answer makes no sense.
    pub async fn read(&mut self) -> Result<Database, Failure> {
        let request = wire::ReadRequest { tables: Vec::new() };
        let reply = self.stub.read(request).await;
        let mut chunks = reply.map_err(|status| self.broken(&status))?.into_inner();
        let mut replica = Replica::new();
        while let Some(chunk) = chunks
            .message()
            .await
            .map_err(|status| self.broken(&status))?
        {
            if replica.read(chunk).map_err(senseless)? {
                return Ok(replica.database().clone());
            }
        }
        Err(self.ended())
    }

    /// The rows of these tables (all when none is named), as they are and as they change.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn watch(&mut self, tables: &[&str]) -> Result<Watch, Failure> {
        let request = wire::WatchRequest {
            tables: tables.iter().map(|&table| table.to_owned()).collect(),
        };
        let reply = self.stub.watch(request).await;
        Ok(Watch {
            chunks: reply.map_err(|status| self.broken(&status))?.into_inner(),
            replica: Replica::new(),
            client: self.clone(),
        })
    }

    /// Commits a transaction.
    ///
    /// # Errors
    /// The connection broke: whether it happened is not known.
    pub async fn commit(&mut self, operations: &[Operation]) -> Result<Committed, Failure> {
        let request = wire::CommitRequest {
            operations: operations.iter().map(convert::operation_to_wire).collect(),
        };
        let reply = self.stub.commit(request).await;
        let reply = reply.map_err(|status| self.broken(&status))?.into_inner();
        match reply.error {
            None => Ok(Committed::Done(reply.warnings)),
            Some(error) if error.conflict => Ok(Committed::Conflict),
            Some(error) => {
                let error = convert::transaction_error_from_wire(error);
                Ok(Committed::Refused(error.map_err(senseless)?))
            }
        }
    }

    /// The stub, for the calls that have nothing to do with rows.
    pub fn stub(&mut self) -> &mut NorthboundClient<Channel> {
        &mut self.stub
    }

    /// The failure that a call's status means.
    pub fn broken(&self, status: &Status) -> Failure {
        let message = status.message();
        match status.code() {
            Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal => Failure::new(
                format!("{}: database connection failed ({message})", self.address),
            ),
            _ => Failure::new(message),
        }
    }

    fn ended(&self) -> Failure {
        Failure::new(format!(
            "{}: database connection failed (End of file)",
            self.address
        ))
    }
}

/// A watch on tables.
#[derive(Debug)]
pub struct Watch {
    chunks: tonic::Streaming<wire::WatchReply>,
    replica: Replica,
    client: Client,
}

impl Watch {
    /// The rows after the next change; at first, as they are.
    ///
    /// # Errors
    /// The connection broke, or an answer makes no sense.
    pub async fn next(&mut self) -> Result<&Database, Failure> {
        loop {
            let chunk = self.chunks.message().await;
            let chunk = chunk.map_err(|status| self.client.broken(&status))?;
            let chunk = chunk.ok_or_else(|| self.client.ended())?;
            if self.replica.watch(chunk).map_err(senseless)?.is_some() {
                return Ok(self.replica.database());
            }
        }
    }
}

fn not_an_address(address: &str) -> Failure {
    Failure::usage(format!(
        "{address}: database connection failed (not an address of northd)"
    ))
    .hint("give ADDR:PORT or tcp:ADDR:PORT, such as --northbound 127.0.0.1:6641")
}

fn unreachable_server(address: &str, why: &str) -> Failure {
    Failure::new(format!("{address}: database connection failed ({why})"))
        .hint("is northd running there? --northbound ADDR:PORT or WEFT_NORTHBOUND says where it is")
}

fn senseless(error: impl std::error::Error) -> Failure {
    Failure::new(format!("northd answered what makes no sense: {error}"))
}

/// The reason behind all others, in the system's words without the number.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error.source();
    let mut text = error.to_string();
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    match text.find(" (os error") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}
