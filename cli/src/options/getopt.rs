//! Reading options as GNU `getopt_long` does: long ones may be abbreviated, short ones joined, and the first
//! word that is no option ends them.

use super::{GLOBAL_OPTIONS, GlobalOption};
use crate::command::{CommandOption, Handler, OptionValue, nearest};
use crate::commands::all;
use crate::failure::Failure;

/// An option that may stand before the first command.
#[derive(Clone, Copy, Debug)]
pub enum GivenOption {
    /// One of the program.
    Global(&'static GlobalOption),
    /// One of the first command.
    Command(&'static CommandOption),
}

/// The options in order with their values, and the words after them.
#[derive(Debug)]
pub struct Given<'a> {
    /// The options.
    pub options: Vec<(GivenOption, Option<String>)>,
    /// The first command and all that follows.
    pub words: &'a [String],
}

impl GivenOption {
    fn name(self) -> &'static str {
        match self {
            Self::Global(option) => option.name,
            Self::Command(option) => option.name.trim_start_matches('-'),
        }
    }

    fn value(self) -> OptionValue {
        match self {
            Self::Global(option) => option.value,
            Self::Command(option) => option.value,
        }
    }
}

/// Reads the options at the start of `words`.
///
/// # Errors
/// Unknown options, and values that are missing or too many.
pub fn parse(words: &[String]) -> Result<Given<'_>, Failure> {
    let mut options = Vec::new();
    let mut rest = words;
    while let Some((word, after)) = rest.split_first() {
        if word == "--" {
            rest = after;
            break;
        }
        if let Some(long) = word.strip_prefix("--") {
            rest = parse_long(word, long, after, &mut options)?;
        } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            rest = parse_short(letters, after, &mut options)?;
        } else {
            break;
        }
    }
    Ok(Given {
        options,
        words: rest,
    })
}

type Options = Vec<(GivenOption, Option<String>)>;

fn parse_long<'a>(
    word: &str,
    long: &str,
    after: &'a [String],
    options: &mut Options,
) -> Result<&'a [String], Failure> {
    let (name, value) = match long.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (long, None),
    };
    let option = find_long(name).ok_or_else(|| unrecognized(word, name))?;
    match (option.value(), value) {
        (OptionValue::None, Some(_)) => Err(Failure::usage(format!(
            "option '{word}' doesn't allow an argument"
        ))),
        (OptionValue::Required(_), None) => {
            let (value, after) = after.split_first().ok_or_else(|| missing_value(word))?;
            options.push((option, Some(value.clone())));
            Ok(after)
        }
        (_, value) => {
            options.push((option, value));
            Ok(after)
        }
    }
}

fn parse_short<'a>(
    letters: &str,
    after: &'a [String],
    options: &mut Options,
) -> Result<&'a [String], Failure> {
    for (at, letter) in letters.char_indices() {
        let option = GLOBAL_OPTIONS
            .iter()
            .find(|option| option.short == Some(letter))
            .ok_or_else(|| {
                Failure::usage(format!("unrecognized option '{letter}'"))
                    .hint("'vsctl --help' shows all options")
            })?;
        let given = GivenOption::Global(option);
        let joined = &letters[at + letter.len_utf8()..];
        match option.value {
            OptionValue::None => options.push((given, None)),
            OptionValue::Required(_) if joined.is_empty() => {
                let (value, after) = after
                    .split_first()
                    .ok_or_else(|| missing_value(&format!("-{letter}")))?;
                options.push((given, Some(value.clone())));
                return Ok(after);
            }
            _ => {
                options.push((given, (!joined.is_empty()).then(|| joined.to_owned())));
                return Ok(after);
            }
        }
    }
    Ok(after)
}

/// The option of this name, or the only one that begins with it. Commands' options of one kind count as
/// one, and the first is taken, for what it belongs to is checked with its command.
fn find_long(name: &str) -> Option<GivenOption> {
    if let Some(exact) = known().find(|option| option.name() == name) {
        return Some(exact);
    }
    let candidates: Vec<GivenOption> = known()
        .filter(|option| option.name().starts_with(name) && may_be_abbreviated(*option))
        .collect();
    let (&first, others) = candidates.split_first()?;
    let is_same = |other: &GivenOption| match (first, other) {
        (GivenOption::Command(a), GivenOption::Command(b)) => {
            std::mem::discriminant(&a.value) == std::mem::discriminant(&b.value)
        }
        _ => false,
    };
    others.iter().all(is_same).then_some(first)
}

/// Options that OVN does not have take no abbreviation away from those that it has.
fn may_be_abbreviated(option: GivenOption) -> bool {
    match option {
        GivenOption::Global(option) => !matches!(option.name, "northbound" | "node" | "config"),
        GivenOption::Command(option) => all()
            .filter(|command| matches!(command.handler, Handler::Rows { .. }))
            .any(|command| {
                command
                    .options
                    .iter()
                    .any(|other| std::ptr::eq(other, option))
            }),
    }
}

fn known() -> impl Iterator<Item = GivenOption> {
    let commands = all().flat_map(|command| command.options.iter().map(GivenOption::Command));
    GLOBAL_OPTIONS
        .iter()
        .map(GivenOption::Global)
        .chain(commands)
}

fn unrecognized(word: &str, name: &str) -> Failure {
    let failure = Failure::usage(format!("unrecognized option '{word}'"));
    match nearest(name, known().map(GivenOption::name)) {
        Some(nearest) if nearest != name => failure.hint(format!("did you mean '--{nearest}'?")),
        _ => failure.hint("'vsctl --help' shows all options"),
    }
}

fn missing_value(word: &str) -> Failure {
    Failure::usage(format!("option '{word}' requires an argument"))
}
