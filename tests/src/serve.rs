//! Servers in pods that say who they are, so that a client knows which backend it was sent to.
//!
//! The protocol is a line for a line: whatever the client sends is answered with `NAME CLIENT`, the name of the
//! server's port and the address that it sees the client at. `GET` is answered as HTTP/1.0 does it, so that `curl` is
//! a client too; `GET /missing` is answered with 404.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use ground::network::Pod;
use socket2::{Domain, Protocol, Socket, Type};

/// How often a server looks whether it is to stop.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1_024;
/// The longest line or datagram of a client, in bytes.
const LINE_LIMIT: u64 = 1_024;

/// A server over TCP and UDP, over IPv4 and IPv6. Dropping it closes its ports; conversations go on.
#[derive(Debug)]
pub struct Server {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    /// Serves on a port of all addresses of a pod.
    pub fn start(pod: &Pod, port: u16) -> Result<Server> {
        let listener = pod
            .namespace
            .run(|| open(Type::STREAM, Protocol::TCP, port));
        let listener = listener.with_context(|| format!("cannot listen in {}", pod.port))?;
        listener.listen(BACKLOG)?;
        let socket = pod.namespace.run(|| open(Type::DGRAM, Protocol::UDP, port));
        let socket = socket.with_context(|| format!("cannot receive in {}", pod.port))?;
        let stop = Arc::<AtomicBool>::default();
        let name: Arc<str> = pod.port.as_str().into();
        let by_tcp = {
            let (stop, name) = (stop.clone(), name.clone());
            std::thread::spawn(move || accept(&listener.into(), &stop, &name))
        };
        let by_udp = {
            let stop = stop.clone();
            std::thread::spawn(move || answer(&socket.into(), &stop, &name))
        };
        Ok(Server {
            stop,
            threads: vec![by_tcp, by_udp],
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("servers do not panic");
        }
    }
}

fn open(kind: Type, protocol: Protocol, port: u16) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV6, kind, Some(protocol))?;
    socket.set_only_v6(false)?;
    socket.set_reuse_address(true)?;
    socket.set_read_timeout(Some(LOOK_EVERY))?;
    socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)).into())?;
    Ok(socket)
}

fn accept(listener: &TcpListener, stop: &AtomicBool, name: &Arc<str>) {
    while !stop.load(Ordering::Relaxed) {
        if let Ok((stream, client)) = listener.accept() {
            let name = name.clone();
            // A client that goes away ends its conversation, and nothing else.
            std::thread::spawn(move || converse(&stream, &line(&name, client)));
        }
    }
}

fn line(name: &str, client: SocketAddr) -> String {
    format!("{name} {}\n", client.ip().to_canonical())
}

fn converse(mut stream: &TcpStream, answer: &str) -> io::Result<()> {
    // Accepted connections have the listener's timeout otherwise.
    stream.set_read_timeout(None)?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut asked = String::new();
        if reader.by_ref().take(LINE_LIMIT).read_line(&mut asked)? == 0 {
            return Ok(());
        }
        if !asked.starts_with("GET ") {
            stream.write_all(answer.as_bytes())?;
            continue;
        }
        let status = match asked.starts_with("GET /missing ") {
            true => "404 Not Found",
            false => "200 OK",
        };
        while !asked.trim_end().is_empty() {
            asked.clear();
            reader.by_ref().take(LINE_LIMIT).read_line(&mut asked)?;
        }
        let length = answer.len();
        let head = format!("HTTP/1.0 {status}\r\nContent-Length: {length}\r\n\r\n");
        return stream.write_all(format!("{head}{answer}").as_bytes());
    }
}

fn answer(socket: &UdpSocket, stop: &AtomicBool, name: &str) {
    let mut buffer = [0; LINE_LIMIT as usize];
    while !stop.load(Ordering::Relaxed) {
        if let Ok((_, client)) = socket.recv_from(&mut buffer) {
            // Lost like any datagram where it cannot be sent.
            let _ = socket.send_to(line(name, client).as_bytes(), client);
        }
    }
}
