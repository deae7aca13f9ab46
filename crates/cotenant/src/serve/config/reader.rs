//! Reads tables of keys that are all known, and says in which line something is wrong and what is allowed there.

use super::keys::{KEYS, Key, TABLES, key};
use crate::text::line_at;
use cotenant_agent::approve::escape::escape;
use std::{ops::RangeInclusive, str::FromStr, time::Duration};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// What is wrong with a `cotenant.toml`.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// Not TOML.
    #[error("line {line}: {message}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A table that there is not.
    #[error("line {line}: unknown table [{name}]; did you mean [{nearest}]?")]
    UnknownTable {
        /// The line, from 1.
        line: usize,
        /// The table.
        name: String,
        /// The table that is nearest to it.
        nearest: &'static str,
    },
    /// A key that its table does not have.
    #[error("line {line}: unknown key \"{name}\" in [{table}]; did you mean \"{nearest}\"?")]
    UnknownKey {
        /// The line, from 1.
        line: usize,
        /// The table.
        table: &'static str,
        /// The key.
        name: String,
        /// The key of that table that is nearest to it.
        nearest: &'static str,
    },
    /// A key before the first table.
    #[error("line {line}: \"{name}\" is in no table; did you mean \"{nearest}\" below [{table}]?")]
    NoTable {
        /// The line, from 1.
        line: usize,
        /// The key.
        name: String,
        /// The key that is nearest to it.
        nearest: &'static str,
        /// The table which that one is in.
        table: &'static str,
    },
    /// A value that the key may not have.
    #[error("line {line}: {name} in [{table}] is {found}; write {wants}")]
    Value {
        /// The line, from 1.
        line: usize,
        /// The table.
        table: &'static str,
        /// The key.
        name: &'static str,
        /// What was written, on one line.
        found: String,
        /// What may be written.
        wants: &'static str,
    },
}

/// A file whose keys are all known.
pub(super) struct Reader<'a> {
    text: &'a str,
    root: DeTable<'a>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Result<Self, ConfigError> {
        let root = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
            line: line_at(text, error.span().map_or(0, |span| span.start)),
            message: escape(error.message()).to_string(),
        })?;
        let reader = Reader { text, root: root.into_inner() };
        reader.known()?;
        Ok(reader)
    }

    /// A text that is not empty.
    pub(super) fn text(&self, table: &'static str, name: &'static str) -> Result<String, ConfigError> {
        self.checked(table, name, |text| (!text.is_empty()).then(|| text.to_owned()))
    }

    /// A text that `check` takes.
    pub(super) fn checked<T>(&self, table: &'static str, name: &'static str, check: impl Fn(&str) -> Option<T>) -> Result<T, ConfigError> {
        self.value(table, name, |value| value.as_str().and_then(&check))
    }

    /// A text of a form.
    pub(super) fn parsed<T: FromStr>(&self, table: &'static str, name: &'static str) -> Result<T, ConfigError> {
        self.checked(table, name, |text| text.parse().ok())
    }

    /// A list of texts of a form.
    pub(super) fn list<T: FromStr>(&self, table: &'static str, name: &'static str) -> Result<Vec<T>, ConfigError> {
        let one = |value: &Spanned<DeValue>| value.get_ref().as_str()?.parse().ok();
        self.value(table, name, |value| value.as_array()?.iter().map(one).collect())
    }

    /// One of several texts.
    pub(super) fn choice<T: Copy>(&self, table: &'static str, name: &'static str, choices: &[(&str, T)]) -> Result<T, ConfigError> {
        self.checked(table, name, |text| choices.iter().find(|(choice, _)| *choice == text).map(|(_, value)| *value))
    }

    /// A whole number.
    pub(super) fn number(&self, table: &'static str, name: &'static str, range: RangeInclusive<u64>) -> Result<u64, ConfigError> {
        let number = |value: &DeValue| {
            let digits = value.as_integer()?;
            u64::from_str_radix(digits.as_str(), digits.radix()).ok()
        };
        self.value(table, name, |value| number(value).filter(|number| range.contains(number)))
    }

    /// Seconds, up to a day.
    pub(super) fn seconds(&self, table: &'static str, name: &'static str) -> Result<Duration, ConfigError> {
        self.number(table, name, 1..=86_400).map(Duration::from_secs)
    }

    /// True or false.
    pub(super) fn boolean(&self, table: &'static str, name: &'static str) -> Result<bool, ConfigError> {
        self.value(table, name, |value| value.as_bool())
    }

    /// The value given, else the default, as `read` takes it.
    fn value<T>(&self, table: &'static str, name: &'static str, read: impl Fn(&DeValue) -> Option<T>) -> Result<T, ConfigError> {
        let Key { default, wants, .. } = key(table, name).expect("what is read is listed");
        let Some(given) = self.root.get(table).and_then(|table| table.get_ref().get(name)) else {
            let default = DeValue::parse(default).expect("defaults are TOML");
            return Ok(read(default.get_ref()).expect("defaults are allowed"));
        };
        read(given.get_ref()).ok_or_else(|| {
            let line = line_at(self.text, given.span().start);
            ConfigError::Value { line, table, name, found: escape(&self.text[given.span()]).to_string(), wants }
        })
    }

    fn known(&self) -> Result<(), ConfigError> {
        self.root.iter().try_for_each(|(name, value)| {
            let (at, written) = (line_at(self.text, name.span().start), name.get_ref().as_ref());
            let Some(keys) = value.get_ref().as_table() else {
                let near = nearest(KEYS.iter().map(|key| (key.name, key.table)), written);
                return Err(ConfigError::NoTable { line: at, name: escape(written).to_string(), nearest: near.0, table: near.1 });
            };
            let Some((table, _)) = TABLES.iter().find(|(table, _)| *table == written) else {
                let (nearest, ()) = nearest(TABLES.iter().map(|(table, _)| (*table, ())), written);
                return Err(ConfigError::UnknownTable { line: at, name: escape(written).to_string(), nearest });
            };
            self.known_keys(table, keys)
        })
    }

    fn known_keys(&self, table: &'static str, keys: &DeTable) -> Result<(), ConfigError> {
        let unknown = keys.keys().find(|name| key(table, name.get_ref()).is_none());
        unknown.map_or(Ok(()), |name| {
            let all = KEYS.iter().filter(|key| key.table == table).map(|key| (key.name, ()));
            let (nearest, ()) = nearest(all, name.get_ref());
            let line = line_at(self.text, name.span().start);
            Err(ConfigError::UnknownKey { line, table, name: escape(name.get_ref()).to_string(), nearest })
        })
    }
}

/// Which of some names is nearest to what was written, with what belongs to it.
fn nearest<T>(names: impl Iterator<Item = (&'static str, T)>, written: &str) -> (&'static str, T) {
    names.min_by_key(|(name, _)| strsim::damerau_levenshtein(name, written)).expect("there are names")
}
