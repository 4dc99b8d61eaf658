//! TCP connections, one after the other, each closed as soon as it stands: a server that answers with an end.

use std::io;
use std::io::ErrorKind::{ConnectionRefused, ConnectionReset};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use socket2::SockRef;

use super::{Metric, PATIENCE, PORT, Values};
use crate::peer::Path;

pub(super) fn run(path: &Path, at_once: usize, time: Duration) -> Result<Values> {
    let listen = SocketAddr::new(path.server.address.into(), PORT);
    let to = SocketAddr::new(path.to.into(), PORT);
    let bind = || TcpListener::bind(listen);
    let listener = path.server.namespace.run(bind).context("cannot listen")?;
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| greet(&listener, &is_over));
        let work = || clients(to, at_once, time);
        let counted = path.client.namespace.run(work);
        is_over.store(true, Ordering::Relaxed);
        // Whoever waits for a client gets a last one.
        drop(path.server.namespace.run(|| TcpStream::connect(listen)));
        Ok(vec![(Metric::Connects, counted?)])
    })
}

/// Ends each connection at once.
fn greet(listener: &TcpListener, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        drop(listener.accept());
    }
}

/// Connections a second of clients beside each other, in the calling thread's namespace.
fn clients(to: SocketAddr, at_once: usize, time: Duration) -> Result<f64> {
    let start = Instant::now();
    let counts: Vec<Result<u64>> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..at_once)
            .map(|_| scope.spawn(|| client(to, start + time)))
            .collect();
        let ended = clients.into_iter().map(|client| client.join());
        ended
            .map(|count| count.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let took = start.elapsed().as_secs_f64();
    let total: u64 = counts.into_iter().sum::<Result<u64>>()?;
    ensure!(total > 0, "nobody could connect");
    Ok(total as f64 / took)
}

/// Connections until then. One that is refused, as an old one of the same ports is not quite gone, does not count.
fn client(to: SocketAddr, until: Instant) -> Result<u64> {
    let mut count = 0;
    while Instant::now() < until {
        match visit(to) {
            Ok(()) => count += 1,
            Err(error) if matches!(error.kind(), ConnectionRefused | ConnectionReset) => {}
            Err(error) => return Err(error).context("cannot connect, or the server does not end"),
        }
    }
    Ok(count)
}

fn visit(to: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // The server says nothing and ends.
    io::copy(&mut stream, &mut io::sink())?;
    // No state is left behind that would stand in the way of the next thousands.
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))
}
