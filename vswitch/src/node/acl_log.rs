//! What ACLs have logged, as a stream.

use std::sync::Arc;

use southbound_proto::node as wire;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::acl_log::{Entry, LogBook, Next};

/// Entries that wait for the caller, at most; then the log waits, and what it cannot keep is missed.
const QUEUE: usize = 64;

/// The entries of an answer.
pub(super) type AclLogStream = ReceiverStream<Result<wire::AclLogReply, Status>>;

/// The entries that are kept and, if asked for, those that follow until the caller goes away.
pub(super) fn stream(book: &Arc<LogBook>, follow: bool) -> AclLogStream {
    let (replies, receiver) = mpsc::channel(QUEUE);
    let (kept, mut follower) = book.follow();
    tokio::spawn(async move {
        for entry in kept {
            if replies.send(Ok(reply(Next::Entry(entry)))).await.is_err() {
                return;
            }
        }
        if !follow {
            return;
        }
        loop {
            let next = tokio::select! {
                next = follower.next() => next,
                () = replies.closed() => None,
            };
            let Some(next) = next else { return };
            if replies.send(Ok(reply(next))).await.is_err() {
                return;
            }
        }
    });
    ReceiverStream::new(receiver)
}

fn reply(next: Next) -> wire::AclLogReply {
    let reply = match next {
        Next::Entry(entry) => wire::acl_log_reply::Reply::Entry(message(&entry)),
        Next::Missed(count) => wire::acl_log_reply::Reply::Missed(count),
    };
    wire::AclLogReply { reply: Some(reply) }
}

fn message(entry: &Entry) -> wire::AclLogEntry {
    wire::AclLogEntry {
        unix_ms: entry.unix_ms,
        acl: entry.acl.as_bytes().to_vec().into(),
        name: entry.name.clone(),
        verdict: entry.verdict.to_owned(),
        severity: entry.severity.to_owned(),
        direction: entry.direction.to_owned(),
        inport: entry.inport.clone(),
        packet: entry.packet.clone(),
        line: entry.line(),
    }
}
