//! How long connections are kept, and how strictly they are judged.

/// Declares the timeouts once: field, default in seconds, description.
macro_rules! timeouts {
    ($($(#[doc = $doc:literal])* $name:ident: $default:literal,)*) => {
        /// For how long a connection is kept that carries nothing, by what it is at, in seconds. The names are those
        /// of Linux's `net.netfilter.nf_conntrack_*_timeout*`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct Timeouts { $($(#[doc = $doc])* pub $name: u32,)* }

        impl Default for Timeouts {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Timeouts {
            /// The names of all timeouts.
            pub const NAMES: &[&str] = &[$(stringify!($name),)*];

            /// Sets the timeout with this name; false if there is none.
            pub fn set(&mut self, name: &str, seconds: u32) -> bool {
                match name {
                    $(stringify!($name) => self.$name = seconds,)*
                    _ => return false,
                }
                true
            }

            /// The timeout with this name.
            pub fn get(&self, name: &str) -> Option<u32> {
                match name {
                    $(stringify!($name) => Some(self.$name),)*
                    _ => None,
                }
            }
        }
    };
}

timeouts! {
    /// TCP: the first packet was seen, and no answer.
    tcp_syn_sent: 120,
    /// TCP: answered, and not acknowledged.
    tcp_syn_recv: 60,
    /// TCP: open.
    tcp_established: 432_000,
    /// TCP: one end has sent all.
    tcp_fin_wait: 120,
    /// TCP: one end has sent all, and the other has acknowledged it.
    tcp_close_wait: 60,
    /// TCP: both ends have sent all.
    tcp_last_ack: 30,
    /// TCP: both ends have sent and received all.
    tcp_time_wait: 120,
    /// TCP: reset.
    tcp_close: 10,
    /// UDP: not answered.
    udp: 30,
    /// UDP: answered.
    udp_stream: 120,
    /// SCTP: INIT was seen.
    sctp_cookie_wait: 3,
    /// SCTP: the cookie was echoed.
    sctp_cookie_echoed: 3,
    /// SCTP: open.
    sctp_established: 210,
    /// SCTP: SHUTDOWN or its acknowledgment was seen.
    sctp_shutdown: 3,
    /// SCTP: aborted or complete.
    sctp_closed: 10,
    /// ICMP echo.
    icmp: 30,
    /// ICMPv6 echo.
    icmpv6: 30,
    /// Any other protocol.
    generic: 600,
}

/// How strictly packets are judged, and how much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// TCP segments out of the window, and resets that hit no exact sequence number, are not invalid.
    pub is_liberal: bool,
    /// Connections that were never answered, at most: of what an interface begins, and of what a source begins in a
    /// zone that is not its own.
    pub half_open_quota: u32,
    /// How long connections are kept.
    pub timeouts: Timeouts,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            is_liberal: false,
            half_open_quota: 8_192,
            timeouts: Timeouts::default(),
        }
    }
}
