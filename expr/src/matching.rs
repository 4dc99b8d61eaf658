//! The typed form of an expression.

use crate::Span;
use crate::constant::Constant;
use crate::symbols::SymbolId;

/// A match expression whose names and types are in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// Matches everything or nothing.
    Constant(bool),
    /// Compares a field.
    Test(Test),
    /// Matches on the node where the port resides.
    Resident(String),
    /// Matches what the inner one does not, prerequisites aside: see [`Match::matches`].
    Not(Box<Match>),
    /// Matches what all of them match; two or more, none of them `All`.
    All(Vec<Match>),
    /// Matches what any of them matches; two or more, none of them `Any`.
    Any(Vec<Match>),
}

/// A comparison of some bits of a field with a set of constants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// The field, subfield or predicate.
    pub symbol: SymbolId,
    /// Which of its bits; `None` for fields that hold a name.
    pub bits: Option<Bits>,
    /// How they are compared.
    pub relation: Relation,
    /// With what: the field is equal to one of them, or unequal to all. Other relations have one element.
    pub elements: Vec<Element>,
    /// Whether the elements were written in braces.
    pub in_braces: bool,
    /// Where the test stands in the source.
    pub span: Span,
}

/// A range of bits, the least significant being 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bits {
    /// The first bit.
    pub low: u32,
    /// The last bit.
    pub high: u32,
}

impl Bits {
    /// How many bits there are.
    pub fn width(self) -> u32 {
        self.high - self.low + 1
    }

    /// These bits of a value, as a number.
    pub fn of(self, value: u128) -> u128 {
        value >> self.low & self.ones()
    }

    /// A value of that many ones.
    pub fn ones(self) -> u128 {
        u128::MAX >> (u128::BITS - self.width())
    }
}

/// What a field is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Element {
    /// A number or address.
    Integer(Constant),
    /// The name of a port.
    Text(String),
    /// The addresses of `$name`.
    AddressSet(String),
    /// The ports of `@name`.
    PortGroup(String),
}

/// A relational operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Relation {
    /// `==`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Relation {
    /// Every relation.
    pub const ALL: [Relation; 6] = [
        Self::Equal,
        Self::Unequal,
        Self::Less,
        Self::LessOrEqual,
        Self::Greater,
        Self::GreaterOrEqual,
    ];

    /// How it is written.
    pub const fn mark(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// The relation with its sides exchanged.
    pub(crate) const fn turned(self) -> Relation {
        match self {
            Self::Equal | Self::Unequal => self,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }

    /// The relation that holds where this one does not.
    pub(crate) const fn negated(self) -> Relation {
        match self {
            Self::Equal => Self::Unequal,
            Self::Unequal => Self::Equal,
            Self::Less => Self::GreaterOrEqual,
            Self::LessOrEqual => Self::Greater,
            Self::Greater => Self::LessOrEqual,
            Self::GreaterOrEqual => Self::Less,
        }
    }

    /// True for `==` and `!=`.
    pub(crate) const fn is_equality(self) -> bool {
        matches!(self, Self::Equal | Self::Unequal)
    }

    /// Whether `x self field other y` is a range.
    pub(crate) const fn chains_with(self, other: Relation) -> bool {
        use Relation::*;
        matches!(
            (self, other),
            (Less | LessOrEqual, Less | LessOrEqual)
                | (Greater | GreaterOrEqual, Greater | GreaterOrEqual)
        )
    }
}

impl Match {
    /// The conjunction of some matches.
    pub(crate) fn all(operands: Vec<Match>) -> Match {
        Self::join(operands, Match::All, |operand| match operand {
            Match::All(inner) => Ok(inner),
            other => Err(other),
        })
    }

    /// The disjunction of some matches.
    pub(crate) fn any(operands: Vec<Match>) -> Match {
        Self::join(operands, Match::Any, |operand| match operand {
            Match::Any(inner) => Ok(inner),
            other => Err(other),
        })
    }

    /// Joins operands, those of operands of the same kind included.
    fn join(
        operands: Vec<Match>,
        whole: fn(Vec<Match>) -> Match,
        inner: fn(Match) -> Result<Vec<Match>, Match>,
    ) -> Match {
        let flatten = |operand| inner(operand).unwrap_or_else(|other| vec![other]);
        whole(operands.into_iter().flat_map(flatten).collect())
    }

    /// The test for any of the bits of a field.
    pub(crate) fn nonzero(symbol: SymbolId, bits: Bits, span: Span) -> Match {
        Match::Test(Test {
            symbol,
            bits: Some(bits),
            relation: Relation::Unequal,
            elements: vec![Element::Integer(Constant::decimal(0))],
            in_braces: false,
            span,
        })
    }

    /// The test for the one bit of a predicate or field.
    pub(crate) fn bare(symbol: SymbolId, bits: Bits, span: Span) -> Match {
        Match::Test(Test {
            symbol,
            bits: Some(bits),
            relation: Relation::Equal,
            elements: vec![Element::Integer(Constant::decimal(1))],
            in_braces: false,
            span,
        })
    }
}
