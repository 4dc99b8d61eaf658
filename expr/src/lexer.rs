//! From text to tokens.

use std::fmt;
use std::net::IpAddr;

use winnow::combinator::peek;
use winnow::prelude::*;
use winnow::stream::{AsChar, LocatingSlice, Location, Stream};
use winnow::token::{any, literal, take_while};

use crate::constant::Constant;
use crate::{Diagnostic, MAX_LENGTH, Span};

/// A token and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Identifier(String),
    Text(String),
    Integer(Constant),
    AddressSet(String),
    PortGroup(String),
    /// One of [`PUNCTUATION`].
    Mark(&'static str),
    End,
}

/// Operators and brackets, each before those that start with it.
const PUNCTUATION: [&str; 17] = [
    "&&", "||", "==", "!=", "<=", ">=", "..", "<", ">", "!", "(", ")", "{", "}", "[", "]", ",",
];

type Input<'a> = LocatingSlice<&'a str>;
type Lexed<T> = Result<T, Diagnostic>;

/// All tokens of an expression, the last of them [`Kind::End`].
pub(crate) fn tokenize(source: &str) -> Lexed<Vec<Token>> {
    if source.len() > MAX_LENGTH {
        let message = format!("expression is longer than {MAX_LENGTH} bytes");
        return Err(Diagnostic::new(0..0, message));
    }
    let mut input = LocatingSlice::new(source);
    let mut tokens = Vec::new();
    loop {
        skip(&mut input)?;
        let start = input.current_token_start();
        let kind = token(&mut input)?;
        let is_end = kind == Kind::End;
        let span = Span::from(start..input.current_token_start());
        tokens.push(Token { kind, span });
        if is_end {
            return Ok(tokens);
        }
    }
}

/// Passes over white space and comments.
fn skip(input: &mut Input<'_>) -> Lexed<()> {
    loop {
        let start = input.current_token_start();
        run(
            input,
            take_while(0.., |c: char| c.is_ascii_whitespace() || c == '\x0b'),
        );
        if accept(input, "//") {
            run(input, take_while(0.., |c| c != '\n'));
        } else if accept(input, "/*") {
            let rest: &str = input.as_ref();
            let line = rest.split('\n').next().unwrap_or_default();
            let Some(length) = line.find("*/") else {
                let end = input.current_token_start();
                let span = end - 2..end;
                return Err(Diagnostic::new(span, "`/*` without `*/` on the same line"));
            };
            input.next_slice(length + 2);
        } else if input.current_token_start() == start {
            return Ok(());
        }
    }
}

/// Runs a parser that takes what it finds, be it nothing.
fn run<'a, T: Default>(input: &mut Input<'a>, mut parser: impl Parser<Input<'a>, T, ()>) -> T {
    parser.parse_next(input).unwrap_or_default()
}

fn accept(input: &mut Input<'_>, mark: &'static str) -> bool {
    literal::<_, Input<'_>, ()>(mark).parse_next(input).is_ok()
}

fn token(input: &mut Input<'_>) -> Lexed<Kind> {
    let Ok(first) = peek(any::<Input<'_>, ()>).parse_next(input) else {
        return Ok(Kind::End);
    };
    let rest: &str = input.as_ref();
    match first {
        '"' => string(input),
        '$' => name(input, "an address set").map(Kind::AddressSet),
        '@' => name(input, "a port group").map(Kind::PortGroup),
        _ if starts_constant(rest) => integer(input).map(Kind::Integer),
        _ if is_name_start(first) && !rest.starts_with("..") => {
            Ok(Kind::Identifier(identifier(input)))
        }
        _ => mark(input, first),
    }
}

/// Constants start with a digit or `::`, or with hexadecimal digits and a colon, as no name does.
fn starts_constant(rest: &str) -> bool {
    let after_digits = rest.trim_start_matches(|c: char| c.is_ascii_hexdigit());
    rest.starts_with(|c: char| c.is_ascii_digit())
        || rest.starts_with("::")
        || (after_digits.len() < rest.len() && after_digits.starts_with(':'))
}

fn is_name_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || c == '.'
}

fn identifier(input: &mut Input<'_>) -> String {
    let is_name = |c: char| is_name_start(c) || c.is_dec_digit();
    run(input, take_while(0.., is_name)).to_owned()
}

/// The name after `$` or `@`.
fn name(input: &mut Input<'_>, what: &str) -> Lexed<String> {
    let start = input.current_token_start();
    run(input, any::<Input<'_>, ()>);
    let rest: &str = input.as_ref();
    if rest.starts_with(is_name_start) {
        return Ok(identifier(input));
    }
    Err(Diagnostic::new(
        start..start + 1,
        format!("expected the name of {what} after this"),
    ))
}

fn mark(input: &mut Input<'_>, first: char) -> Lexed<Kind> {
    let start = input.current_token_start();
    for mark in PUNCTUATION {
        if accept(input, mark) {
            return Ok(Kind::Mark(mark));
        }
    }
    let (message, help) = match first {
        '=' => ("`=` is no comparison", Some("write `==` to compare")),
        '&' => ("`&` is only valid as part of `&&`", None),
        '|' => ("`|` is only valid as part of `||`", None),
        '/' => (
            "`/` is only valid in a constant or a comment",
            Some("a mask follows its value without spaces, such as 10.0.0.0/8"),
        ),
        '.' => (
            "`.` is only valid as part of a name, a number or `..`",
            None,
        ),
        _ => ("this character has no meaning here", None),
    };
    let mut diagnostic = Diagnostic::new(start..start + first.len_utf8(), message);
    diagnostic.help = help.map(str::to_owned);
    Err(diagnostic)
}

/// A string as in JSON.
fn string(input: &mut Input<'_>) -> Lexed<Kind> {
    let start = input.current_token_start();
    let rest: &str = input.as_ref();
    let mut is_escaped = false;
    let end = rest.char_indices().skip(1).find(|&(_, c)| {
        let is_end = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_end
    });
    let Some((end, _)) = end else {
        return Err(Diagnostic::new(
            start..start + rest.len(),
            "the string has no closing quote",
        ));
    };
    let quoted = &rest[..=end];
    input.next_slice(quoted.len());
    serde_json::from_str(quoted)
        .map(Kind::Text)
        .map_err(|_| Diagnostic::new(start..start + quoted.len(), "the string is not valid JSON"))
}

/// A number or address, and its mask.
fn integer(input: &mut Input<'_>) -> Lexed<Constant> {
    let start = input.current_token_start();
    let fail = |message, end| Diagnostic::new(start..end, message);
    let value = extent(input.as_ref());
    input.next_slice(value.len());
    let end = start + value.len();
    let value = Constant::parse_unmasked(value).map_err(|message| fail(message, end))?;

    let rest: &str = input.as_ref();
    let Some(rest) = rest
        .strip_prefix('/')
        .filter(|rest| !rest.starts_with(['/', '*']))
    else {
        return Ok(value);
    };
    let mask = extent(rest);
    input.next_slice(1 + mask.len());
    let end = end + 1 + mask.len();
    if mask.is_empty() {
        return Err(fail("expected a mask after `/`", end));
    }
    Constant::parse_unmasked(mask)
        .and_then(|mask| value.masked(mask))
        .map_err(|message| fail(message, end))
}

/// The part of the text that makes up a number or address: up to `..`, or to a colon after a dot.
fn extent(text: &str) -> &str {
    let bytes = text.as_bytes();
    let mut saw_dot = false;
    let mut length = 0;
    while let Some(&byte) = bytes.get(length) {
        let is_part = match byte {
            b':' => !saw_dot,
            b'.' => bytes.get(length + 1) != Some(&b'.'),
            _ => byte.is_ascii_alphanumeric(),
        };
        if !is_part {
            break;
        }
        saw_dot |= byte == b'.';
        length += 1;
    }
    &text[..length]
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identifier(name) => write!(f, "`{name}`"),
            Self::Text(_) => f.write_str("a string"),
            Self::Integer(constant) => write!(f, "`{constant}`"),
            Self::AddressSet(name) => write!(f, "`${name}`"),
            Self::PortGroup(name) => write!(f, "`@{name}`"),
            Self::Mark(mark) => write!(f, "`{mark}`"),
            Self::End => f.write_str("the end of the expression"),
        }
    }
}

impl std::str::FromStr for Constant {
    type Err = Diagnostic;

    /// Reads a number or an address, perhaps with a mask, and nothing else.
    fn from_str(text: &str) -> Result<Constant, Diagnostic> {
        // Sets hold thousands of these.
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(address.into());
        }
        let is_constant = starts_constant(text) && !text.contains(char::is_whitespace);
        match tokenize(text)?.as_slice() {
            [
                Token {
                    kind: Kind::Integer(constant),
                    ..
                },
                Token {
                    kind: Kind::End, ..
                },
            ] if is_constant => Ok(*constant),
            _ => Err(Diagnostic::new(0..text.len(), "expected one constant")),
        }
    }
}
