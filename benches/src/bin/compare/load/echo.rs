//! Round trips, one at a time.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::{Metric, PATIENCE, PORT, Values};
use crate::peer::Path;

/// Bytes of each message.
const MESSAGE: usize = 22;
/// How long a server waits before it looks whether it is over, and a client before it sends again.
const PAUSE: Duration = Duration::from_millis(100);
/// Round trips that are not counted: neighbours are found, caches filled.
const UNCOUNTED: usize = 20;

pub(super) fn run_udp(path: &Path, time: Duration) -> Result<Values> {
    with_udp_server(path, || {
        let socket = open_client(path, 0)?;
        measure(time, || exchange(&socket))
    })
}

/// Exchanges a few datagrams from a port, so that every system on the path knows the flow.
pub(super) fn introduce(path: &Path, from: u16) -> Result<()> {
    with_udp_server(path, || {
        let socket = open_client(path, from)?;
        (0..UNCOUNTED).try_for_each(|_| exchange(&socket))
    })
}

/// Does `work` in the client's namespace while the server answers.
fn with_udp_server<T: Send>(path: &Path, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let listen = SocketAddr::new(path.server.address.into(), PORT);
    let bind = || UdpSocket::bind(listen);
    let server = path.server.namespace.run(bind).context("cannot bind")?;
    server.set_read_timeout(Some(PAUSE))?;
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut message = [0; 2 * MESSAGE];
            while !is_over.load(Ordering::Relaxed) {
                if let Ok((length, from)) = server.recv_from(&mut message) {
                    // An answer that is lost is asked for again.
                    let _ = server.send_to(&message[..length], from);
                }
            }
        });
        let done = path.client.namespace.run(work);
        is_over.store(true, Ordering::Relaxed);
        done
    })
}

fn open_client(path: &Path, port: u16) -> Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).context("cannot bind")?;
    socket.connect((path.to, PORT)).context("cannot connect")?;
    socket.set_read_timeout(Some(PAUSE))?;
    Ok(socket)
}

/// One round trip; a datagram that is lost is sent again.
fn exchange(socket: &UdpSocket) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut message = [0; 2 * MESSAGE];
    while Instant::now() < deadline {
        socket.send(&[0x5a; MESSAGE]).context("cannot send")?;
        match socket.recv(&mut message) {
            Ok(_) => return Ok(()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error).context("cannot receive"),
        }
    }
    bail!("no answer")
}

pub(super) fn run_tcp(path: &Path, time: Duration) -> Result<Values> {
    let listen = SocketAddr::new(path.server.address.into(), PORT);
    let to = SocketAddr::new(path.to.into(), PORT);
    let bind = || TcpListener::bind(listen);
    let listener = path.server.namespace.run(bind).context("cannot listen")?;
    let connect = || TcpStream::connect_timeout(&to, PATIENCE);
    let mut client = path
        .client
        .namespace
        .run(connect)
        .context("cannot connect")?;
    let (mut server, _) = listener.accept().context("nobody connected")?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
    }
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut message = [0; MESSAGE];
            // The client's end is the end of it.
            while server.read_exact(&mut message).is_ok() && server.write_all(&message).is_ok() {}
        });
        let result = measure(time, || {
            let mut message = [0x5a; MESSAGE];
            client.write_all(&message).context("cannot send")?;
            client.read_exact(&mut message).context("no answer")
        });
        drop(client);
        result
    })
}

/// Does round trips for some time.
fn measure(time: Duration, mut exchange: impl FnMut() -> Result<()>) -> Result<Values> {
    (0..UNCOUNTED).try_for_each(|_| exchange())?;
    let mut trips = Vec::new();
    let end = Instant::now() + time;
    while Instant::now() < end {
        let start = Instant::now();
        exchange()?;
        trips.push(start.elapsed());
    }
    ensure!(!trips.is_empty(), "no round trip was in time");
    trips.sort_unstable();
    let at = |percent: usize| trips[(trips.len() - 1) * percent / 100].as_secs_f64() * 1e6;
    Ok(vec![
        (Metric::MedianRoundTrip, at(50)),
        (Metric::SlowRoundTrip, at(99)),
    ])
}
