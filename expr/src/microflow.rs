//! Microflows: expressions that describe one packet, as `ovn-trace(8)` takes them.
//!
//! An expression is expanded (`expand`) into what it constrains, the constraints are solved (`solve`),
//! and a packet is made of the solution (`build`). Fields that nothing is said of are zero. Prerequisites
//! are implied: `ip4.src == 10.0.0.1` makes an IPv4 packet.

mod build;
mod expand;
mod solve;

use packet::Flow;

use crate::{Constant, Diagnostic, Field, PortField};

/// The longest microflow that is read, in bytes.
pub const MAX_LENGTH: usize = 8 * 1024;

/// A packet, and where it enters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Microflow {
    /// The name of the logical port where the packet enters.
    pub inport: String,
    /// Its headers. The length is that of the headers: no MTU is ever exceeded.
    pub flow: Flow,
    /// Connection tracking state, with OVN's bits.
    pub ct_state: u32,
    /// The mark of its connection.
    pub ct_mark: u32,
    /// The label of its connection.
    pub ct_label: u128,
}

/// What the sets in a microflow hold. As an address or a port a set stands for one of its members, so that it
/// says something only if the rest leaves one.
pub trait Sets {
    /// The members of an address set; `None` if there is no such set.
    fn addresses(&self, set: &str) -> Option<Vec<Constant>>;
    /// The names of the ports of a port group; `None` if there is no such group.
    fn ports(&self, group: &str) -> Option<Vec<String>>;
}

/// No sets at all.
struct NoSets;

impl Sets for NoSets {
    fn addresses(&self, _: &str) -> Option<Vec<Constant>> {
        None
    }

    fn ports(&self, _: &str) -> Option<Vec<String>> {
        None
    }
}

/// Parses a microflow without sets; see [`parse_with`].
pub fn parse(source: &str) -> Result<Microflow, Diagnostic> {
    parse_with(source, &NoSets)
}

/// Parses a microflow. It is an error if it contradicts itself, leaves open what the packet is, or does not
/// say where the packet enters.
pub fn parse_with(source: &str, sets: &dyn Sets) -> Result<Microflow, Diagnostic> {
    if source.len() > MAX_LENGTH {
        let message = format!("microflow is longer than {MAX_LENGTH} bytes");
        return Err(Diagnostic::new(0..0, message));
    }
    let expression = crate::parse(source)?;
    let constraints = expand::expand(&expression, sets)?;
    let solution = solve::solve(constraints)?;
    let Some(inport) = solution.port(PortField::Inport) else {
        let end = source.trim_end().len();
        return Err(Diagnostic::new(
            end..end,
            "the microflow does not say where the packet enters",
        )
        .help("add && inport == \"PORT\""));
    };
    Ok(Microflow {
        inport: inport.to_owned(),
        flow: build::flow(&solution),
        ct_state: solution.value(Field::CtState) as u32,
        ct_mark: solution.value(Field::CtMark) as u32,
        ct_label: solution.value(Field::CtLabel),
    })
}
