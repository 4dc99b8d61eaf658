//! OVN's match expressions (`ovn-sb(5)`, "Logical_Flow", column `match`): parsed, type-checked, printed and
//! evaluated; and the microflows of `ovn-trace(8)`, which are expressions that describe one packet.
//!
//! An expression goes one way: `lexer` makes tokens of it, `syntax` a tree of those, `check` a typed
//! [`Match`] with the help of the `symbols`. From there it is evaluated ([`Match::matches`]), lowered for the compiled
//! tables ([`Match::lower`]), printed (`Display`) or solved ([`microflow`]). Whatever is wrong is a [`Diagnostic`] that says where.

mod check;
mod constant;
mod diagnostic;
mod evaluate;
mod field;
mod lexer;
mod matching;
pub mod microflow;
mod predicate;
mod print;
mod symbols;
mod syntax;

pub use constant::{Constant, Notation};
pub use diagnostic::{Diagnostic, Span};
pub use field::{Field, Packet, PortField};
pub use matching::{Bits, Element, Match, Relation, Test};
pub use predicate::{Condition, Members, Polarity, Predicate};
pub use symbols::{Level, SymbolId};

/// The longest expression that is read, in bytes.
pub const MAX_LENGTH: usize = 256 * 1024;
/// How deep parentheses may be nested; OVN's bound.
pub const MAX_DEPTH: usize = 100;

/// Parses and type-checks a match expression.
///
/// Names of address sets and port groups are not looked up: what they hold is asked when a packet is matched.
pub fn parse(source: &str) -> Result<Match, Diagnostic> {
    let syntax = syntax::parse(source)?;
    check::check(&syntax, symbols::all())
}
