//! One probe under way: a small TCP/IP stack of its own, from the first packet to the finding.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use packet::flow::Transport;
use pipeline::object::{Probe, ProbeKind};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::Instant as StackInstant;
use smoltcp::wire::{HardwareAddress, IpCidr, IpEndpoint};

use super::http::Exchange;
use super::standing::Finding;
use super::wire::Wire;

/// Bytes that the stack takes before they are read, which is also the window that the backend is told.
const RECEIVE_BUFFER: usize = 2_048;
/// What a UDP probe sends.
const DATAGRAM: [u8; 8] = [0; 8];

/// ICMP errors that say that nobody listens: (type, code) with IPv4 (RFC 792) and IPv6 (RFC 4443).
const PORT_UNREACHABLE: [(u8, u8); 2] = [(3, 3), (1, 4)];

/// What tells an attempt from the others of its prober.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    /// The port that the probe comes from.
    pub(super) local_port: u16,
    /// What the stack draws its random numbers from.
    pub(super) seed: u64,
}

/// One probe under way.
pub(super) struct Attempt {
    interface: Interface,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
    wire: Wire,
    asked: Asked,
    local_port: u16,
    started: Instant,
    deadline: Instant,
}

/// What is asked of the backend.
enum Asked {
    Connection,
    Http(Exchange),
    Silence,
}

impl Attempt {
    /// Begins a probe; `None` if it cannot be made.
    pub(super) fn start(probe: &Probe, ticket: Ticket, now: Instant) -> Option<Attempt> {
        let key = &probe.key;
        let is_possible = is_unicast(key.ip)
            && is_unicast(probe.source_ip)
            && key.ip.is_ipv4() == probe.source_ip.is_ipv4()
            && key.transport_port != 0;
        if !is_possible {
            return None;
        }
        let remote = SocketAddr::new(key.ip, key.transport_port);
        let asked = match &probe.kind {
            ProbeKind::Tcp => Asked::Connection,
            ProbeKind::Http { path } => Asked::Http(Exchange::new(path, remote)?),
            ProbeKind::Udp => Asked::Silence,
        };
        let mut wire = Wire::new(probe.source_mac, probe.mac);
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = ticket.seed;
        let mut interface = Interface::new(config, &mut wire, StackInstant::ZERO);
        // Everybody is on the link: the frames go to the backend's station, whatever its address.
        let source = IpCidr::new(probe.source_ip.into(), 0);
        interface.update_ip_addrs(|addresses| {
            // There is room for more than one.
            let _ = addresses.push(source);
        });
        let mut sockets = SocketSet::new(Vec::new());
        let local = IpEndpoint::new(probe.source_ip.into(), ticket.local_port);
        let socket = match asked {
            Asked::Silence => sockets.add(datagram(local, remote)?),
            Asked::Connection | Asked::Http(_) => {
                let mut socket = tcp_socket();
                let stack = interface.context();
                socket
                    .connect(stack, IpEndpoint::from(remote), local)
                    .ok()?;
                sockets.add(socket)
            }
        };
        Some(Attempt {
            interface,
            sockets,
            socket,
            wire,
            asked,
            local_port: ticket.local_port,
            started: now,
            deadline: now + Duration::from_secs(probe.timeout_s.into()),
        })
    }

    /// A TCP segment came from the backend: `packet` begins with the IP header.
    pub(super) fn segment(&mut self, to_port: u16, packet: &[u8]) {
        if to_port == self.local_port && !matches!(self.asked, Asked::Silence) {
            self.wire.receive(packet);
        }
    }

    /// What an ICMP message of the backend about a packet from `from_port` means.
    pub(super) fn error(&self, message: &Transport, from_port: u16) -> Option<Finding> {
        let Transport::Icmp { kind, code, .. } = message else {
            return None;
        };
        let is_about_this = from_port == self.local_port && matches!(self.asked, Asked::Silence);
        (is_about_this && PORT_UNREACHABLE.contains(&(*kind, *code)))
            .then_some(Finding::Unreachable)
    }

    /// Lets the stack do what there is to do; a finding ends the attempt.
    pub(super) fn work(&mut self, now: Instant) -> Option<Finding> {
        self.poll(now);
        let finding = match &mut self.asked {
            Asked::Silence => None,
            Asked::Connection => opened(self.sockets.get(self.socket), || Finding::Connected),
            Asked::Http(exchange) => exchange.work(self.sockets.get_mut(self.socket)),
        };
        let finding = finding.or_else(|| {
            (now >= self.deadline).then_some(match self.asked {
                Asked::Silence => Finding::Unopposed,
                Asked::Connection | Asked::Http(_) => Finding::TimedOut,
            })
        });
        if finding.is_some() && !matches!(self.asked, Asked::Silence) {
            // The backend is not left with half a connection.
            self.sockets.get_mut::<tcp::Socket>(self.socket).abort();
        }
        self.poll(now);
        finding
    }

    /// The frames to be sent to the backend's port.
    pub(super) fn take_frames(&mut self) -> Vec<Vec<u8>> {
        self.wire.take_sent()
    }

    /// When [`Attempt::work`] is due next, at the latest.
    pub(super) fn due(&mut self, now: Instant) -> Instant {
        let elapsed = self.elapsed(now);
        let delay = self.interface.poll_delay(elapsed, &self.sockets);
        let next = delay.map(|delay| now + Duration::from_micros(delay.total_micros()));
        next.map_or(self.deadline, |next| next.min(self.deadline))
    }

    fn poll(&mut self, now: Instant) {
        let elapsed = self.elapsed(now);
        self.interface
            .poll(elapsed, &mut self.wire, &mut self.sockets);
    }

    /// The stack's clock starts with it.
    fn elapsed(&self, now: Instant) -> StackInstant {
        let elapsed = now.saturating_duration_since(self.started);
        StackInstant::from_micros(i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX))
    }
}

/// What the state of a connection says: `open` is asked once there is one.
pub(super) fn opened(socket: &tcp::Socket<'_>, open: impl FnOnce() -> Finding) -> Option<Finding> {
    match socket.state() {
        tcp::State::SynSent | tcp::State::SynReceived => None,
        tcp::State::Closed => Some(Finding::Refused),
        _ => Some(open()),
    }
}

fn tcp_socket() -> tcp::Socket<'static> {
    let receive = tcp::SocketBuffer::new(vec![0; RECEIVE_BUFFER]);
    let send = tcp::SocketBuffer::new(vec![0; Exchange::REQUEST_MAX]);
    tcp::Socket::new(receive, send)
}

/// A socket with the one datagram that it is to send.
fn datagram(local: IpEndpoint, remote: SocketAddr) -> Option<udp::Socket<'static>> {
    let buffer =
        || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY], vec![0; DATAGRAM.len()]);
    let mut socket = udp::Socket::new(buffer(), buffer());
    socket.bind(local).ok()?;
    socket
        .send_slice(&DATAGRAM, IpEndpoint::from(remote))
        .ok()?;
    Some(socket)
}

fn is_unicast(ip: IpAddr) -> bool {
    let is_broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    !ip.is_multicast() && !ip.is_unspecified() && !is_broadcast
}
