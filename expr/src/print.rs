//! Expressions as text, which parses to the same [`Match`] again.

use std::fmt;

use crate::{Bits, Element, Match, Relation, Test};

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Match::Constant(value) => write!(f, "{}", u8::from(*value)),
            Match::Test(test) => write!(f, "{test}"),
            Match::Resident(port) => {
                f.write_str("is_chassis_resident(")?;
                write_text(f, port)?;
                f.write_str(")")
            }
            Match::Not(inner) => match &**inner {
                Match::Constant(_) | Match::Resident(_) => write!(f, "!{inner}"),
                Match::Test(test) if test.is_bare() => write!(f, "!{test}"),
                _ => write!(f, "!({inner})"),
            },
            Match::All(operands) => write_joined(f, operands, " && "),
            Match::Any(operands) => write_joined(f, operands, " || "),
        }
    }
}

fn write_joined(f: &mut fmt::Formatter<'_>, operands: &[Match], join: &str) -> fmt::Result {
    for (index, operand) in operands.iter().enumerate() {
        if index > 0 {
            f.write_str(join)?;
        }
        match operand {
            Match::All(_) | Match::Any(_) => write!(f, "({operand})")?,
            _ => write!(f, "{operand}")?,
        }
    }
    Ok(())
}

impl Test {
    /// A test for one bit, which the name alone stands for.
    fn is_bare(&self) -> bool {
        let one = Element::Integer(crate::Constant::decimal(1));
        self.bits.is_some_and(|bits| bits.width() == 1)
            && self.relation == Relation::Equal
            && !self.in_braces
            && self.elements == [one]
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.symbol.name())?;
        if let Some(Bits { low, high }) = self.bits
            && self.symbol.symbol().width != Some(high + 1 - low)
        {
            match low == high {
                true => write!(f, "[{low}]")?,
                false => write!(f, "[{low}..{high}]")?,
            }
        }
        if self.is_bare() {
            return Ok(());
        }
        write!(f, " {} ", self.relation.mark())?;
        let (open, close) = if self.in_braces { ("{", "}") } else { ("", "") };
        f.write_str(open)?;
        for (index, element) in self.elements.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{element}")?;
        }
        f.write_str(close)
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Element::Integer(constant) => write!(f, "{constant}"),
            Element::Text(text) => write_text(f, text),
            Element::AddressSet(name) => write!(f, "${name}"),
            Element::PortGroup(name) => write!(f, "@{name}"),
        }
    }
}

/// A string as in JSON.
pub(crate) fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    write!(f, "{}", serde_json::Value::from(text))
}
