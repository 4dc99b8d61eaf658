//! Connections, brought up by both ends, and the frames that are then replayed on them.

use std::ops::Range;
use std::sync::Arc;

use crate::frame::Ends;
use crate::network::{self, CLIENT, PEER, PORT, SERVERS, at};
use crate::port::{Loose, Wire};
use crate::rig::{Rig, from_node};

/// Connections that are brought up at once.
pub const TOGETHER: usize = 512;

/// Whom the client speaks with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// Another station of its switch.
    Peer,
    /// The servers, through the router.
    Servers,
    /// This many VIPs.
    Vips(u32),
}

/// The connection of the client with this number: each has another source.
pub fn ends(to: To, number: u32) -> Ends {
    let (eth_dst, dst) = match to {
        To::Peer => (network::mac(PEER), network::peer_ip()),
        To::Servers => (
            network::router_mac(1),
            network::server_ip(1 + number % SERVERS),
        ),
        To::Vips(vips) => (network::router_mac(1), network::vip_ip(number % vips)),
    };
    let port = 1_024 + number / network::CLIENT_ADDRESSES;
    Ends {
        eth_src: network::mac(CLIENT),
        eth_dst,
        src: (network::client_ip(number), port as u16),
        dst: (dst, PORT),
    }
}

/// All frames in an order in which neighbours have nothing to do with each other, the same each time.
pub fn shuffled<T>(mut items: Vec<T>) -> Vec<T> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for last in (1..items.len()).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        items.swap(last, (state >> 33) as usize % (last + 1));
    }
    items
}

/// Frames to be played at a port.
pub fn loose(frames: impl Iterator<Item = Vec<u8>>) -> Arc<Vec<Loose>> {
    Arc::new(frames.map(|frame| (frame, None)).collect())
}

/// Brings connections up between stations of one node, and returns the client's data, one frame a connection.
pub fn establish(rig: &mut Rig, to: To, connections: u32) -> Arc<Vec<Loose>> {
    establish_some(rig, to, 0..connections)
}

/// As [`establish`], for the connections with these numbers.
pub fn establish_some(rig: &mut Rig, to: To, numbers: Range<u32>) -> Arc<Vec<Loose>> {
    let all: Vec<Ends> = numbers.map(|number| ends(to, number)).collect();
    for some in all.chunks(TOGETHER) {
        open(rig, some);
        complete(rig, some);
    }
    loose(shuffled(all).iter().map(Ends::data))
}

/// Lets the client open connections. They are to be completed before others are opened.
pub fn open(rig: &mut Rig, some: &[Ends]) {
    let client = rig.wire(at(CLIENT)).clone();
    rig.keep(true);
    rig.play(&client, &loose(some.iter().map(Ends::opening)), some.len());
}

/// Lets the servers accept what was opened, and the client send on it.
pub fn complete(rig: &mut Rig, some: &[Ends]) {
    let client = rig.wire(at(CLIENT)).clone();
    answer(rig);
    let data = loose(some.iter().map(Ends::data));
    // The first completes the connection, the second is the first that is remembered.
    rig.play(&client, &data, 2 * some.len());
    rig.keep(false);
    discard(rig);
}

/// Brings connections up from a client on one node to servers on another. Returns what the client sends, and what then
/// goes through the tunnel.
pub fn establish_across(
    (near, far): (&mut Rig, &mut Rig),
    to: To,
    connections: u32,
) -> [Arc<Vec<Loose>>; 2] {
    let all: Vec<Ends> = (0..connections).map(|number| ends(to, number)).collect();
    let client = near.wire(at(CLIENT)).clone();
    near.keep(true);
    far.keep(true);
    let mut tunnelled = Vec::new();
    for some in all.chunks(TOGETHER) {
        near.play(&client, &loose(some.iter().map(Ends::opening)), some.len());
        carry(near, far, [192, 0, 2, 1]);
        answer(far);
        carry(far, near, [192, 0, 2, 2]);
        discard(near);
        let data = loose(some.iter().map(Ends::data));
        near.play(&client, &data, data.len());
        carry(near, far, [192, 0, 2, 1]);
        near.play(&client, &data, data.len());
        tunnelled.extend(carry(near, far, [192, 0, 2, 1]));
        discard(far);
    }
    near.keep(false);
    far.keep(false);
    let data = loose(shuffled(all).iter().map(Ends::data));
    [data, Arc::new(shuffled(tunnelled))]
}

/// Takes what a node sent into its tunnel to another one; returns it as it arrived.
fn carry(from: &mut Rig, to: &mut Rig, ip: [u8; 4]) -> Vec<Loose> {
    let datagrams = from.tunnel.take().into_iter();
    let arriving: Vec<Loose> = datagrams
        .map(|(payload, _)| (payload, Some(from_node(ip))))
        .collect();
    let tunnel = to.tunnel.clone();
    to.play(&tunnel, &Arc::new(arriving.clone()), arriving.len());
    arriving
}

/// Lets the stations accept what came to them.
fn answer(rig: &mut Rig) {
    for (wire, answers) in answers(rig) {
        rig.play(&wire, &answers, answers.len());
    }
}

/// What the stations say to accept what came to them, and where that arrives.
pub fn answers(rig: &Rig) -> Vec<(Wire, Arc<Vec<Loose>>)> {
    let accept = |wire: &Wire| {
        let came = wire.take();
        let ends = came.iter().filter_map(|(frame, _)| {
            let (flow, _) = packet::parse(frame).ok()?;
            Ends::of(&flow)
        });
        let answers = loose(ends.map(|ends| ends.reversed().accepting()));
        (wire.clone(), answers)
    };
    rig.wires().map(|(_, wire)| accept(wire)).collect()
}

fn discard(rig: &mut Rig) {
    rig.tunnel.take();
    for (_, wire) in rig.wires() {
        wire.take();
    }
}
