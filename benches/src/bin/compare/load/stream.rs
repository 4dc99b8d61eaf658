//! TCP streams at full speed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use socket2::SockRef;

use super::{Metric, PATIENCE, PORT, Values, machine};
use crate::peer::Path;

/// Bytes that a program writes or reads at once.
const CHUNK: usize = 128 << 10;
/// How long streams run before anything is counted.
const WARM_UP: Duration = Duration::from_millis(200);
/// The congestion control of all streams, whatever the machine's own is.
const CONGESTION: &[u8] = b"cubic";

pub(super) fn run(path: &Path, count: usize, time: Duration) -> Result<Values> {
    let listen = SocketAddr::new(path.server.address.into(), PORT);
    let to = SocketAddr::new(path.to.into(), PORT);
    let bind = || TcpListener::bind(listen);
    let listener = path.server.namespace.run(bind).context("cannot listen")?;
    let (received, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let pairs = (0..count)
        .map(|_| {
            let connect = || connect(to);
            let client = path.client.namespace.run(connect)?;
            let (server, _) = listener.accept().context("nobody connected")?;
            server.set_read_timeout(Some(PATIENCE))?;
            Ok((client, server))
        })
        .collect::<Result<Vec<_>>>()?;
    std::thread::scope(|scope| {
        for (client, server) in pairs {
            let (received, is_over) = (&received, &is_over);
            scope.spawn(move || pour(client, is_over));
            scope.spawn(move || drain(server, received));
        }
        let measured = measure(&received, time);
        is_over.store(true, Ordering::Relaxed);
        measured
    })
}

fn connect(to: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&to, PATIENCE).context("cannot connect")?;
    SockRef::from(&stream)
        .set_tcp_congestion(CONGESTION)
        .context("cannot choose the congestion control")?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Writes until it is over. A stream that stalls ends; that shows in what is received.
fn pour(mut stream: TcpStream, is_over: &AtomicBool) {
    let chunk = vec![0x5a; CHUNK];
    while !is_over.load(Ordering::Relaxed) && stream.write_all(&chunk).is_ok() {}
}

/// Reads until the other end stops.
fn drain(mut stream: TcpStream, received: &AtomicU64) {
    let mut buffer = vec![0; CHUNK];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        received.fetch_add(length as u64, Ordering::Relaxed);
    }
}

fn measure(received: &AtomicU64, time: Duration) -> Result<Values> {
    sleep(WARM_UP);
    let (start, busy) = (Instant::now(), machine::busy()?);
    let before = received.load(Ordering::Relaxed);
    sleep(time);
    let bytes = (received.load(Ordering::Relaxed) - before) as f64;
    let (took, busy) = (start.elapsed(), machine::busy()?.saturating_sub(busy));
    ensure!(bytes > 0.0, "nothing arrives");
    Ok(vec![
        (Metric::Throughput, bytes * 8e-9 / took.as_secs_f64()),
        (Metric::ProcessorTime, busy.as_secs_f64() / (bytes * 1e-9)),
    ])
}
