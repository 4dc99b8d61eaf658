//! A service to ask: each client that connects is told a name.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::namespace::Namespace;

/// How long a server waits before it looks for clients again.
const PAUSE: Duration = Duration::from_millis(1);
/// How long a client has to take its greeting.
const PATIENCE: Duration = Duration::from_secs(1);

/// A TCP server in a namespace that greets every client with its name. Dropping it ends it.
#[derive(Debug)]
pub struct Greeter {
    is_over: Arc<AtomicBool>,
    servers: Vec<JoinHandle<()>>,
}

/// What came of a client's attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// The server said its name.
    From(String),
    /// Somebody said at once that the connection is not possible.
    Refused,
    /// Nobody answered in time.
    Silence,
}

impl Greeter {
    /// Listens on a port of the addresses in the namespace.
    pub fn start(
        namespace: &Namespace,
        name: &str,
        addresses: &[IpAddr],
        port: u16,
    ) -> Result<Greeter> {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut servers = Vec::new();
        for address in addresses {
            let listener = namespace
                .run(|| TcpListener::bind((*address, port)))
                .with_context(|| format!("cannot listen on {address} port {port}"))?;
            listener.set_nonblocking(true)?;
            let (is_over, name) = (is_over.clone(), name.to_owned());
            servers.push(std::thread::spawn(move || {
                serve(&listener, &name, &is_over)
            }));
        }
        Ok(Greeter { is_over, servers })
    }
}

impl Drop for Greeter {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for server in self.servers.drain(..) {
            // A server that panicked has said so; there is nothing left to end.
            let _ = server.join();
        }
    }
}

fn serve(listener: &TcpListener, name: &str, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        match listener.accept() {
            // A client that is gone before it is greeted notices by itself.
            Ok((mut client, _)) => {
                let _ = client.set_write_timeout(Some(PATIENCE));
                let _ = client.write_all(name.as_bytes());
            }
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

/// Connects from a namespace and hears who is there.
pub fn ask(client: &Namespace, to: SocketAddr, limit: Duration) -> Result<Greeting> {
    client.run(|| {
        let mut name = String::new();
        let heard = TcpStream::connect_timeout(&to, limit).and_then(|mut stream| {
            stream.set_read_timeout(Some(limit))?;
            stream.read_to_string(&mut name)
        });
        match heard {
            Ok(_) => Ok(Greeting::From(name)),
            Err(error) => match error.kind() {
                ErrorKind::TimedOut | ErrorKind::WouldBlock => Ok(Greeting::Silence),
                ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Ok(Greeting::Refused),
                _ => Err(error).with_context(|| format!("cannot ask {to}")),
            },
        }
    })
}
