//! Solves constraints by propagation: what is certain is noted, alternatives that contradict it fall away,
//! and an alternative that is the last of its kind becomes certain. Where that does not suffice, alternatives
//! are tried out, and those that lead to a contradiction fall away too.

use std::collections::BTreeMap;

use super::expand::Constraint;
use crate::evaluate::is_ordered;
use crate::{Diagnostic, Field, PortField, Relation, Span};

/// How often an alternative is tried out before a microflow counts as ambiguous.
const MAX_TRIALS: usize = 256;

/// What is known of the packet.
#[derive(Clone, Debug, Default)]
pub(super) struct Solution {
    /// Value and the bits of it that are known.
    fields: BTreeMap<Field, (u128, u128)>,
    ports: BTreeMap<PortField, String>,
}

/// What the known says of a constraint.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Holds,
    Fails,
    Open,
}

impl Solution {
    /// The value of a field; bits that nothing is said of are zero.
    pub(super) fn value(&self, field: Field) -> u128 {
        self.fields.get(&field).map_or(0, |(value, _)| *value)
    }

    /// Whether anything is said of a field.
    pub(super) fn is_known(&self, field: Field) -> bool {
        self.fields.contains_key(&field)
    }

    /// The name that a port field holds.
    pub(super) fn port(&self, field: PortField) -> Option<&str> {
        self.ports.get(&field).map(String::as_str)
    }

    fn known(&self, field: Field) -> (u128, u128) {
        self.fields.get(&field).copied().unwrap_or_default()
    }

    fn standing(&self, constraint: &Constraint) -> Standing {
        match constraint {
            Constraint::All(inner) => self.standing_of(inner, Standing::Fails, Standing::Holds),
            Constraint::Any(inner, _) => self.standing_of(inner, Standing::Holds, Standing::Fails),
            Constraint::Bits {
                field, value, mask, ..
            } => {
                let (known, known_mask) = self.known(*field);
                if (known ^ value) & mask & known_mask != 0 {
                    Standing::Fails
                } else if mask & !known_mask == 0 {
                    Standing::Holds
                } else {
                    Standing::Open
                }
            }
            Constraint::Compare {
                field,
                bits,
                relation,
                value,
                mask,
                ..
            } => {
                let (known, known_mask) = self.known(*field);
                let (known, known_mask) = (known >> bits.low, known_mask >> bits.low);
                if *relation == Relation::Unequal && (known ^ value) & mask & known_mask != 0 {
                    Standing::Holds
                } else if mask & !known_mask != 0 {
                    Standing::Open
                } else {
                    Standing::of(is_ordered(known & mask, *relation, *value))
                }
            }
            Constraint::Port {
                field,
                name,
                is_equal,
                ..
            } => match self.port(*field) {
                Some(known) => Standing::of((known == name) == *is_equal),
                None => Standing::Open,
            },
        }
    }

    /// `decisive` if any has that standing, else `otherwise` if all have that one.
    fn standing_of(
        &self,
        inner: &[Constraint],
        decisive: Standing,
        otherwise: Standing,
    ) -> Standing {
        let mut result = otherwise;
        for constraint in inner {
            let standing = self.standing(constraint);
            if standing == decisive {
                return decisive;
            }
            if standing == Standing::Open {
                result = Standing::Open;
            }
        }
        result
    }

    /// Notes what is certain from now on. Other constraints come back, reduced to what is still open.
    fn assert(&mut self, constraint: Constraint) -> Option<Constraint> {
        match constraint {
            Constraint::Bits {
                field, value, mask, ..
            } => {
                let known = self.fields.entry(field).or_default();
                *known = (known.0 | value, known.1 | mask);
                None
            }
            Constraint::Port {
                field,
                name,
                is_equal: true,
                ..
            } => {
                self.ports.insert(field, name);
                None
            }
            Constraint::Any(mut inner, span) => {
                inner.retain(|one| self.standing(one) != Standing::Fails);
                inner.dedup();
                match inner.len() {
                    1 => inner.pop(),
                    _ => Some(Constraint::Any(inner, span)),
                }
            }
            other => Some(other),
        }
    }
}

impl Standing {
    fn of(holds: bool) -> Standing {
        if holds {
            Standing::Holds
        } else {
            Standing::Fails
        }
    }
}

/// Finds the packet that a constraint describes.
pub(super) fn solve(constraint: Constraint) -> Result<Solution, Diagnostic> {
    let mut solution = Solution::default();
    let mut open = propagate(&mut solution, vec![constraint])?;
    let mut trials_left = MAX_TRIALS;
    while !open.is_empty() {
        if !rule_out(&solution, &mut open, &mut trials_left) {
            return Err(ambiguous(&open));
        }
        open = propagate(&mut solution, open)?;
    }
    Ok(solution)
}

/// Notes what is certain until nothing more becomes so, and returns what is still open.
fn propagate(
    solution: &mut Solution,
    mut open: Vec<Constraint>,
) -> Result<Vec<Constraint>, Diagnostic> {
    loop {
        let (mut waiting, mut has_progressed) = (Vec::new(), false);
        for constraint in open {
            has_progressed |= settle(solution, constraint, &mut waiting)?;
        }
        open = waiting;
        if !has_progressed {
            return Ok(open);
        }
    }
}

/// Takes away one alternative that would contradict the rest if it were chosen. False if there is none.
fn rule_out(solution: &Solution, open: &mut [Constraint], trials_left: &mut usize) -> bool {
    for index in 0..open.len() {
        let Constraint::Any(alternatives, _) = &open[index] else {
            continue;
        };
        for chosen in 0..alternatives.len() {
            if *trials_left == 0 {
                return false;
            }
            *trials_left -= 1;
            let mut trial = open.to_vec();
            trial[index] = alternatives[chosen].clone();
            if propagate(&mut solution.clone(), trial).is_err() {
                if let Constraint::Any(alternatives, _) = &mut open[index] {
                    alternatives.remove(chosen);
                }
                return true;
            }
        }
    }
    false
}

/// Deals with one constraint as far as the known allows; what remains is left in `waiting`.
fn settle(
    solution: &mut Solution,
    constraint: Constraint,
    waiting: &mut Vec<Constraint>,
) -> Result<bool, Diagnostic> {
    let mut todo = vec![constraint];
    let mut has_progressed = false;
    while let Some(constraint) = todo.pop() {
        match solution.standing(&constraint) {
            Standing::Holds => has_progressed = true,
            Standing::Fails => return Err(contradiction(&constraint, solution)),
            Standing::Open => match constraint {
                Constraint::All(inner) => {
                    has_progressed = true;
                    todo.extend(inner.into_iter().rev());
                }
                Constraint::Any(..) => match solution.assert(constraint) {
                    Some(rest @ Constraint::Any(..)) => waiting.push(rest),
                    Some(last) => {
                        has_progressed = true;
                        todo.push(last);
                    }
                    None => has_progressed = true,
                },
                other => match solution.assert(other) {
                    Some(rest) => waiting.push(rest),
                    None => has_progressed = true,
                },
            },
        }
    }
    Ok(has_progressed)
}

fn contradiction(constraint: &Constraint, solution: &Solution) -> Diagnostic {
    // Of several constraints that must all hold, the one that fails is to blame.
    if let Constraint::All(inner) = constraint
        && let Some(failing) = inner
            .iter()
            .find(|one| solution.standing(one) == Standing::Fails)
    {
        return contradiction(failing, solution);
    }
    Diagnostic::new(
        span(constraint),
        "this contradicts the rest of the microflow",
    )
}

fn ambiguous(open: &[Constraint]) -> Diagnostic {
    let at = open.first().map(span).unwrap_or_default();
    Diagnostic::new(at, "this leaves open which packet is meant")
        .help("give each field one value; add ip4 or ip6 where the IP version is open")
}

fn span(constraint: &Constraint) -> Span {
    match constraint {
        Constraint::All(inner) => inner.first().map(span).unwrap_or_default(),
        Constraint::Any(_, span)
        | Constraint::Bits { span, .. }
        | Constraint::Compare { span, .. }
        | Constraint::Port { span, .. } => *span,
    }
}
