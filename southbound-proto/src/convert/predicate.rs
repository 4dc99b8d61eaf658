//! `Predicate`: a tree on one side, the list of its nodes on the other.

use expr::{Polarity, Predicate};

use super::error::{At, Problem, WireError, required};
use crate::southbound as wire;
use wire::predicate_node::Node;

/// How deep a predicate may be: what [`expr::parse`] accepts, with what lowering adds to it.
const MAX_DEPTH: usize = 2 * expr::MAX_DEPTH;

/// How many operands a conjunction or disjunction has at least.
const LEAST_OPERANDS: u32 = 2;

impl From<&Predicate> for wire::Predicate {
    fn from(predicate: &Predicate) -> Self {
        let mut nodes = Vec::new();
        let mut waiting = vec![predicate];
        while let Some(next) = waiting.pop() {
            nodes.push(node_to_wire(next));
            if let Predicate::All(operands) | Predicate::Any(operands) = next {
                waiting.extend(operands.iter().rev());
            }
        }
        Self { nodes }
    }
}

fn node_to_wire(predicate: &Predicate) -> wire::PredicateNode {
    let (node, fails) = match predicate {
        Predicate::Constant(value) => (Node::Constant(*value), false),
        Predicate::All(operands) => (Node::All(operands.len() as u32), false),
        Predicate::Any(operands) => (Node::Any(operands.len() as u32), false),
        Predicate::Test(condition, polarity) => (condition.into(), *polarity == Polarity::Fails),
    };
    let node = Some(node);
    wire::PredicateNode { node, fails }
}

impl TryFrom<&wire::Predicate> for Predicate {
    type Error = WireError;

    fn try_from(predicate: &wire::Predicate) -> Result<Self, WireError> {
        let mut reader = Reader::default();
        for (index, node) in predicate.nodes.iter().enumerate() {
            reader.read(node).at_index("nodes", index)?;
        }
        reader.finish().at("nodes")
    }
}

/// Puts the tree together, a node at a time.
#[derive(Default)]
struct Reader {
    /// The conjunctions and disjunctions that still lack operands, the outermost first.
    open: Vec<Open>,
    /// The whole, once it is complete.
    whole: Option<Predicate>,
}

/// A conjunction or disjunction that still lacks operands.
struct Open {
    is_all: bool,
    operands: Vec<Predicate>,
    missing: u32,
}

impl Reader {
    fn read(&mut self, node: &wire::PredicateNode) -> Result<(), WireError> {
        if self.whole.is_some() {
            return Err(Problem::Contradiction("belongs to no predicate").at("node"));
        }
        match required(&node.node, "node")? {
            Node::Constant(value) => self.complete(Predicate::Constant(*value)),
            Node::All(count) => self.open(true, *count).at("all")?,
            Node::Any(count) => self.open(false, *count).at("any")?,
            condition => {
                let polarity = match node.fails {
                    true => Polarity::Fails,
                    false => Polarity::Holds,
                };
                self.complete(Predicate::Test(condition.try_into()?, polarity));
            }
        }
        Ok(())
    }

    fn open(&mut self, is_all: bool, count: u32) -> Result<(), Problem> {
        if count < LEAST_OPERANDS {
            return Err(Problem::Range {
                value: count,
                low: LEAST_OPERANDS,
                high: u32::MAX,
            });
        }
        if self.open.len() == MAX_DEPTH {
            return Err(Problem::Contradiction("is nested too deeply"));
        }
        self.open.push(Open {
            is_all,
            operands: Vec::new(),
            missing: count,
        });
        Ok(())
    }

    /// Gives a predicate to the innermost that lacks one; that may complete it, and so on.
    fn complete(&mut self, mut predicate: Predicate) {
        while let Some(mut open) = self.open.pop() {
            open.operands.push(predicate);
            open.missing -= 1;
            if open.missing > 0 {
                return self.open.push(open);
            }
            predicate = match open.is_all {
                true => Predicate::All(open.operands),
                false => Predicate::Any(open.operands),
            };
        }
        self.whole = Some(predicate);
    }

    fn finish(self) -> Result<Predicate, Problem> {
        self.whole.ok_or(Problem::Missing)
    }
}
