//! From what was written to a typed [`Match`]: names are looked up, and types, widths and levels of
//! measurement are checked by OVN's rules.

use crate::lexer::Kind;
use crate::symbols::{Level, Symbol, SymbolId, Symbols};
use crate::syntax::{Constants, Name, Syntax};
use crate::{Bits, Diagnostic, Element, Match, Relation, Span, Test};

/// Checks an expression against the symbols.
pub(crate) fn check(syntax: &Syntax, symbols: &Symbols) -> Result<Match, Diagnostic> {
    Checker { symbols }.check(syntax, false)
}

struct Checker<'a> {
    symbols: &'a Symbols,
}

/// A name that was found, with the bits that are compared.
struct Operand<'a> {
    id: SymbolId,
    symbol: &'a Symbol,
    bits: Option<Bits>,
    span: Span,
}

impl<'a> Checker<'a> {
    /// `is_negated`: an odd number of `!` encloses the expression.
    fn check(&self, syntax: &Syntax, is_negated: bool) -> Result<Match, Diagnostic> {
        let each = |operands: &[Syntax]| {
            operands
                .iter()
                .map(|operand| self.check(operand, is_negated))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(match syntax {
            Syntax::Boolean(value) => Match::Constant(*value),
            Syntax::Bare(name) => self.bare(name, is_negated)?,
            Syntax::Compare(name, relation, constants) => {
                self.compare(name, *relation, constants, is_negated)?
            }
            Syntax::Resident(port) => Match::Resident(port.clone()),
            Syntax::Not(inner) => Match::Not(Box::new(self.check(inner, !is_negated)?)),
            Syntax::All(operands) => Match::all(each(operands)?),
            Syntax::Any(operands) => Match::any(each(operands)?),
        })
    }

    fn operand(&self, name: &Name) -> Result<Operand<'a>, Diagnostic> {
        let Some((id, symbol)) = self.symbols.find(&name.name) else {
            return Err(self.unknown(name));
        };
        let bits = match (name.bits, symbol.width) {
            (None, None) => None,
            (None, Some(width)) => Some(Bits {
                low: 0,
                high: width - 1,
            }),
            (Some(_), None) => {
                let message = format!("`{}` holds a name, which has no bits", name.name);
                return Err(Diagnostic::new(name.span, message));
            }
            (Some(range), Some(width)) => Some(select(name, range, width, symbol.level)?),
        };
        Ok(Operand {
            id,
            symbol,
            bits,
            span: name.span,
        })
    }

    fn unknown(&self, name: &Name) -> Diagnostic {
        let diagnostic =
            Diagnostic::new(name.name_span, format!("there is no field `{}`", name.name));
        let similar = self.symbols.similar(&name.name).join(", ");
        if similar.is_empty() {
            return diagnostic;
        }
        diagnostic.help(format!("there is {similar}"))
    }

    /// A field that stands for itself: one bit for being 1, and, since OVN takes `!field` for `field == 0`, several
    /// under `!` for being anything else.
    fn bare(&self, name: &Name, is_negated: bool) -> Result<Match, Diagnostic> {
        let operand = self.operand(name)?;
        if let Some(bits) = operand.bits.filter(|bits| bits.width() > 1 && is_negated) {
            return Ok(Match::nonzero(operand.id, bits, name.span));
        }
        let Some(bits) = operand.bits.filter(|bits| bits.width() == 1) else {
            let message = format!("`{}` is not one bit and must be compared", name.name);
            let zero = if operand.bits.is_some() { "0" } else { "\"\"" };
            return Err(Diagnostic::new(name.span, message).help(format!(
                "write {} != {zero} to ask for any value",
                name.name
            )));
        };
        if is_negated && operand.symbol.is_nominal_predicate() {
            return Err(negated_predicate(&operand));
        }
        Ok(Match::bare(operand.id, bits, name.span))
    }

    fn compare(
        &self,
        name: &Name,
        relation: Relation,
        constants: &Constants,
        is_negated: bool,
    ) -> Result<Match, Diagnostic> {
        let operand = self.operand(name)?;
        let elements = constants
            .elements
            .iter()
            .map(|(kind, span)| check_element(&operand, kind, *span))
            .collect::<Result<Vec<_>, _>>()?;
        if !relation.is_equality() {
            check_order(&operand, relation, constants, &elements)?;
        }
        if operand.symbol.level == Level::Nominal {
            check_nominal(&operand, relation, &elements, is_negated)?;
        }
        let (first, last) = if name.span.start < constants.span.start {
            (name.span, constants.span)
        } else {
            (constants.span, name.span)
        };
        Ok(Match::Test(Test {
            symbol: operand.id,
            bits: operand.bits,
            relation,
            elements,
            in_braces: constants.in_braces,
            span: first.to(last),
        }))
    }
}

/// Bits out of a field, which must have them.
fn select(
    name: &Name,
    (low, high): (u64, u64),
    width: u32,
    level: Level,
) -> Result<Bits, Diagnostic> {
    let fail = |message| Err(Diagnostic::new(name.span, message));
    if low > high {
        return fail(format!("bits {low}..{high} are in the wrong order"));
    }
    let bits = Bits {
        low: u32::try_from(low).unwrap_or(u32::MAX),
        high: u32::try_from(high).unwrap_or(u32::MAX),
    };
    if bits.high >= width {
        return fail(format!(
            "`{}` has {width} bits, the last is {}",
            name.name,
            width - 1
        ));
    }
    if level == Level::Nominal && bits.width() != width {
        return fail(format!(
            "the bits of nominal field `{}` cannot be examined",
            name.name
        ));
    }
    Ok(bits)
}

/// A constant must be of the field's type and fit in the bits that it is compared with. (OVN only asks that it
/// fits in the whole field, and cuts off what the selected bits do not hold.)
fn check_element(operand: &Operand<'_>, kind: &Kind, span: Span) -> Result<Element, Diagnostic> {
    let name = operand.symbol.name;
    match (kind, operand.bits) {
        (Kind::Integer(constant), Some(bits)) if constant.width() > bits.width() => {
            let message = format!(
                "the constant has {} bits, more than the {} of `{name}`",
                constant.width(),
                bits.width()
            );
            Err(Diagnostic::new(span, message))
        }
        (Kind::Integer(constant), Some(_)) => Ok(Element::Integer(*constant)),
        (Kind::AddressSet(set), Some(_)) => Ok(Element::AddressSet(set.clone())),
        (Kind::Text(text), None) => Ok(Element::Text(text.clone())),
        (Kind::PortGroup(group), None) => Ok(Element::PortGroup(group.clone())),
        (_, Some(_)) => {
            let message = format!("`{name}` holds an integer, not a name");
            Err(Diagnostic::new(span, message))
        }
        (_, None) => {
            let message = format!("`{name}` holds a name, not an integer");
            Err(Diagnostic::new(span, message).help("names of ports stand in double quotes"))
        }
    }
}

/// `<` and the like need an ordinal field and one constant without a mask.
fn check_order(
    operand: &Operand<'_>,
    relation: Relation,
    constants: &Constants,
    elements: &[Element],
) -> Result<(), Diagnostic> {
    let mark = relation.mark();
    let level = match operand.symbol.level {
        Level::Ordinal => None,
        Level::Nominal => Some("nominal field"),
        Level::Boolean => Some("predicate"),
    };
    if let Some(level) = level {
        let message = format!(
            "`{mark}` cannot be used with {level} `{}`",
            operand.symbol.name
        );
        return Err(Diagnostic::new(operand.span, message).help("use == or !="));
    }
    match elements {
        [Element::Integer(constant)] if !constants.in_braces => match constant.mask {
            None => Ok(()),
            Some(_) => {
                let message = format!("`{mark}` cannot be used with a masked constant");
                Err(Diagnostic::new(constants.span, message).help(
                    "compare some bits of the field instead, such as eth.src[0..15] > 0x1111",
                ))
            }
        },
        _ => {
            let message = format!("`{mark}` cannot be used with a set of values");
            Err(Diagnostic::new(constants.span, message).help("use == or !="))
        }
    }
}

/// What is nominal may only be tested for being something, taking all enclosing `!` into account.
fn check_nominal(
    operand: &Operand<'_>,
    relation: Relation,
    elements: &[Element],
    is_negated: bool,
) -> Result<(), Diagnostic> {
    let is_positive = (relation == Relation::Equal) != is_negated;
    if operand.symbol.is_nominal_predicate() {
        let is_one = |element: &Element| matches!(element, Element::Integer(constant) if constant.value & 1 == 1);
        if elements
            .iter()
            .any(|element| is_one(element) != is_positive)
        {
            return Err(negated_predicate(operand));
        }
        return Ok(());
    }
    if is_positive {
        return Ok(());
    }
    let message = format!(
        "nominal field `{}` may only be tested for equality, taking enclosing `!` into account",
        operand.symbol.name
    );
    Err(Diagnostic::new(operand.span, message))
}

fn negated_predicate(operand: &Operand<'_>) -> Diagnostic {
    let name = operand.symbol.name;
    let message = format!("nominal predicate `{name}` may only be tested positively");
    Diagnostic::new(operand.span, message).help(format!(
        "write {name} or {name} == 1, but not !{name} or {name} == 0"
    ))
}
