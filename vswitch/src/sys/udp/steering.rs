//! Which of the sockets that share an address a Geneve packet goes to: by the flow inside it.
//!
//! Left alone the kernel goes by the outer source port. That depends on which worker of the other node sent the packet,
//! which depends on where the answers to it came in, which depends on the source ports of this node: a connection may
//! go from worker to worker for ever. What is inside a packet depends on none of them.
//!
//! The kernel joins datagrams of one source port before it chooses (`UDP_GRO`). So who sends chooses its source port by
//! the same number, [`flow_number`].

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use libc::{
    BPF_A, BPF_ABS, BPF_ADD, BPF_ALU, BPF_AND, BPF_B, BPF_H, BPF_IMM, BPF_IND, BPF_JA, BPF_JEQ,
    BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_LDX, BPF_LSH, BPF_MEM, BPF_MISC, BPF_MOD, BPF_MUL,
    BPF_RET, BPF_RSH, BPF_ST, BPF_TAX, BPF_TXA, BPF_W, BPF_X, sock_filter,
};

use super::Socket;

/// Source ports of a sender, chosen by [`flow_number`]: flows of one port go to one socket wherever there are no more
/// sockets than these.
pub const PORTS: usize = 8;
/// Spreads a sum over all bits: 2^32 divided by the golden ratio.
const SPREAD: u32 = 0x9e37_79b1;
const IPV4: u32 = 0x0800;
const IPV6: u32 = 0x86dd;
/// IP protocols that begin with two ports.
const WITH_PORTS: [u32; 3] = [6, 17, 132];
/// More fragments, or not the first one.
const FRAGMENT: u32 = 0x3fff;

/// A number that packets of one flow and direction have in common, whoever sends them; 0 for what is not IP. Fragments are
/// of the flow between their addresses.
pub fn flow_number(frame: &[u8]) -> u16 {
    (sum(frame).unwrap_or(0) >> 16) as u16
}

/// `None` for what is not IP, or too short.
fn sum(frame: &[u8]) -> Option<u32> {
    let word = |at: usize| {
        let bytes = frame.get(at..at + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    let half = |at: usize| word(at).map(|word| word >> 16);
    let byte = |at: usize| frame.get(at).copied().map(u32::from);
    let (addresses, protocol, ports) = match half(12)? {
        IPV4 => {
            let is_whole = half(20)? & FRAGMENT == 0;
            let protocol = byte(23)?;
            let length = (byte(14)? & 0xf) as usize * 4;
            let protocol = if is_whole { protocol } else { 0 };
            ([word(26)?, word(30)?], protocol, 14 + length)
        }
        IPV6 => ([word(34)?, word(50)?], byte(20)?, 54),
        _ => return None,
    };
    let add = |sum: u32, word: u32| sum.wrapping_add(word).wrapping_mul(SPREAD);
    let sum = addresses.into_iter().fold(0, add);
    match WITH_PORTS.contains(&protocol) {
        true => Some(add(sum, word(ports)?)),
        false => Some(sum),
    }
}

/// The socket, of so many, that gets the packets of flows with this number.
pub fn socket_of(flow_number: u16, sockets: usize) -> usize {
    let number = usize::from(flow_number);
    match sockets <= PORTS {
        true => number % PORTS % sockets.max(1),
        false => number % sockets,
    }
}

impl Socket {
    /// Chooses by flow among the sockets that share this one's address, of which there are so many, in the order in which
    /// they were bound.
    pub fn steer(&self, sockets: usize) -> io::Result<()> {
        let mut program = program(sockets);
        let program = libc::sock_fprog {
            len: program.len() as u16,
            filter: program.as_mut_ptr(),
        };
        // SAFETY: the kernel reads one `sock_fprog`, and as many instructions as that says from where it points to, which
        // is the vector above; both live until the call returns.
        let result = unsafe {
            libc::setsockopt(
                self.socket.as_fd().as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_ATTACH_REUSEPORT_CBPF,
                (&raw const program).cast(),
                size_of_val(&program) as libc::socklen_t,
            )
        };
        match result {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// What the kernel runs for each datagram: [`flow_number`] of what follows the Geneve header, and [`socket_of`] that. Byte 0
/// is the first of that header. A program that reads beyond the packet ends with 0.
fn program(sockets: usize) -> Vec<sock_filter> {
    let tail = tail(sockets);
    // The sum and what it is made of end before this.
    let end = ADD_PORTS.len();
    let ipv6 = [
        &addresses(34, 50)[..],
        &ports_at(&[step(BPF_MISC | BPF_TXA, 0), compute(BPF_ADD, 54)]),
        &[load(BPF_B, 20)],
    ]
    .concat();
    let after_ipv6 = ipv6.len();
    let length = [
        load(BPF_B, 14),
        compute(BPF_AND, 0xf),
        compute(BPF_LSH, 2),
        compute(BPF_ADD, 14),
        step(BPF_ALU | BPF_ADD | BPF_X, 0),
    ];
    let ports = ports_at(&length);
    let after_fragment = ports.len() + 2 + after_ipv6 + PROTOCOLS + end;
    let ipv4 = [
        &addresses(26, 30)[..],
        &[load(BPF_H, 20), jump(BPF_JSET, FRAGMENT, after_fragment, 0)],
        &ports,
        &[load(BPF_B, 23), step(BPF_JMP | BPF_JA, after_ipv6 as u32)],
    ]
    .concat();
    [
        &START_OF_FRAME[..],
        &[
            load(BPF_H, 12),
            jump(BPF_JEQ, IPV6, ipv4.len() + 1, 0),
            jump(BPF_JEQ, IPV4, 0, ipv4.len() + after_ipv6 + PROTOCOLS + end),
        ],
        &ipv4,
        &ipv6,
        &tail,
    ]
    .concat()
}

/// Cells of the program's memory: where the frame begins, the sum, and where ports would be.
const START: u32 = 0;
const SUM: u32 = 1;
const PORTS_AT: u32 = 2;

/// Nothing is added up yet; X is where the frame begins.
const START_OF_FRAME: [sock_filter; 8] = [
    step(BPF_LD | BPF_IMM, 0),
    step(BPF_ST, SUM),
    step(BPF_LD | BPF_B | BPF_ABS, 0),
    compute(BPF_AND, 0x3f),
    compute(BPF_LSH, 2),
    compute(BPF_ADD, 8),
    step(BPF_ST, START),
    step(BPF_MISC | BPF_TAX, 0),
];
/// Adds A to the sum.
const ADD: [sock_filter; 4] = [
    step(BPF_LDX | BPF_MEM, SUM),
    step(BPF_ALU | BPF_ADD | BPF_X, 0),
    compute(BPF_MUL, SPREAD),
    step(BPF_ST, SUM),
];
/// Adds the ports to the sum.
const ADD_PORTS: [sock_filter; 6] = [
    step(BPF_LDX | BPF_MEM, PORTS_AT),
    load(BPF_W, 0),
    ADD[0],
    ADD[1],
    ADD[2],
    ADD[3],
];
/// Instructions that look at the protocol.
const PROTOCOLS: usize = WITH_PORTS.len();

/// Adds two words of the frame to the sum; X is where the frame begins before and after.
fn addresses(from: u32, to: u32) -> Vec<sock_filter> {
    let again = step(BPF_LDX | BPF_MEM, START);
    let both = [from, to].map(|at| [&[load(BPF_W, at)][..], &ADD, &[again]].concat());
    both.concat()
}

/// Notes where ports would be, which some instructions leave in A.
fn ports_at(steps: &[sock_filter]) -> Vec<sock_filter> {
    [steps, &[step(BPF_ST, PORTS_AT)]].concat()
}

/// With the protocol in A: adds the ports if there are some, and chooses.
fn tail(sockets: usize) -> Vec<sock_filter> {
    let [first, second, third] = WITH_PORTS;
    let number = [
        step(BPF_LD | BPF_MEM, SUM),
        compute(BPF_RSH, 16),
        compute(
            BPF_AND,
            if sockets <= PORTS {
                PORTS as u32 - 1
            } else {
                0xffff
            },
        ),
        compute(BPF_MOD, sockets.max(1) as u32),
        step(BPF_RET | BPF_A, 0),
    ];
    let protocols = [
        jump(BPF_JEQ, first, 2, 0),
        jump(BPF_JEQ, second, 1, 0),
        jump(BPF_JEQ, third, 0, ADD_PORTS.len()),
    ];
    [&protocols[..], &ADD_PORTS, &number].concat()
}

const fn step(code: u32, k: u32) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    }
}

/// Loads from so far behind X.
const fn load(size: u32, at: u32) -> sock_filter {
    step(BPF_LD | size | BPF_IND, at)
}

const fn compute(operation: u32, by: u32) -> sock_filter {
    step(BPF_ALU | operation | BPF_K, by)
}

/// Goes on so many instructions further, if A is so or if it is not. All that is jumped over here is less than 256 long.
const fn jump(condition: u32, k: u32, if_so: usize, if_not: usize) -> sock_filter {
    sock_filter {
        code: (BPF_JMP | condition | BPF_K) as u16,
        jt: if_so as u8,
        jf: if_not as u8,
        k,
    }
}
