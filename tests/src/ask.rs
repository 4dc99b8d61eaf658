//! Clients of the servers in [`crate::serve`].
//!
//! Every function runs in the calling thread's namespace; see [`ground::namespace::Namespace::run`].

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result};
use ground::network::Pod;

/// Who answered, and at which address the client was seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Answer {
    /// The name of the backend's port.
    pub backend: String,
    /// The client, as the backend sees it.
    pub client: IpAddr,
}

/// How often each backend answered, and what became of those that were not answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Answers, by backend.
    pub answers: BTreeMap<String, usize>,
    /// Failures, by what went wrong.
    pub failures: BTreeMap<String, usize>,
}

/// A connection that stays.
#[derive(Debug)]
pub struct Conversation(BufReader<TcpStream>);

/// A socket that asks by datagrams.
#[derive(Debug)]
pub struct Asker(UdpSocket);

impl Conversation {
    /// Connects; no single thing may take longer than `limit`.
    pub fn open(to: SocketAddr, limit: Duration) -> io::Result<Conversation> {
        let stream = TcpStream::connect_timeout(&to, limit)?;
        let conversation = Conversation(BufReader::new(stream));
        conversation.set_limit(limit)?;
        Ok(conversation)
    }

    /// Waits no longer than this for each thing from now on.
    pub fn set_limit(&self, limit: Duration) -> io::Result<()> {
        let stream = self.0.get_ref();
        stream.set_read_timeout(Some(limit))?;
        stream.set_write_timeout(Some(limit))
    }

    /// Asks once more.
    pub fn ask(&mut self) -> io::Result<Answer> {
        self.0.get_mut().write_all(b"who\n")?;
        self.hear()
    }

    /// Waits for the answer to what was asked before.
    pub fn hear(&mut self) -> io::Result<Answer> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        parse(&line)
    }
}

impl Asker {
    /// A socket of an address family; an answer is waited for as long as `limit`.
    pub fn open(is_v4: bool, limit: Duration) -> io::Result<Asker> {
        let any: IpAddr = match is_v4 {
            true => Ipv4Addr::UNSPECIFIED.into(),
            false => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0))?;
        socket.set_read_timeout(Some(limit))?;
        Ok(Asker(socket))
    }

    /// Waits no longer than this for an answer from now on.
    pub fn set_limit(&self, limit: Duration) -> io::Result<()> {
        self.0.set_read_timeout(Some(limit))
    }

    /// Asks for an answer from the very address that was asked; an ICMP error is an error.
    pub fn ask(&self, to: SocketAddr) -> io::Result<Answer> {
        self.0.connect(to)?;
        self.0.send(b"who")?;
        let mut buffer = [0; 256];
        let length = self.0.recv(&mut buffer)?;
        parse(&String::from_utf8_lossy(&buffer[..length]))
    }
}

impl Tally {
    /// Counts the outcome of asking.
    pub fn count(&mut self, outcome: io::Result<Answer>) {
        let (counts, key) = match outcome {
            Ok(answer) => (&mut self.answers, answer.backend),
            Err(error) => (&mut self.failures, error.to_string()),
        };
        *counts.entry(key).or_default() += 1;
    }

    /// Takes what another counted in.
    pub fn add(&mut self, other: Tally) {
        for (mine, theirs) in [
            (&mut self.answers, other.answers),
            (&mut self.failures, other.failures),
        ] {
            for (key, count) in theirs {
                *mine.entry(key).or_default() += count;
            }
        }
    }

    /// Those who answered.
    pub fn backends(&self) -> Vec<&str> {
        self.answers.keys().map(String::as_str).collect()
    }
}

/// Connects, asks once and closes.
pub fn once(to: SocketAddr, limit: Duration) -> io::Result<Answer> {
    Conversation::open(to, limit)?.ask()
}

/// Asks so many times from a pod, each time by a connection of its own.
pub fn times(count: usize, from: &Pod, to: SocketAddr, limit: Duration) -> Tally {
    from.namespace.run(|| {
        let mut tally = Tally::default();
        (0..count).for_each(|_| tally.count(once(to, limit)));
        tally
    })
}

/// Asks so many times from a pod, each time by a datagram of a socket of its own.
pub fn times_by_udp(count: usize, from: &Pod, to: SocketAddr, limit: Duration) -> Tally {
    from.namespace.run(|| {
        let mut tally = Tally::default();
        for _ in 0..count {
            tally.count(Asker::open(to.is_ipv4(), limit).and_then(|asker| asker.ask(to)));
        }
        tally
    })
}

/// Asks so many times by one run of `curl`, which connects anew for each.
pub fn times_by_curl(count: usize, from: &Pod, to: SocketAddr, limit: Duration) -> Result<Tally> {
    let mut command = std::process::Command::new("curl");
    let url = format!("http://{to}/?[1-{count}]");
    let limit = limit.as_secs().to_string();
    command.args(["--silent", "--show-error", "--max-time", &limit, &url]);
    let output = from.namespace.output(&mut command).context("curl")?;
    let mut tally = Tally::default();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        tally.count(parse(line));
    }
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        tally.count(Err(io::Error::other(line.to_owned())));
    }
    Ok(tally)
}

fn parse(line: &str) -> io::Result<Answer> {
    let parsed = line
        .trim_end()
        .split_once(' ')
        .and_then(|(backend, client)| {
            let client = client.parse().ok()?;
            let backend = backend.to_owned();
            Some(Answer { backend, client })
        });
    let unexpected = || io::Error::new(ErrorKind::InvalidData, format!("answered {line:?}"));
    parsed.ok_or_else(unexpected)
}
