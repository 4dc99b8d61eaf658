//! From a [`Match`] to constraints on fields: predicates and prerequisites are written out, and `!` is
//! pushed down to the comparisons.

use super::Sets;
use crate::symbols::Meaning;
use crate::{Bits, Diagnostic, Element, Field, Match, PortField, Relation, Span, Test};

/// What must hold.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Constraint {
    All(Vec<Constraint>),
    /// At least one must hold. None of none does.
    Any(Vec<Constraint>, Span),
    /// The bits of a field under the mask have this value.
    Bits {
        field: Field,
        value: u128,
        mask: u128,
        span: Span,
    },
    /// Some bits of a field compare otherwise: not equal under a mask, or in some order.
    Compare {
        field: Field,
        bits: Bits,
        relation: Relation,
        value: u128,
        mask: u128,
        span: Span,
    },
    /// A port field holds this name, or another.
    Port {
        field: PortField,
        name: String,
        is_equal: bool,
        span: Span,
    },
}

/// Writes out an expression, with the members of sets in their place.
pub(super) fn expand(expression: &Match, sets: &dyn Sets) -> Result<Constraint, Diagnostic> {
    expand_as(expression, true, sets)
}

fn expand_as(expression: &Match, wanted: bool, sets: &dyn Sets) -> Result<Constraint, Diagnostic> {
    let each = |operands: &[Match]| {
        operands
            .iter()
            .map(|operand| expand_as(operand, wanted, sets))
            .collect::<Result<Vec<_>, _>>()
    };
    Ok(match expression {
        Match::Constant(value) => boolean(*value == wanted, Span::default()),
        // Whatever is asked of a node is true: a microflow is traced on all of them.
        Match::Resident(_) => boolean(wanted, Span::default()),
        Match::Not(inner) => expand_as(inner, !wanted, sets)?,
        Match::All(operands) | Match::Any(operands) => {
            let constraints = each(operands)?;
            if matches!(expression, Match::All(_)) == wanted {
                Constraint::All(constraints)
            } else {
                let span = span(expression);
                Constraint::Any(constraints, span)
            }
        }
        Match::Test(test) => expand_test(test, wanted, sets)?,
    })
}

fn boolean(value: bool, span: Span) -> Constraint {
    if value {
        Constraint::All(Vec::new())
    } else {
        Constraint::Any(Vec::new(), span)
    }
}

/// From the first test of an expression to the last.
fn span(expression: &Match) -> Span {
    match expression {
        Match::Test(test) => test.span,
        Match::Not(inner) => span(inner),
        Match::Constant(_) | Match::Resident(_) => Span::default(),
        Match::All(operands) | Match::Any(operands) => match operands.as_slice() {
            [first, .., last] => span(first).to(span(last)),
            _ => Span::default(),
        },
    }
}

fn expand_test(test: &Test, wanted: bool, sets: &dyn Sets) -> Result<Constraint, Diagnostic> {
    let symbol = test.symbol.symbol();
    let relation = if wanted {
        test.relation
    } else {
        test.relation.negated()
    };
    let compared = elements(test, sets)?
        .iter()
        .map(|element| expand_element(test, relation, element, sets))
        .collect::<Result<Vec<_>, _>>()?;
    let mut constraints = match &symbol.prerequisites {
        Some(needed) => vec![relocate(expand_as(needed, true, sets)?, test.span)],
        None => Vec::new(),
    };
    constraints.push(match relation {
        Relation::Unequal => Constraint::All(compared),
        _ => Constraint::Any(compared, test.span),
    });
    Ok(Constraint::All(constraints))
}

/// What a field is compared with, with the members of sets that fit it in their place.
fn elements(test: &Test, sets: &dyn Sets) -> Result<Vec<Element>, Diagnostic> {
    let width = test.bits.map_or(0, Bits::width);
    let mut elements = Vec::new();
    for element in &test.elements {
        let unknown = || Diagnostic::new(test.span, format!("there is no set {element}"));
        match element {
            Element::AddressSet(set) => {
                let members = sets.addresses(set).ok_or_else(unknown)?.into_iter();
                let fitting = members.filter(|member| member.width() <= width);
                elements.extend(fitting.map(Element::Integer));
            }
            Element::PortGroup(group) => {
                let members = sets.ports(group).ok_or_else(unknown)?;
                elements.extend(members.into_iter().map(Element::Text));
            }
            other => elements.push(other.clone()),
        }
    }
    Ok(elements)
}

fn expand_element(
    test: &Test,
    relation: Relation,
    element: &Element,
    sets: &dyn Sets,
) -> Result<Constraint, Diagnostic> {
    let symbol = test.symbol.symbol();
    let is_equal = relation == Relation::Equal;
    let span = test.span;
    match (&symbol.meaning, element) {
        (Meaning::Port(field), Element::Text(name)) => Ok(Constraint::Port {
            field: *field,
            name: name.clone(),
            is_equal,
            span,
        }),
        (Meaning::Predicate(expansion), Element::Integer(constant)) => {
            let is_one = constant.value & 1 == 1;
            let expansion = expand_as(expansion, is_one == is_equal, sets)?;
            Ok(relocate(expansion, span))
        }
        (Meaning::Field(field, part), Element::Integer(constant)) => {
            let bits = test.bits.unwrap_or(Bits { low: 0, high: 0 });
            let low = part.low + bits.low;
            let bits = Bits {
                low,
                high: low + bits.width() - 1,
            };
            let mask = constant.mask.unwrap_or(bits.ones());
            Ok(compare(
                *field,
                bits,
                relation,
                constant.value & mask,
                mask,
                span,
            ))
        }
        _ => {
            let message = format!("{element} cannot be compared with `{}`", symbol.name);
            Err(Diagnostic::new(span, message))
        }
    }
}

/// A comparison of bits with a value and a mask that count from the first of those bits.
fn compare(
    field: Field,
    bits: Bits,
    relation: Relation,
    value: u128,
    mask: u128,
    span: Span,
) -> Constraint {
    let (in_field, field_mask) = (value << bits.low, mask << bits.low);
    match relation {
        Relation::Equal => Constraint::Bits {
            field,
            value: in_field,
            mask: field_mask,
            span,
        },
        Relation::Unequal if mask.count_ones() == 1 => Constraint::Bits {
            field,
            value: in_field ^ field_mask,
            mask: field_mask,
            span,
        },
        relation => Constraint::Compare {
            field,
            bits,
            relation,
            value,
            mask,
            span,
        },
    }
}

/// The same constraint, said to stand where the symbol that implies it stands.
fn relocate(constraint: Constraint, at: Span) -> Constraint {
    let all = |inner: Vec<Constraint>| inner.into_iter().map(|one| relocate(one, at)).collect();
    let mut constraint = constraint;
    match &mut constraint {
        Constraint::All(inner) => *inner = all(std::mem::take(inner)),
        Constraint::Any(inner, span) => {
            *inner = all(std::mem::take(inner));
            *span = at;
        }
        Constraint::Bits { span, .. }
        | Constraint::Compare { span, .. }
        | Constraint::Port { span, .. } => *span = at,
    }
    constraint
}
