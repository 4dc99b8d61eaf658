//! Values from text: atoms bare or quoted, sets `a,b` or `[a, b]`, maps `k=v` or `{k=v, k=v}`; in sets of
//! integers also ranges `1-3`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::str::FromStr;

use uuid::Uuid;

use super::print::column_type;
use crate::check::{MAX_ELEMENTS, check_atom};
use crate::datum::{Atom, Datum, Real};
use crate::schema::{BaseType, ColumnType, Reference};

/// Text that is no value of its type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseError(pub String);

/// What `@name` stands for on a command line.
pub trait SymbolTable {
    /// The UUID of the row that is, or will be, called `@name`, where a column that `refers_to` names it.
    fn resolve(&mut self, name: &str, refers_to: Option<Reference>) -> Option<Uuid>;
}

/// No names.
impl SymbolTable for () {
    fn resolve(&mut self, _: &str, _: Option<Reference>) -> Option<Uuid> {
        None
    }
}

/// Reads a whole text as one atom and checks it against its type.
pub fn parse_atom(
    base: &BaseType,
    text: &str,
    symbols: &mut dyn SymbolTable,
) -> Result<Atom, ParseError> {
    let atom = match base {
        BaseType::Integer { .. } => Atom::Integer(number(text, "integer or range")?),
        BaseType::Real => match number::<f64>(text, "real number")? {
            value if value.is_finite() => Atom::Real(Real(value)),
            _ => return Err(ParseError(format!("\"{text}\" is not a valid real number"))),
        },
        BaseType::Boolean => Atom::Boolean(boolean(text)?),
        BaseType::String { .. } => Atom::String(string(text)?),
        BaseType::Uuid { refers_to } => Atom::Uuid(identity(text, *refers_to, symbols)?),
    };
    check_atom(base, &atom).map_err(|error| ParseError(error.to_string()))?;
    Ok(atom)
}

/// Reads a whole text as the value of a column.
pub fn parse_datum(
    kind: &ColumnType,
    text: &str,
    symbols: &mut dyn SymbolTable,
) -> Result<Datum, ParseError> {
    let (open, close) = if kind.is_map() {
        ('{', '}')
    } else {
        ('[', ']')
    };
    let trimmed = text.trim_start();
    if trimmed.is_empty() {
        let word = if kind.is_map() { "map" } else { "set" };
        return Err(ParseError(format!(
            "use \"{open}{close}\" to specify the empty {word}"
        )));
    }
    let (mut rest, end) = match trimmed.strip_prefix(open) {
        Some(inner) => (inner.trim_start(), Some(close)),
        None => (trimmed, None),
    };
    let mut elements = Elements::new(kind, text);
    while !rest.is_empty() && !end.is_some_and(|end| rest.starts_with(end)) {
        rest = elements.read(rest, symbols)?.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    if let Some(end) = end {
        let Some(tail) = rest.strip_prefix(end) else {
            return Err(ParseError(format!(
                "{text}: missing \"{end}\" at end of data"
            )));
        };
        if !tail.trim_start().is_empty() {
            return Err(ParseError(format!(
                "{text}: trailing garbage after \"{end}\""
            )));
        }
    }
    elements.finish()
}

/// Splits off the first token: text up to a delimiter (any of `:=, []{}!<>`) outside quotes, with
/// backslashes outside quotes taken away. Returns the token and the rest.
pub fn split_token(text: &str) -> Result<(String, &str), ParseError> {
    let mut token = String::new();
    let mut is_quoted = false;
    let mut characters = text.char_indices();
    while let Some((position, c)) = characters.next() {
        match c {
            '\\' => {
                let Some((_, escaped)) = characters.next() else {
                    return Err(ParseError(format!("{text}: backslash at end of argument")));
                };
                if is_quoted {
                    token.push('\\');
                }
                token.push(escaped);
            }
            _ if !is_quoted && is_delimiter(c) => return Ok((token, &text[position..])),
            _ => {
                is_quoted ^= c == '"';
                token.push(c);
            }
        }
    }
    if is_quoted {
        return Err(ParseError(format!(
            "{text}: quoted string extends past end of argument"
        )));
    }
    Ok((token, ""))
}

fn is_delimiter(c: char) -> bool {
    ":=, []{}!<>".contains(c)
}

/// The elements or pairs read so far.
struct Elements<'a> {
    kind: &'a ColumnType,
    whole: &'a str,
    set: BTreeSet<Atom>,
    map: BTreeMap<Atom, Atom>,
    count: usize,
}

impl<'a> Elements<'a> {
    fn new(kind: &'a ColumnType, whole: &'a str) -> Self {
        Self {
            kind,
            whole,
            set: BTreeSet::new(),
            map: BTreeMap::new(),
            count: 0,
        }
    }

    /// Reads one element or pair and returns what follows it.
    fn read<'t>(
        &mut self,
        text: &'t str,
        symbols: &mut dyn SymbolTable,
    ) -> Result<&'t str, ParseError> {
        let whole = self.whole;
        if let Some(c) = text.chars().next().filter(|c| is_delimiter(*c)) {
            let kind = column_type(self.kind);
            return Err(ParseError(format!(
                "{whole}: unexpected \"{c}\" parsing {kind}"
            )));
        }
        let (token, rest) = split_token(text)?;
        if let Some(range) = range(self.kind, &token)? {
            self.count += range.clone().count();
            self.set.extend(range.map(Atom::Integer));
            return Ok(rest);
        }
        let key = parse_atom(&self.kind.key, &token, symbols)?;
        self.count += 1;
        let Some(value) = &self.kind.value else {
            self.set.insert(key);
            return Ok(rest);
        };
        let rest = rest.trim_start();
        let Some(after) = rest.strip_prefix('=') else {
            let found = rest.chars().next().map_or(String::new(), String::from);
            return Err(ParseError(format!(
                "{text}: syntax error at \"{found}\" expecting \"=\""
            )));
        };
        let (token, rest) = split_token(after.trim_start())?;
        self.map.insert(key, parse_atom(value, &token, symbols)?);
        Ok(rest)
    }

    fn finish(self) -> Result<Datum, ParseError> {
        let (whole, count) = (self.whole, self.count);
        let ColumnType { min, max, .. } = *self.kind;
        let elements = if self.kind.is_map() {
            "pair(s)"
        } else {
            "value(s)"
        };
        if count < min {
            return Err(ParseError(format!(
                "{whole}: {count} {elements} specified but the minimum number is {min}"
            )));
        }
        if count > max {
            return Err(ParseError(format!(
                "{whole}: {count} {elements} specified but the maximum number is {max}"
            )));
        }
        let (datum, repeated) = if self.kind.is_map() {
            (Datum::Map(self.map), "map contains duplicate key")
        } else {
            (Datum::Set(self.set), "set contains duplicate value")
        };
        if datum.len() != count {
            return Err(ParseError(format!("{whole}: {repeated}")));
        }
        Ok(datum)
    }
}

/// The numbers of a `1-3` in a set of integers.
fn range(kind: &ColumnType, token: &str) -> Result<Option<RangeInclusive<i64>>, ParseError> {
    if kind.is_map() || !matches!(kind.key, BaseType::Integer { .. }) {
        return Ok(None);
    }
    // A dash at the start is a sign.
    let dash = token.char_indices().skip(1).find(|(_, c)| *c == '-');
    let bounds = dash.and_then(|(at, _)| {
        let (first, last) = (token[..at].parse().ok()?, token[at + 1..].parse().ok()?);
        Some((first, last))
    });
    let Some((first, last)): Option<(i64, i64)> = bounds else {
        return Ok(None);
    };
    if last < first {
        return Err(ParseError(format!(
            "\"{token}\" is not a valid range. Range end cannot be before start."
        )));
    }
    for bound in [first, last] {
        check_atom(&kind.key, &Atom::Integer(bound))
            .map_err(|error| ParseError(error.to_string()))?;
    }
    if last.saturating_sub(first) >= MAX_ELEMENTS as i64 {
        return Err(ParseError(format!(
            "constraint violation: Range \"{token}\" is too big. Maximum allowed size is {MAX_ELEMENTS}."
        )));
    }
    Ok(Some(first..=last))
}

fn number<N: FromStr>(text: &str, word: &str) -> Result<N, ParseError> {
    text.parse()
        .map_err(|_| ParseError(format!("\"{text}\" is not a valid {word}")))
}

fn boolean(text: &str) -> Result<bool, ParseError> {
    match text {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err(ParseError(format!(
            "\"{text}\" is not a valid boolean (use \"true\" or \"false\")"
        ))),
    }
}

fn string(text: &str) -> Result<String, ParseError> {
    if text.is_empty() {
        return Err(ParseError(
            "An empty string is not valid as input; use \"\" to represent the empty string".into(),
        ));
    }
    if !text.starts_with('"') {
        return Ok(text.to_owned());
    }
    if text.len() < 2 || !text.ends_with('"') {
        return Err(ParseError(format!(
            "{text}: missing quote at end of quoted string"
        )));
    }
    serde_json::from_str(text).map_err(|error| ParseError(format!("{text}: {error}")))
}

fn identity(
    text: &str,
    refers_to: Option<Reference>,
    symbols: &mut dyn SymbolTable,
) -> Result<Uuid, ParseError> {
    if let Some(name) = text.strip_prefix('@') {
        let named = symbols.resolve(name, refers_to);
        return named.ok_or_else(|| ParseError(format!("row id \"@{name}\" is not defined")));
    }
    // Only the hyphenated form; the parser would take others too.
    let uuid = (text.len() == 36).then(|| Uuid::from_str(text).ok());
    uuid.flatten()
        .ok_or_else(|| ParseError(format!("\"{text}\" is not a valid UUID")))
}
