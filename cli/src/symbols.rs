//! Row names of one command line: `--id=@name` gives a row a name, `@name` in a value means that row.

use std::collections::BTreeMap;

use model::schema::Reference;
use model::text::SymbolTable;
use uuid::Uuid;

/// The names given and used so far.
#[derive(Debug, Default)]
pub struct Symbols {
    names: BTreeMap<String, Symbol>,
}

/// A row name.
#[derive(Clone, Copy, Debug)]
pub struct Symbol {
    /// The row that it stands for.
    pub uuid: Uuid,
    /// A `create` or `get` gave it; otherwise it was only used.
    pub is_created: bool,
    /// A strong reference was written with it, so that its row stays.
    pub is_strongly_referenced: bool,
    /// A weak reference was written with it.
    pub is_weakly_referenced: bool,
}

impl Symbols {
    /// The row that `name` stands for; a new one if it was not used before.
    pub fn reference(&mut self, name: &str) -> &mut Symbol {
        self.names
            .entry(name.to_owned())
            .or_insert_with(Symbol::new)
    }

    /// Gives the name to a row that is about to be made.
    ///
    /// # Errors
    /// Without a leading `@`, and when the name was given before.
    pub fn create(&mut self, name: &str) -> Result<&mut Symbol, String> {
        if !name.starts_with('@') {
            return Err(format!("row id \"{name}\" does not begin with \"@\""));
        }
        let symbol = self.reference(name);
        if symbol.is_created {
            return Err(format!(
                "row id \"{name}\" may only be specified on one --id option"
            ));
        }
        symbol.is_created = true;
        Ok(symbol)
    }

    /// Whether `name` was used or given before.
    pub fn is_known(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// Checks at the end of the command line that every name used was given, and returns warnings about rows
    /// that nothing keeps.
    ///
    /// # Errors
    /// A name that was used but not given.
    pub fn finish(&self) -> Result<Vec<String>, String> {
        let mut warnings = Vec::new();
        for (name, symbol) in &self.names {
            if !symbol.is_created {
                return Err(format!(
                    "row id \"{name}\" is referenced but never created (e.g. with \"-- --id={name} create ...\")"
                ));
            }
            if !symbol.is_strongly_referenced {
                let what = if symbol.is_weakly_referenced {
                    "only a weak reference to it was inserted"
                } else {
                    "no reference to it was inserted"
                };
                warnings.push(format!(
                    "row id \"{name}\" was created but {what}, so it will not actually appear in the database"
                ));
            }
        }
        Ok(warnings)
    }
}

impl SymbolTable for Symbols {
    fn resolve(&mut self, name: &str, reference: Option<Reference>) -> Option<Uuid> {
        let symbol = self.reference(&format!("@{name}"));
        if let Some(reference) = reference {
            symbol.is_strongly_referenced |= reference.is_strong;
            symbol.is_weakly_referenced |= !reference.is_strong;
        }
        Some(symbol.uuid)
    }
}

impl Symbol {
    fn new() -> Self {
        Self {
            uuid: Uuid::new_v4(),
            is_created: false,
            is_strongly_referenced: false,
            is_weakly_referenced: false,
        }
    }
}

/// Reads a UUID in its canonical form of 36 characters; no other form is taken for one.
pub fn parse_uuid(text: &str) -> Option<Uuid> {
    (text.len() == 36 && text.as_bytes()[8] == b'-')
        .then(|| Uuid::try_parse(text).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_form_is_a_uuid() {
        let uuid = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
        assert_eq!(
            parse_uuid(uuid).map(|uuid| uuid.to_string()).as_deref(),
            Some(uuid)
        );
        for text in [
            "6ba7b8109dad11d180b400c04fd430c8",
            "",
            "6ba7b810",
            "{6ba7b8109dad-11d1-80b4-00c04fd430c}",
        ] {
            assert_eq!(parse_uuid(text), None, "{text}");
        }
    }

    #[test]
    fn a_name_is_given_once_and_must_be_given_if_it_is_used() {
        let mut symbols = Symbols::default();
        assert!(symbols.create("a").is_err());
        assert!(symbols.create("@a").is_ok());
        assert!(symbols.create("@a").is_err());
        assert_eq!(symbols.finish().map(|warnings| warnings.len()), Ok(1));
        symbols.resolve("b", None);
        assert!(symbols.finish().is_err());
    }
}
