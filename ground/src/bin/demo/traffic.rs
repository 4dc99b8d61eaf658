//! Who reaches whom: every pod sends to every other, by ping and TCP, over IPv4 and IPv6.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;
use ground::network::Pod;
use ground::probe;

use crate::print;

/// How long one kind of traffic may take to get through. The first packet waits for its next hop to be found.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Which kinds of traffic got through from one pod to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    ping_v4: bool,
    ping_v6: bool,
    tcp_v4: bool,
    tcp_v6: bool,
}

impl Passed {
    const ALL: Self = Self {
        ping_v4: true,
        ping_v6: true,
        tcp_v4: true,
        tcp_v6: true,
    };
    const NONE: Self = Self {
        ping_v4: false,
        ping_v6: false,
        tcp_v4: false,
        tcp_v6: false,
    };

    /// What the logical network says: all or nothing.
    pub(crate) fn expected(is_joined: bool) -> Self {
        if is_joined { Self::ALL } else { Self::NONE }
    }

    fn symbols(self) -> String {
        let mark = |passed, symbol| if passed { symbol } else { '·' };
        [
            mark(self.ping_v4, '4'),
            mark(self.ping_v6, '6'),
            mark(self.tcp_v4, 't'),
            mark(self.tcp_v6, 'T'),
        ]
        .iter()
        .collect()
    }
}

/// What got through, by sender and receiver in the order of the pods; `None` from a pod to itself.
pub(crate) type Matrix = Vec<Vec<Option<Passed>>>;

/// Sends everything from every pod to every other; the senders work at the same time.
pub(crate) fn matrix(pods: &[Pod]) -> Result<Matrix> {
    std::thread::scope(|scope| {
        let senders: Vec<_> = pods
            .iter()
            .map(|from| scope.spawn(move || row(from, pods)))
            .collect();
        senders
            .into_iter()
            .map(|sender| {
                sender
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}

fn row(from: &Pod, pods: &[Pod]) -> Result<Vec<Option<Passed>>> {
    pods.iter()
        .map(|to| {
            if to.port == from.port {
                Ok(None)
            } else {
                pair(from, to).map(Some)
            }
        })
        .collect()
}

fn pair(from: &Pod, to: &Pod) -> Result<Passed> {
    let family = |address: IpAddr| -> Result<(bool, bool)> {
        let ping = from.namespace.run(|| probe::reaches(address, PATIENCE))?;
        // Where no ping passes, TCP would only wait in vain.
        let tcp =
            ping && probe::tcp_exchange(&from.namespace, &to.namespace, address, PATIENCE).is_ok();
        Ok((ping, tcp))
    };
    let (v4, v6) = (to.v4()?, to.v6()?);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| family(v6));
        let (ping_v4, tcp_v4) = family(v4)?;
        let (ping_v6, tcp_v6) = other
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(Passed {
            ping_v4,
            ping_v6,
            tcp_v4,
            tcp_v6,
        })
    })
}

/// Prints the matrix; what differs from `expected` stands out. Returns how many cells differ.
pub(crate) fn print_matrix(
    pods: &[Pod],
    nodes: &[&str],
    matrix: &Matrix,
    expected: impl Fn(&Pod, &Pod) -> Passed,
) -> usize {
    let mut surprises = 0;
    print!("    {:<9}{:<9}", "from", "on");
    pods.iter().for_each(|pod| print!("{:<9}", pod.port));
    println!();
    for ((from, node), row) in pods.iter().zip(nodes).zip(matrix) {
        print!("    {:<9}{:<9}", from.port, node);
        for (to, cell) in pods.iter().zip(row) {
            let Some(passed) = cell else {
                print!("{:<9}", "");
                continue;
            };
            let text = format!("{:<9}", passed.symbols());
            let is_expected = *passed == expected(from, to);
            surprises += usize::from(!is_expected);
            print!(
                "{}",
                if !is_expected {
                    print::bad(&text)
                } else if *passed == Passed::ALL {
                    print::good(&text)
                } else {
                    print::remark(&text)
                }
            );
        }
        println!();
    }
    surprises
}
