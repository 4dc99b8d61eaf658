//! Control data of a message: a list of (level, type, value), each behind a `cmsghdr` and padded to a word.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::c_int;

/// Bytes for the control data of one message: a traffic class and a segment size, and some to spare.
const CAPACITY: usize = 96;
const HEADER: usize = size_of::<libc::cmsghdr>();
const WORD: usize = size_of::<usize>();

/// The control data of one message.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Control {
    bytes: [u8; CAPACITY],
}

/// What control data says of a received datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// The type of service or traffic class.
    pub(super) traffic_class: u8,
    /// The size of the datagrams that the kernel joined, if it joined several.
    pub(super) segment_size: Option<u16>,
}

impl Control {
    pub(super) const EMPTY: Control = Control {
        bytes: [0; CAPACITY],
    };

    pub(super) fn as_mut_ptr(&mut self) -> *mut libc::c_void {
        self.bytes.as_mut_ptr().cast()
    }

    pub(super) const fn capacity() -> usize {
        CAPACITY
    }

    /// Writes what is to be said of a datagram; returns how many bytes that took.
    pub(super) fn write(&mut self, is_ipv6: bool, facts: Facts) -> usize {
        let mut end = 0;
        if facts.traffic_class != 0 {
            let (level, kind) = traffic_class_option(is_ipv6);
            end = self.push(
                end,
                level,
                kind,
                &c_int::from(facts.traffic_class).to_ne_bytes(),
            );
        }
        if let Some(size) = facts.segment_size {
            end = self.push(end, libc::SOL_UDP, libc::UDP_SEGMENT, &size.to_ne_bytes());
        }
        end
    }

    fn push(&mut self, at: usize, level: c_int, kind: c_int, value: &[u8]) -> usize {
        let length = HEADER + value.len();
        let item = &mut self.bytes[at..at + length.next_multiple_of(WORD)];
        item.fill(0);
        item[..WORD].copy_from_slice(&length.to_ne_bytes());
        item[WORD..WORD + 4].copy_from_slice(&level.to_ne_bytes());
        item[WORD + 4..HEADER].copy_from_slice(&kind.to_ne_bytes());
        item[HEADER..length].copy_from_slice(value);
        at + item.len()
    }

    /// Reads what the kernel wrote into the first `length` bytes.
    pub(super) fn read(&self, length: usize) -> Facts {
        let mut facts = Facts::default();
        let mut rest = &self.bytes[..length.min(CAPACITY)];
        while let Some((level, kind, value, after)) = next_item(rest) {
            match (level, kind) {
                (libc::IPPROTO_IP, libc::IP_TOS) | (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                    facts.traffic_class = number(value) as u8;
                }
                (libc::SOL_UDP, libc::UDP_GRO) => {
                    facts.segment_size = u16::try_from(number(value)).ok().filter(|size| *size > 0);
                }
                _ => {}
            }
            rest = after;
        }
        facts
    }
}

/// The first item: its level, type and value, and what comes after.
fn next_item(bytes: &[u8]) -> Option<(c_int, c_int, &[u8], &[u8])> {
    let (header, _) = bytes.split_at_checked(HEADER)?;
    let length = usize::from_ne_bytes(header[..WORD].try_into().ok()?);
    let level = c_int::from_ne_bytes(header[WORD..WORD + 4].try_into().ok()?);
    let kind = c_int::from_ne_bytes(header[WORD + 4..].try_into().ok()?);
    let value = bytes.get(HEADER..length)?;
    let after = bytes
        .get(length.next_multiple_of(WORD)..)
        .unwrap_or_default();
    Some((level, kind, value, after))
}

/// A value of 1, 2 or 4 bytes in host order: the kernel's width depends on the item and the family.
fn number(value: &[u8]) -> u32 {
    match *value {
        [a] => a.into(),
        [a, b] => u16::from_ne_bytes([a, b]).into(),
        [a, b, c, d, ..] => u32::from_ne_bytes([a, b, c, d]),
        _ => 0,
    }
}

const fn traffic_class_option(is_ipv6: bool) -> (c_int, c_int) {
    if is_ipv6 {
        (libc::IPPROTO_IPV6, libc::IPV6_TCLASS)
    } else {
        (libc::IPPROTO_IP, libc::IP_TOS)
    }
}

/// Sets DF (or its IPv6 counterpart) on all that the socket sends, and obeys the path MTU.
pub(super) fn never_fragment(socket: BorrowedFd<'_>, is_ipv6: bool) -> io::Result<()> {
    let (level, option, value) = if is_ipv6 {
        (
            libc::IPPROTO_IPV6,
            libc::IPV6_MTU_DISCOVER,
            libc::IPV6_PMTUDISC_DO,
        )
    } else {
        (
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            libc::IP_PMTUDISC_DO,
        )
    };
    // SAFETY: the kernel reads one `int` from a local that lives through the call. Neither nix nor
    // socket2 knows the option.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of::<c_int>() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_that_are_cut_short_end_the_list() {
        let mut control = Control::EMPTY;
        let length = control.write(
            false,
            Facts {
                traffic_class: 3,
                segment_size: None,
            },
        );
        let whole = Facts {
            traffic_class: 3,
            segment_size: None,
        };
        assert_eq!(control.read(length), whole);
        for short in 0..HEADER + 4 {
            assert_eq!(control.read(short), Facts::default(), "{short}");
        }
    }

    #[test]
    fn a_length_less_than_the_header_ends_the_list() {
        let mut control = Control::EMPTY;
        control.bytes[0] = 3;
        assert_eq!(control.read(CAPACITY), Facts::default());
    }
}
