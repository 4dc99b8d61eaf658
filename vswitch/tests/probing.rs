//! Health checks in simulated time: the prober, the data path of a node, and a backend with a TCP/IP stack of its
//! own behind a port.

mod common;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use common::*;
use packet::Mac;
use packet::flow::ip_protocol;
use pipeline::DropReason;
use pipeline::object::{Global, Object, Probe, ProbeKey, ProbeKind};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::Instant as StackInstant;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpCidr};
use southbound_proto::convert::ProbeStatus::{self, Error, Offline, Online};
use vswitch::probe::{Finding, PROBES_MAX, Prober};
use vswitch::worker::PortFrame;

const PROBER: Mac = Mac([0x0e, 0, 0, 0, 0, 1]);
const SERVICE: u16 = 80;

/// A probe of the backend at port `a`, every 5 s with 3 s to answer.
fn probe(kind: ProbeKind, is_ipv4: bool) -> Probe {
    let (ip, source_ip) = match is_ipv4 {
        true => (ipv4(a()).into(), "10.0.1.99".parse()),
        false => (ipv6(a()).into(), "fd01::99".parse()),
    };
    let protocol = match kind {
        ProbeKind::Udp => ip_protocol::UDP,
        ProbeKind::Tcp | ProbeKind::Http { .. } => ip_protocol::TCP,
    };
    Probe {
        key: ProbeKey {
            port: a(),
            ip,
            protocol,
            transport_port: SERVICE,
        },
        source_mac: PROBER,
        source_ip: source_ip.expect("an address"),
        mac: mac(a()),
        kind,
        interval_s: 5,
        timeout_s: 3,
        success_count: 1,
        failure_count: 1,
    }
}

fn http() -> ProbeKind {
    ProbeKind::Http {
        path: "/healthz".into(),
    }
}

/// Frames to and from the backend's stack.
#[derive(Default)]
struct Wire {
    received: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
}

struct Frame(Vec<u8>);
struct Room<'a>(&'a mut Wire);

impl RxToken for Frame {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(&self.0)
    }
}

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, make: F) -> R {
        let mut frame = vec![0; length];
        let made = make(&mut frame);
        self.0.sent.push(frame);
        made
    }
}

impl Device for Wire {
    type RxToken<'a> = Frame;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, _now: StackInstant) -> Option<(Frame, Room<'_>)> {
        let frame = self.received.pop_front()?;
        Some((Frame(frame), Room(self)))
    }

    fn transmit(&mut self, _now: StackInstant) -> Option<Room<'_>> {
        Some(Room(self))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

/// What the backend does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    /// It listens, and answers requests with this.
    Serving(&'static str),
    /// Nobody listens.
    Closed,
    /// The host is gone.
    Dead,
}

struct Backend {
    mood: Mood,
    interface: Interface,
    sockets: SocketSet<'static>,
    server: SocketHandle,
    wire: Wire,
}

impl Backend {
    fn new() -> Self {
        let mut wire = Wire::default();
        let station = HardwareAddress::Ethernet(EthernetAddress(mac(a()).0));
        let mut interface = Interface::new(Config::new(station), &mut wire, StackInstant::ZERO);
        interface.update_ip_addrs(|addresses| {
            for (ip, length) in [(ipv4(a()).into(), 24), (IpAddr::from(ipv6(a())), 64)] {
                addresses
                    .push(IpCidr::new(ip.into(), length))
                    .expect("room");
            }
        });
        let buffer = || tcp::SocketBuffer::new(vec![0; 2048]);
        let mut sockets = SocketSet::new(Vec::new());
        let server = sockets.add(tcp::Socket::new(buffer(), buffer()));
        let datagrams = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 4], vec![0; 64]);
        sockets.add(udp::Socket::new(datagrams(), datagrams()));
        Self {
            mood: Mood::Closed,
            interface,
            sockets,
            server,
            wire,
        }
    }

    fn become_(&mut self, mood: Mood) {
        self.mood = mood;
        for (_, socket) in self.sockets.iter_mut() {
            match socket {
                smoltcp::socket::Socket::Tcp(server) => {
                    server.abort();
                    if matches!(mood, Mood::Serving(_)) {
                        server.listen(SERVICE).expect("a free port");
                    }
                }
                smoltcp::socket::Socket::Udp(server) => {
                    server.close();
                    if matches!(mood, Mood::Serving(_)) {
                        server.bind(SERVICE).expect("a free port");
                    }
                }
                _ => {}
            }
        }
    }

    fn work(&mut self, age: Duration) -> Vec<Vec<u8>> {
        if self.mood == Mood::Dead {
            self.wire.received.clear();
            return Vec::new();
        }
        for _ in 0..4 {
            let now = StackInstant::from_micros(age.as_micros() as i64);
            self.interface.poll(now, &mut self.wire, &mut self.sockets);
            if let Mood::Serving(answer) = self.mood {
                self.serve(answer);
            }
        }
        std::mem::take(&mut self.wire.sent)
    }

    fn serve(&mut self, answer: &str) {
        let server = self.sockets.get_mut::<tcp::Socket>(self.server);
        if !server.is_open() {
            server.listen(SERVICE).expect("a free port");
        }
        if server.can_recv() {
            let request = server.recv(|bytes| (bytes.len(), bytes.to_vec()));
            let request = String::from_utf8(request.expect("a request")).expect("text");
            assert!(
                request.starts_with("GET /healthz HTTP/1.1\r\n"),
                "{request}"
            );
            assert!(request.ends_with("\r\n\r\n"), "{request}");
            server.send_slice(answer.as_bytes()).expect("room");
            server.close();
        }
    }
}

/// A node that probes the backend at its port `a`.
struct Story {
    node: Node,
    prober: Prober,
    backend: Backend,
    /// When the backend's clock starts.
    begin: Instant,
    /// When the story starts.
    start: Instant,
    now_ms: u64,
    /// How many frames each step put out.
    probes: Vec<u64>,
}

impl Story {
    fn new(probes: &[Probe]) -> Self {
        let mut node = Node::new("one", network());
        let global = Global {
            probe_mac: PROBER,
            ..Global::default()
        };
        let objects = probes.iter().take(8).cloned().map(Object::Probe);
        node.apply(objects.chain([Object::Global(global)]).collect(), vec![]);
        let mut story = Self {
            node,
            prober: Prober::new(7),
            backend: Backend::new(),
            begin: Instant::now(),
            start: Instant::now(),
            now_ms: 0,
            probes: Vec::new(),
        };
        // A first life of the prober: the backend's stack loses what it would send to a station that it must ask
        // for first.
        story.prober.configure(probes, story.start);
        story.pass(2_000);
        story.start += Duration::from_millis(story.now_ms);
        (story.now_ms, story.probes) = (0, Vec::new());
        story.prober = Prober::new(8);
        story.prober.configure(probes, story.start);
        story
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.now_ms)
    }

    /// Lets time pass, a tenth of a second at once.
    fn pass(&mut self, time_ms: u64) {
        let end = self.now_ms + time_ms;
        while self.now_ms < end {
            self.exchange();
            self.now_ms += 100;
        }
    }

    /// Carries frames until there are none.
    fn exchange(&mut self) {
        for _ in 0..64 {
            let now = self.now();
            let probes = self.prober.advance(now);
            if !probes.is_empty() {
                self.probes.push(self.now_ms);
            }
            let mut is_quiet = probes.is_empty();
            probes.into_iter().for_each(|frame| self.node.probe(frame));
            self.backend.wire.received.extend(self.node.received(a()));
            for frame in self.backend.work(now - self.begin) {
                is_quiet = false;
                self.node.send(a(), &frame);
            }
            while let Ok(answer) = self.node.answers.try_recv() {
                self.prober.receive(&answer, now);
            }
            if is_quiet {
                return;
            }
        }
        panic!("the exchange of frames has no end");
    }

    fn status(&self) -> Option<ProbeStatus> {
        self.prober.health().first().map(|health| health.status)
    }

    fn last(&self) -> Option<Finding> {
        self.prober.reports()[0].last
    }
}

#[test]
fn a_backend_is_online_while_it_serves_and_offline_while_it_does_not() {
    let kinds = [ProbeKind::Tcp, ProbeKind::Udp, http()];
    for (kind, is_ipv4) in kinds.iter().flat_map(|kind| [(kind, true), (kind, false)]) {
        let mut story = Story::new(&[probe(kind.clone(), is_ipv4)]);
        assert_eq!(story.status(), None, "nothing is known yet");
        for (mood, expected) in [
            (Mood::Serving("HTTP/1.1 200 OK\r\n\r\n"), Online),
            (Mood::Closed, Offline),
            (Mood::Serving("HTTP/1.1 302 Found\r\n\r\n"), Online),
        ] {
            story.backend.become_(mood);
            story.pass(15_000);
            let last = story.last();
            assert_eq!(story.status(), Some(expected), "{kind:?} {mood:?} {last:?}");
            assert!(story.prober.take_changed());
        }
        story.pass(15_000);
        assert!(!story.prober.take_changed());
        story.node.check_sum();
    }
}

#[test]
fn what_a_probe_finds_is_told_and_counted_as_success_or_failure() {
    let serving = Mood::Serving;
    for (kind, mood, finding, status) in [
        (ProbeKind::Tcp, serving(""), Finding::Connected, Online),
        (ProbeKind::Tcp, Mood::Closed, Finding::Refused, Offline),
        (ProbeKind::Tcp, Mood::Dead, Finding::TimedOut, Offline),
        (ProbeKind::Udp, serving(""), Finding::Unopposed, Online),
        (ProbeKind::Udp, Mood::Closed, Finding::Unreachable, Offline),
        (ProbeKind::Udp, Mood::Dead, Finding::Unopposed, Online),
        (
            http(),
            serving("HTTP/1.1 204 No Content\r\n\r\n"),
            Finding::Answered(204),
            Online,
        ),
        (
            http(),
            serving("HTTP/1.0 399 \r\n\r\n"),
            Finding::Answered(399),
            Online,
        ),
        (
            http(),
            serving("HTTP/1.1 404 Not Found\r\n\r\n"),
            Finding::Answered(404),
            Offline,
        ),
        (
            http(),
            serving("HTTP/1.1 100 Continue\r\n\r\n"),
            Finding::Answered(100),
            Offline,
        ),
        (
            http(),
            serving("220 smtp ready\r\n"),
            Finding::NotHttp,
            Offline,
        ),
        (http(), serving("HTTP"), Finding::Closed, Offline),
        (http(), Mood::Closed, Finding::Refused, Offline),
        (http(), Mood::Dead, Finding::TimedOut, Offline),
    ] {
        let mut story = Story::new(&[probe(kind.clone(), true)]);
        story.backend.become_(mood);
        story.pass(4_000);
        let found = (story.last(), story.status());
        assert_eq!(found, (Some(finding), Some(status)), "{kind:?} {mood:?}");
        assert_eq!(finding.is_success(), status == Online);
    }
}

#[test]
fn as_many_findings_in_a_row_as_configured_change_the_status() {
    let strict = Probe {
        success_count: 3,
        failure_count: 2,
        ..probe(ProbeKind::Tcp, true)
    };
    let mut story = Story::new(&[strict]);
    // A probe every 5 s, answered at once.
    let mut after = |mood: Mood| {
        story.backend.become_(mood);
        story.pass(5_000);
        story.status()
    };
    let (up, down) = (Mood::Serving(""), Mood::Closed);
    assert_eq!([up, up].map(&mut after), [None, None]);
    assert_eq!([up, down].map(&mut after), [Some(Online), Some(Online)]);
    assert_eq!([up, down].map(&mut after), [Some(Online), Some(Online)]);
    assert_eq!([down, up].map(&mut after), [Some(Offline), Some(Offline)]);
    assert_eq!([up, up].map(&mut after), [Some(Offline), Some(Online)]);
}

#[test]
fn the_next_probe_begins_an_interval_after_the_end_of_the_last() {
    let mut story = Story::new(&[probe(ProbeKind::Tcp, true)]);
    story.backend.become_(Mood::Closed);
    story.pass(16_000);
    story.probes.dedup();
    assert_eq!(story.probes, [0, 5_000, 10_000, 15_000]);
    // What is not answered is over after the timeout.
    story.backend.become_(Mood::Dead);
    story.probes.clear();
    story.pass(14_000);
    let begins = story
        .probes
        .iter()
        .filter(|at| [20_000, 28_000].contains(at));
    assert_eq!(begins.count(), 2, "{:?}", story.probes);
}

#[test]
fn only_the_backend_itself_can_answer_for_it() {
    let probed = probe(ProbeKind::Tcp, true);
    let mut story = Story::new(std::slice::from_ref(&probed));
    let now = story.now();
    let [syn] = story.prober.advance(now).try_into().expect("one frame");
    let (flow, _) = packet::parse(&syn.bytes).expect("a frame");
    let sent = etherparse::SlicedPacket::from_ethernet(&syn.bytes).expect("a frame");
    let Some(etherparse::TransportSlice::Tcp(sent)) = sent.transport else {
        panic!("TCP");
    };
    assert_eq!((flow.eth_src, flow.eth_dst), (PROBER, mac(a())));
    let reset = |port: u16, destination: [u8; 4]| {
        let reset = etherparse::PacketBuilder::ethernet2(mac(a()).0, PROBER.0)
            .ipv4(ipv4(a()).octets(), destination, 64)
            .tcp(SERVICE, port, 0, 0)
            .rst()
            .ack(sent.sequence_number() + 1);
        let mut bytes = Vec::new();
        reset.write(&mut bytes, &[]).expect("a buffer");
        bytes
    };
    let (port, source) = (sent.source_port(), [10, 0, 1, 99]);
    for (at, bytes, expected) in [
        (c(), reset(port, source), None),
        (a(), reset(port + 1, source), None),
        (a(), reset(port, [10, 0, 1, 98]), None),
        (a(), vec![0; 20], None),
        (a(), reset(port, source), Some(Offline)),
    ] {
        story.prober.receive(&PortFrame { at, bytes }, now);
        story.prober.advance(now);
        assert_eq!(story.status(), expected);
    }
}

#[test]
fn a_change_of_the_probes_keeps_what_is_known_of_those_that_stay() {
    let tcp = probe(ProbeKind::Tcp, true);
    let mut story = Story::new(&[tcp.clone(), probe(ProbeKind::Tcp, false)]);
    story.pass(1_000);
    assert_eq!(story.prober.health().len(), 2);
    story.prober.take_changed();
    let slower = Probe {
        interval_s: 60,
        ..tcp.clone()
    };
    let now = story.now();
    story.prober.configure([&slower], now);
    assert_eq!(story.prober.health().len(), 1);
    assert_eq!(story.status(), Some(Offline));
    assert!(story.prober.take_changed(), "one is gone");
    story.prober.configure([], now);
    assert_eq!(story.prober.deadline(), None);
    story.prober.configure([&tcp], now);
    assert_eq!(story.status(), None, "it was forgotten");
}

#[test]
fn what_cannot_be_probed_has_an_error() {
    let with_path = |path: &str| ProbeKind::Http { path: path.into() };
    let tcp = probe(ProbeKind::Tcp, true);
    for impossible in [
        Probe {
            source_ip: ipv6(b()).into(),
            ..tcp.clone()
        },
        Probe {
            source_ip: IpAddr::from([255; 4]),
            ..tcp.clone()
        },
        probe(with_path("/a b"), true),
        probe(with_path(&"/".repeat(2_000)), true),
    ] {
        let mut story = Story::new(std::slice::from_ref(&impossible));
        story.pass(100);
        assert_eq!(story.status(), Some(Error), "{impossible:?}");
        assert_eq!(story.last(), Some(Finding::Impossible));
        assert!(story.probes.is_empty());
    }
}

#[test]
fn the_number_of_probes_is_bounded() {
    let tcp = probe(ProbeKind::Tcp, true);
    let numbered = |number: usize| Probe {
        key: ProbeKey {
            transport_port: 1 + number as u16,
            ..tcp.key.clone()
        },
        ..tcp.clone()
    };
    let probes: Vec<_> = (0..PROBES_MAX + 2).map(numbered).collect();
    let mut prober = Prober::new(0);
    prober.configure(&probes, Instant::now());
    let health = prober.health();
    assert_eq!(health.len(), 2);
    assert!(health.iter().all(|health| health.status == Error));
}

#[test]
fn answers_that_nobody_takes_are_counted() {
    let mut story = Story::new(&[]);
    let mut answer = udp4(a(), b(), Shape::default());
    answer[..6].copy_from_slice(&PROBER.0);
    // An ICMP message, as far as the pipeline looks.
    answer[23] = ip_protocol::ICMP;
    let count = ANSWERS as u64 + 3;
    for _ in 0..count {
        story.node.send(a(), &answer);
    }
    assert_eq!(story.node.totals().monitored, ANSWERS as u64);
    assert_eq!(story.node.counters.dropped(DropReason::ProbeQueueFull), 3);
    story.node.check_sum();
}
