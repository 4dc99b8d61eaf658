//! From tokens to a tree that says what was written, before names and types are looked at.
//!
//! `&&` and `||` have no precedence over each other: where both stand, parentheses are required. So there is
//! nothing for an operator-precedence parser to decide, and the grammar is read top down.

use crate::constant::Constant;
use crate::lexer::{Kind, Token, tokenize};
use crate::{Diagnostic, MAX_DEPTH, Relation, Span};

/// A Boolean expression.
#[derive(Clone, Debug)]
pub(crate) enum Syntax {
    /// `0` or `1`.
    Boolean(bool),
    /// A field that stands for itself.
    Bare(Name),
    /// `field relation constants`, with the field on the left.
    Compare(Name, Relation, Constants),
    /// `is_chassis_resident("port")`.
    Resident(String),
    Not(Box<Syntax>),
    All(Vec<Syntax>),
    Any(Vec<Syntax>),
}

/// A field, and which bits of it.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) name: String,
    pub(crate) name_span: Span,
    /// First and last bit.
    pub(crate) bits: Option<(u64, u64)>,
    pub(crate) span: Span,
}

/// One constant, or several in braces.
#[derive(Clone, Debug)]
pub(crate) struct Constants {
    pub(crate) elements: Vec<(Kind, Span)>,
    pub(crate) in_braces: bool,
    pub(crate) span: Span,
}

/// Parses a whole expression.
pub(crate) fn parse(source: &str) -> Result<Syntax, Diagnostic> {
    let tokens = tokenize(source)?;
    let mut parser = Parser {
        tokens: &tokens,
        next: 0,
        depth: 0,
    };
    let syntax = parser.expression()?;
    match parser.kind() {
        Kind::End => Ok(syntax),
        _ => Err(parser.expected("`&&`, `||` or the end of the expression")),
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    next: usize,
    depth: usize,
}

impl Parser<'_> {
    /// The next token; the last one, which is the end, is never passed.
    fn token(&self) -> &Token {
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn kind(&self) -> &Kind {
        &self.token().kind
    }

    fn advance(&mut self) -> Token {
        let token = self.token().clone();
        self.next += 1;
        token
    }

    fn is_mark(&self, mark: &str) -> bool {
        matches!(self.kind(), Kind::Mark(found) if *found == mark)
    }

    fn accept(&mut self, mark: &str) -> bool {
        let is_next = self.is_mark(mark);
        self.next += usize::from(is_next);
        is_next
    }

    fn require(&mut self, mark: &str) -> Result<Span, Diagnostic> {
        if self.is_mark(mark) {
            return Ok(self.advance().span);
        }
        Err(self.expected(&format!("`{mark}`")))
    }

    fn expected(&self, what: &str) -> Diagnostic {
        let token = self.token();
        Diagnostic::new(token.span, format!("expected {what}, found {}", token.kind))
    }

    /// Operands joined by `&&` alone or by `||` alone.
    fn expression(&mut self) -> Result<Syntax, Diagnostic> {
        let first = self.operand()?;
        let (join, other): (fn(Vec<Syntax>) -> Syntax, _) = match self.kind() {
            Kind::Mark("&&") => (Syntax::All, "||"),
            Kind::Mark("||") => (Syntax::Any, "&&"),
            _ => return Ok(first),
        };
        let operator = if other == "||" { "&&" } else { "||" };
        let mut operands = vec![first];
        while self.accept(operator) {
            operands.push(self.operand()?);
        }
        if self.is_mark(other) {
            let message = "`&&` and `||` must be parenthesized when used together";
            return Err(Diagnostic::new(self.token().span, message)
                .help("write (a && b) || c or a && (b || c)"));
        }
        Ok(join(operands))
    }

    /// An operand of `&&` and `||`: `!` and something atomic, or something.
    fn operand(&mut self) -> Result<Syntax, Diagnostic> {
        if !self.is_mark("!") {
            return Ok(self.primary()?.0);
        }
        self.advance();
        let start = self.token().span;
        let (operand, is_atomic) = self.primary()?;
        if !is_atomic {
            let message = "missing parentheses around the operand of `!`";
            let end = self.tokens[self.next - 1].span;
            return Err(Diagnostic::new(start.to(end), message).help("write !(...)"));
        }
        Ok(Syntax::Not(Box::new(operand)))
    }

    /// The smallest expressions, and whether they may follow `!`.
    fn primary(&mut self) -> Result<(Syntax, bool), Diagnostic> {
        match self.kind() {
            Kind::Mark("(") => Ok((self.parenthesized()?, true)),
            Kind::Identifier(name) if name == "is_chassis_resident" => Ok((self.resident()?, true)),
            Kind::Identifier(_) => self.field_first(),
            _ => self.constants_first(),
        }
    }

    fn parenthesized(&mut self) -> Result<Syntax, Diagnostic> {
        let open = self.require("(")?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Diagnostic::new(open, "parentheses are nested too deeply"));
        }
        let inside = self.expression()?;
        self.depth -= 1;
        self.require(")")?;
        Ok(inside)
    }

    fn resident(&mut self) -> Result<Syntax, Diagnostic> {
        self.advance();
        self.require("(")?;
        let Kind::Text(port) = self.kind().clone() else {
            return Err(self.expected("the name of a port as a string"));
        };
        self.advance();
        self.require(")")?;
        Ok(Syntax::Resident(port))
    }

    /// `field` or `field relation constants`.
    fn field_first(&mut self) -> Result<(Syntax, bool), Diagnostic> {
        let name = self.name()?;
        let Some(relation) = self.relation() else {
            return Ok((Syntax::Bare(name), true));
        };
        let constants = self.constants()?;
        Ok((Syntax::Compare(name, relation, constants), false))
    }

    /// `0`, `1`, `constants relation field` or `constant < field < constant`.
    fn constants_first(&mut self) -> Result<(Syntax, bool), Diagnostic> {
        let low = self.constants()?;
        let Some(first) = self.relation() else {
            return match as_boolean(&low) {
                Some(value) => Ok((Syntax::Boolean(value), true)),
                None => Err(self.expected("a relational operator")),
            };
        };
        let name = self.name()?;
        let below = Syntax::Compare(name.clone(), first.turned(), low);
        let operator = self.token().span;
        let Some(second) = self.relation() else {
            return Ok((below, false));
        };
        if !first.chains_with(second) {
            let message = "a range must have the form `x < field < y` or `x > field > y`";
            return Err(Diagnostic::new(operator, message)
                .help("`<=` may stand in place of `<`, and `>=` in place of `>`"));
        }
        let above = Syntax::Compare(name, second, self.constants()?);
        Ok((Syntax::All(vec![below, above]), false))
    }

    fn relation(&mut self) -> Option<Relation> {
        let Kind::Mark(mark) = self.kind() else {
            return None;
        };
        let relation = Relation::ALL
            .into_iter()
            .find(|relation| relation.mark() == *mark)?;
        self.advance();
        Some(relation)
    }

    /// A field name, with the bits in brackets.
    fn name(&mut self) -> Result<Name, Diagnostic> {
        let Kind::Identifier(name) = self.kind().clone() else {
            return Err(self.expected("the name of a field"));
        };
        let name_span = self.advance().span;
        let mut parsed = Name {
            name,
            name_span,
            bits: None,
            span: name_span,
        };
        if self.accept("[") {
            let low = self.bit()?;
            let high = if self.accept("..") { self.bit()? } else { low };
            parsed.bits = Some((low, high));
            parsed.span = name_span.to(self.require("]")?);
        }
        Ok(parsed)
    }

    fn bit(&mut self) -> Result<u64, Diagnostic> {
        let bit = match self.kind() {
            Kind::Integer(constant) if *constant == Constant::decimal(constant.value) => {
                u64::try_from(constant.value).ok()
            }
            _ => None,
        };
        let bit = bit.ok_or_else(|| self.expected("the number of a bit"))?;
        self.advance();
        Ok(bit)
    }

    /// A constant, or several in braces; commas between them are optional.
    fn constants(&mut self) -> Result<Constants, Diagnostic> {
        let start = self.token().span;
        let in_braces = self.accept("{");
        let first = self.constant()?;
        let mut end = first.1;
        let mut elements = vec![first];
        if in_braces {
            end = self.rest_of_set(&mut elements)?;
        }
        Ok(Constants {
            elements,
            in_braces,
            span: start.to(end),
        })
    }

    /// What follows the first element of a set, up to the closing brace, which it returns.
    fn rest_of_set(&mut self, elements: &mut Vec<(Kind, Span)>) -> Result<Span, Diagnostic> {
        loop {
            self.accept(",");
            if self.is_mark("}") {
                return Ok(self.advance().span);
            }
            elements.push(self.constant()?);
        }
    }

    fn constant(&mut self) -> Result<(Kind, Span), Diagnostic> {
        match self.kind() {
            Kind::Integer(_) | Kind::Text(_) | Kind::AddressSet(_) | Kind::PortGroup(_) => {
                let token = self.advance();
                Ok((token.kind, token.span))
            }
            _ if self.next == 0 => Err(self.expected("a field or a constant")),
            _ => Err(self.expected("a constant")),
        }
    }
}

/// `0` and `1` stand for themselves where no relation follows.
fn as_boolean(constants: &Constants) -> Option<bool> {
    match constants.elements.as_slice() {
        [(Kind::Integer(constant), _)] if !constants.in_braces => {
            let boolean = |value| *constant == Constant::decimal(value);
            (boolean(0) || boolean(1)).then(|| boolean(1))
        }
        _ => None,
    }
}
