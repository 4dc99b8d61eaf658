//! Choosing addresses for ports (`Logical_Switch_Port.addresses` `dynamic`), as OVN's IPAM does.
//!
//! A switch says what it gives out ([`Pool`]), a port what it wants ([`Wish`]). What was chosen is written
//! into `dynamic_addresses` and stays there: that column is the only memory.

mod pool;
mod wish;

pub(crate) use pool::Pool;
pub(crate) use wish::Wish;

use packet::Mac;

/// The bits of a chosen MAC address that are not the network's `mac_prefix`.
const SUFFIX_BITS: u32 = 24;

/// How many suffixes there are: all but those of zeros and of ones.
const SUFFIXES: u32 = (1 << SUFFIX_BITS) - 2;

/// The first half of all MAC addresses that are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MacPrefix([u8; 3]);

impl MacPrefix {
    /// Reads `xx:xx:xx`, and nothing but zeros as unset, as OVN does.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let mut prefix = [0; 3];
        for byte in &mut prefix {
            *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
        }
        (prefix != [0; 3]).then_some(Self(prefix))
    }

    /// A prefix of locally administered addresses of single stations (IEEE 802 section 8.2).
    pub(crate) fn local(seed: [u8; 3]) -> Self {
        let [first, second, third] = seed;
        Self([(first | 2) & !1, second, third])
    }

    pub(crate) fn covers(self, mac: Mac) -> bool {
        mac.0[..3] == self.0
    }

    /// The first address from that of `base` on, round the end, that is not in use.
    pub(crate) fn choose(self, base: u32, is_used: impl Fn(Mac) -> bool) -> Option<Mac> {
        let base = base % (1 << SUFFIX_BITS);
        let suffixes = (0..SUFFIXES).map(|step| (base + step) % SUFFIXES + 1);
        let macs = suffixes.map(|suffix| {
            let [_, d, e, f] = suffix.to_be_bytes();
            let [a, b, c] = self.0;
            Mac([a, b, c, d, e, f])
        });
        macs.into_iter().find(|mac| !is_used(*mac))
    }
}

impl std::fmt::Display for MacPrefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(prefix: &str, base: u32, used: &[&str], expected: &str) {
        let prefix = MacPrefix::parse(prefix).expect("a prefix");
        let used: Vec<Mac> = used.iter().map(|mac| mac.parse().expect("a MAC")).collect();
        let chosen = prefix.choose(base, |mac| used.contains(&mac));
        assert_eq!(chosen.map(|mac| mac.to_string()).as_deref(), Some(expected));
    }

    /// Input: the prefix, the IPv4 address as a number, what is in use. Output: what OVN chooses.
    #[test]
    fn a_mac_address_follows_the_ip_address() {
        check("0a:00:00", 0xc0a8_0102, &[], "0a:00:00:a8:01:03");
        check("0a:00:00", 0, &["0a:00:00:00:00:01"], "0a:00:00:00:00:02");
        check("0a:00:00", 0x0aff_fffd, &[], "0a:00:00:ff:ff:fe");
        check("0a:00:00", 0x0aff_fffe, &[], "0a:00:00:00:00:01");
    }

    #[test]
    fn a_prefix_is_three_bytes_that_are_not_all_zero() {
        assert_eq!(MacPrefix::parse("00:00:00"), None);
        assert_eq!(MacPrefix::parse("0a:00"), None);
        assert_eq!(MacPrefix::parse("x:00:00"), None);
        assert_eq!(MacPrefix::parse("0a:1:ff"), Some(MacPrefix([10, 1, 255])));
        assert_eq!(MacPrefix::local([1, 2, 3]), MacPrefix([2, 2, 3]));
    }
}
