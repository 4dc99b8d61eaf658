//! Datagrams in fragments.

use packet::fragment_ipv4;

/// Bytes of IP payload in a fragment.
pub const CUT: usize = 400;

/// The fragments of a datagram, in order.
pub fn fragments4(datagram: &[u8], identification: u16) -> Vec<Vec<u8>> {
    let mut datagram = datagram.to_vec();
    datagram[18..20].copy_from_slice(&identification.to_be_bytes());
    let (flow, layout) = packet::parse(&datagram).expect("a packet");
    fragment_ipv4(&datagram, &flow, layout, CUT as u16 + 20).expect("may be cut")
}

pub fn fragments6(datagram: &[u8], identification: u32) -> Vec<Vec<u8>> {
    let (headers, payload) = datagram.split_at(54);
    let count = payload.len().div_ceil(CUT);
    let cut = |(number, part): (usize, &[u8])| {
        let has_more = u16::from(number + 1 < count);
        let mut frame = headers.to_vec();
        frame[18..20].copy_from_slice(&(part.len() as u16 + 8).to_be_bytes());
        let protocol = std::mem::replace(&mut frame[20], 44);
        frame.extend([protocol, 0]);
        frame.extend(((number * CUT) as u16 | has_more).to_be_bytes());
        frame.extend(identification.to_be_bytes());
        frame.extend(part);
        frame
    };
    payload.chunks(CUT).enumerate().map(cut).collect()
}
