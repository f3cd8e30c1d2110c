//! Searches: the term, and the condition for matching rows.

use utoipa::openapi::path::Parameter;

use crate::{
    contract::required_query,
    db::{Bound, Select, value::Value},
    http::{FromParameter, Result},
    text::{self, FOLDINGS, TextKind},
};

/// The value of the parameter `sort` for the order by rank.
pub(super) const RELEVANCE: &str = "relevance";

/// Identifies the meaning of ranks. Cursors are bound to it, because their positions depend on it.
pub(super) const RANKS: &str = "whole words first, near hits last";

/// The maximum length of a term after folding, in characters.
const MAX_CHARACTERS: usize = 64;

/// The maximum length of a term before folding, in characters: folding drops accents, variation selectors and
/// spaces.
const MAX_SENT: usize = 512;

/// The condition for terms of one or two characters, and for longer ones without a trigram. `strpos` comes
/// first because it is cheap: a walk through another index evaluates the condition for every row. PostgreSQL
/// estimates that `<> 0` is true for almost all rows, which leaves the estimate to the statistics on grams;
/// for `> 0` it would assume a third.
const BY_GRAMS: &str =
    "strpos(search_key, ?) <> 0 and search_grams(search_frame(search_key)) @> term_grams(?)";

/// The condition for all other terms.
const BY_TRIGRAMS: &str = "search_key like ?";

/// All conditions, for `cargo xtask sql`.
pub(super) const CONDITIONS: [&str; 2] = [BY_GRAMS, BY_TRIGRAMS];

/// A search term of 1 to 64 characters after folding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SearchTerm {
    /// Folded by the current version.
    folded: String,
    /// Folded by the previous version, which old rows may still have; `None` if that gives the same text.
    folded_before: Option<String>,
}

impl SearchTerm {
    fn new(text: &str) -> Self {
        let [(_, fold), (_, fold_before)] = FOLDINGS;
        let folded = fold(text);
        let folded_before = Some(fold_before(text)).filter(|before| *before != folded && !before.is_empty());
        Self { folded, folded_before }
    }

    /// The term as the current version folds it.
    pub(super) fn folded(&self) -> &str {
        &self.folded
    }

    /// The folded term as a parameter.
    pub(super) fn value(&self) -> Value {
        Value::from(self.folded.as_str())
    }

    /// Whether the previous version of the folding yields a different term.
    pub(super) fn is_folded_otherwise_before(&self) -> bool {
        self.folded_before.is_some()
    }

    /// The parameters of the ranking statement: the term folded by the current and by the previous version.
    pub(super) fn values(&self) -> Vec<Value> {
        let before = self.folded_before.as_ref().unwrap_or(&self.folded);
        vec![Value::from(self.folded.as_str()), Value::from(before.as_str())]
    }

    /// The condition that a row's key contains the term, folded by the version of that key.
    pub(super) fn contained(&self, select: &mut Select) -> Bound {
        let mut bound = |term| {
            let (condition, values) = contains(term);
            select.bind(condition, values)
        };
        let Some(before) = &self.folded_before else { return bound(&self.folded) };
        let [now, then] = [bound(&self.folded), bound(before)];
        let [now, then] = [(FOLDINGS[0].0, now), (FOLDINGS[1].0, then)].map(|(version, contained)| {
            Bound::all(&[select.bind("search_version = ?", vec![Value::Int4(version)]), contained])
        });
        Bound::any(&[now, then])
    }
}

/// The condition that a key contains the folded `term`, with its values. Each of the two forms is supported
/// by an index.
fn contains(term: &str) -> (&'static str, Vec<Value>) {
    if has_trigram(term) {
        let escaped = term.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        (BY_TRIGRAMS, vec![Value::Text(format!("%{escaped}%"))])
    } else {
        (BY_GRAMS, vec![Value::from(term), Value::from(term)])
    }
}

/// Whether `pg_trgm` certainly extracts a trigram from `term`. It only uses letters and digits, as classified
/// by the database's locale, and scans its whole index if there is no trigram.
fn has_trigram(term: &str) -> bool {
    let is_known = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, '\u{e0}'..='\u{24f}' | '\u{3b1}'..='\u{3c9}' | '\u{430}'..='\u{44f}')
            || matches!(c, 'ぁ'..='ゖ' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}')
    };
    term.split(|c| !is_known(c)).any(|run| run.chars().nth(2).is_some())
}

impl FromParameter for SearchTerm {
    fn from_parameter(text: &str) -> Result<Self, String> {
        let term = Self::new(&text::clean(text, TextKind::Line, 1, MAX_SENT)?);
        match term.folded.chars().count() {
            0 => Err("must contain something to search for".to_owned()),
            1..=MAX_CHARACTERS => Ok(term),
            length => Err(format!("must have 1 to {MAX_CHARACTERS} characters after folding, not {length}")),
        }
    }
}

/// The parameter with the search term.
pub(super) fn parameter() -> Parameter {
    let about = "The text to search for, anywhere in names. Names and term are folded in the same way. Treated as equal: upper and lower case (`WEISS`, \
        `Weiß`); half and full width and compatibility forms (`ｶﾞﾗｽ`, `ガラス`); hiragana and katakana; letters with and \
        without accents in Latin, Greek, Cyrillic, Hebrew, Arabic and Syriac; letters with strokes, ligatures and their \
        replacements (`Ł` and `l`, `Æ` and `ae`); all dashes, all tildes, all apostrophes, all double quotes, all middle \
        dots; white space of any kind and length; invisible characters are ignored. Treated as different: voiced and plain or \
        small and large kana, `ー` and dashes, forms of a kanji (`澤`, `沢`), kana and romanisation, `ü` and `ue`, marks of \
        Indic scripts and Thai, digits of different scripts. If the term has four characters or more, names that almost contain it follow after \
        all others, in every order: a term of up to seven characters may have one typo, a longer one two, and a typo is an added, missing or \
        different character, or two adjacent ones swapped. In scripts that separate words by spaces, whole words are compared: one of up to seven \
        characters may have one typo, a longer one two if one is not enough, and an added or missing space is a typo; if no \
        name contains one of the words, those that names do contain are taken literally. In scripts without spaces, such as Japanese, \
        a term may have one typo, and spaces are ignored. 1 to 64 characters after folding; a term that folds to \
        nothing is rejected.";
    required_query("q", about, text::line_schema(MAX_CHARACTERS).build(), "備前")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_in_a_term_stand_for_themselves() {
        assert_eq!(contains(r"100%_\"), (BY_TRIGRAMS, vec![Value::from(r"%100\%\_\\%")]));
    }

    #[test]
    fn a_term_is_looked_up_by_what_an_index_has_of_it() {
        for (term, condition) in [
            ("焼", BY_GRAMS),
            ("備前", BY_GRAMS),
            ("-", BY_GRAMS),
            ("備前焼", BY_TRIGRAMS),
            ("cup", BY_TRIGRAMS),
            ("a b c", BY_GRAMS),
            ("---", BY_GRAMS),
            ("🍵🍵🍵", BY_GRAMS),
        ] {
            assert_eq!(contains(term).0, condition, "{term}");
        }
    }

    #[test]
    fn a_term_of_accents_alone_finds_nothing_and_is_refused() {
        assert!(SearchTerm::from_parameter("\u{301}").is_err());
        assert_eq!(
            SearchTerm::from_parameter(" Café ").unwrap(),
            SearchTerm { folded: "cafe".to_owned(), folded_before: None }
        );
    }

    #[test]
    fn characters_count_once_they_are_folded() {
        assert!(SearchTerm::from_parameter(&"e\u{301}\u{323}".repeat(64)).is_ok());
        for too_long in ["e".repeat(65), "ﷺ".repeat(10)] {
            assert!(SearchTerm::from_parameter(&too_long).unwrap_err().contains("after folding"));
        }
    }
}
