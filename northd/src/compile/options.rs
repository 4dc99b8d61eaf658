//! The keys of `options` and `other_config` columns that are carried out.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use super::Output;

/// A map column with what a feature knows of its keys.
pub(super) struct Options<'a> {
    column: &'static str,
    map: &'a BTreeMap<String, String>,
}

impl<'a> Options<'a> {
    /// The column's map. Keys that are not `known` get a warning.
    pub(super) fn new(
        column: &'static str,
        map: &'a BTreeMap<String, String>,
        known: &[&str],
        out: &mut Output,
    ) -> Self {
        for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
            out.warn(column, format!("{key:?} is not carried out"));
        }
        Self { column, map }
    }

    /// The column's map, whose other keys somebody else sees to.
    pub(super) fn of(column: &'static str, map: &'a BTreeMap<String, String>) -> Self {
        Self { column, map }
    }

    /// The text of a key that is set and not empty.
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        let text = self.map.get(key).map(String::as_str);
        text.filter(|text| !text.is_empty())
    }

    /// The truth of a key, in OVN's manner: `true` in any case is, everything else is not.
    pub(super) fn flag(&self, key: &str, default: bool) -> bool {
        match self.map.get(key) {
            None => default,
            Some(text) => text.eq_ignore_ascii_case("true"),
        }
    }

    /// The number of a key, between these bounds; a warning when it is none.
    pub(super) fn number<T>(&self, key: &str, low: T, high: T, out: &mut Output) -> Option<T>
    where
        T: FromStr + PartialOrd + Display,
    {
        let text = self.text(key)?;
        match text.parse::<T>() {
            Ok(number) if low <= number && number <= high => Some(number),
            _ => {
                let message = format!("{key}={text:?} is not a number in {low}..={high}");
                out.warn(self.column, message);
                None
            }
        }
    }
}
