//! Text as the catalogue stores and searches it: NFC, without control characters, and folded for search.

use serde_json::Value;
use unicode_normalization::{UnicodeNormalization, is_nfc};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type, schema::SchemaType},
};

use crate::http::{FromJson, FromParameter};

/// One line of 1 to `MAX` characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<const MAX: usize>(String);

/// Paragraphs of 0 to `MAX` characters; empty by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paragraphs<const MAX: usize>(String);

impl<const MAX: usize> From<Line<MAX>> for String {
    fn from(line: Line<MAX>) -> Self {
        line.0
    }
}

impl<const MAX: usize> From<Paragraphs<MAX>> for String {
    fn from(paragraphs: Paragraphs<MAX>) -> Self {
        paragraphs.0
    }
}

impl<const MAX: usize> FromParameter for Line<MAX> {
    fn from_parameter(text: &str) -> Result<Self, String> {
        clean(text, Kind::Line, 1, MAX).map(Self)
    }
}

impl<const MAX: usize> FromJson for Line<MAX> {
    fn from_json(value: &Value) -> Result<Self, String> {
        Self::from_parameter(value.as_str().ok_or("must be a string")?)
    }
}

impl<const MAX: usize> FromJson for Paragraphs<MAX> {
    fn from_json(value: &Value) -> Result<Self, String> {
        clean(value.as_str().ok_or("must be a string")?, Kind::Paragraphs, 0, MAX).map(Self)
    }
}

impl<const MAX: usize> PartialSchema for Line<MAX> {
    fn schema() -> RefOr<Schema> {
        line_schema(MAX).into()
    }
}

impl<const MAX: usize> ToSchema for Line<MAX> {}

impl<const MAX: usize> PartialSchema for Paragraphs<MAX> {
    fn schema() -> RefOr<Schema> {
        let text = text().pattern(Some(PARAGRAPHS)).max_length(Some(MAX));
        text.description(Some(format!("0 to {MAX} characters; newlines and tabs are allowed.")))
            .build()
            .into()
    }
}

impl<const MAX: usize> ToSchema for Paragraphs<MAX> {}

/// What [`clean`] accepts as [`Kind::Paragraphs`], as a pattern of ECMA-262, the length apart.
const PARAGRAPHS: &str = r"^([^\u0000-\u0008\u000b-\u001f\u007f-\u009f]|\r\n)*$";

/// The schema of what [`clean`] accepts as a [`Kind::Line`] of 1 to `max` characters. A pattern says the length, since
/// white space around the text does not count.
pub(crate) fn line_schema(max: usize) -> ObjectBuilder {
    let description = format!("1 to {max} characters, without those of white space around them.");
    text().pattern(Some(line_pattern(max))).description(Some(description))
}

fn line_pattern(max: usize) -> String {
    const CONTROL: &str = r"\u0000-\u001f\u007f-\u009f";
    let between = max.saturating_sub(2);
    format!(r"^[^\S{CONTROL}]*[^\s{CONTROL}]([^{CONTROL}]{{0,{between}}}[^\s{CONTROL}])?[^\S{CONTROL}]*$")
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String))
}

/// What a text may contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One line: no control character is allowed, surrounding white space is trimmed.
    Line,
    /// Several lines: newlines and tabs are allowed, CR LF becomes a newline, nothing is trimmed.
    Paragraphs,
}

/// Normalises `input` to NFC and checks it.
///
/// Returns the text as it is stored, with at most `max` characters (Unicode scalar values) and at least `min`.
///
/// # Errors
/// The fact that is wrong, fit for a client.
pub fn clean(input: &str, kind: Kind, min: usize, max: usize) -> Result<String, String> {
    let mut text = if is_nfc(input) { input.to_owned() } else { input.nfc().collect() };
    if kind == Kind::Paragraphs && text.contains("\r\n") {
        text = text.replace("\r\n", "\n");
    }
    let allowed = |c: char| !c.is_control() || (kind == Kind::Paragraphs && matches!(c, '\n' | '\t'));
    if let Some(refused) = text.chars().find(|&c| !allowed(c)) {
        return Err(format!("must not contain the control character U+{:04X}", u32::from(refused)));
    }
    if kind == Kind::Line {
        text = text.trim().to_owned();
    }
    let length = text.chars().count();
    match (length, min, max) {
        (0, 1.., _) => Err("must not be empty".to_owned()),
        (length, min, max) if length < min || length > max => {
            Err(format!("must have {min} to {max} characters, not {length}"))
        }
        _ => Ok(text),
    }
}

/// Folds `text` for search: width (NFKC), case and Latin accents disappear, so that `ｶｯﾌﾟ` is `カップ` and
/// `Café` is `cafe`. Folding a folded text changes nothing.
///
/// Only the marks U+0300 to U+036F are dropped: the Japanese voicing marks distinguish words.
pub fn fold(text: &str) -> String {
    let lower: String = text.nfkc().flat_map(char::to_lowercase).collect();
    lower.nfd().filter(|c| !matches!(c, '\u{300}'..='\u{36f}')).nfkc().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keeps_a_line_in_nfc_without_surrounding_space() {
        assert_eq!(clean("  か\u{3099}らす \u{3000}", Kind::Line, 1, 200), Ok("がらす".to_owned()));
    }

    #[test]
    fn names_the_control_character_it_refuses() {
        for (input, kind) in
            [("a\0b", Kind::Line), ("a\nb", Kind::Line), ("a\u{85}b", Kind::Line), ("a\0b", Kind::Paragraphs)]
        {
            let error = clean(input, kind, 0, 10).unwrap_err();
            assert!(error.starts_with("must not contain the control character U+00"), "{error}");
        }
    }

    #[test]
    fn paragraphs_keep_newlines_and_tabs() {
        assert_eq!(clean(" a\r\nb\tc\n", Kind::Paragraphs, 0, 10), Ok(" a\nb\tc\n".to_owned()));
    }

    #[test]
    fn counts_characters_and_not_bytes() {
        assert!(clean(&"器".repeat(200), Kind::Line, 1, 200).is_ok());
        assert_eq!(
            clean(&"器".repeat(201), Kind::Line, 1, 200),
            Err("must have 1 to 200 characters, not 201".to_owned())
        );
        assert_eq!(clean("  ", Kind::Line, 1, 200), Err("must not be empty".to_owned()));
    }

    #[test]
    fn folds_width_case_and_accents_but_not_kana_marks() {
        for (input, folded) in [
            ("ｶｯﾌﾟ", "カップ"),
            ("Café", "cafe"),
            ("ＡＢＣ", "abc"),
            ("ガラス", "ガラス"),
            ("Straße", "straße"),
            ("İstanbul", "istanbul"),
        ] {
            assert_eq!(fold(input), folded);
            assert_eq!(fold(&fold(input)), fold(input));
        }
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(text in "\\PC{0,40}") {
            prop_assert_eq!(fold(&fold(&text)), fold(&text));
        }

        /// What the contract promises of a text is what is accepted; a text that is not in NFC may come out shorter.
        #[test]
        fn the_patterns_of_the_contract_accept_what_is_accepted(
            text in r"([ \t\n\r\u{85}\u{3000}a-c器\x00]|\r\n){0,12}",
        ) {
            let pattern = |pattern: &str| regex::Regex::new(pattern).unwrap();
            prop_assert_eq!(pattern(&line_pattern(5)).is_match(&text), clean(&text, Kind::Line, 1, 5).is_ok());
            prop_assert_eq!(pattern(PARAGRAPHS).is_match(&text), clean(&text, Kind::Paragraphs, 0, 99).is_ok());
        }

        #[test]
        fn cleaning_twice_changes_nothing(text in ".{0,40}") {
            for kind in [Kind::Line, Kind::Paragraphs] {
                if let Ok(cleaned) = clean(&text, kind, 0, 100) {
                    prop_assert_eq!(clean(&cleaned, kind, 0, 100), Ok(cleaned.clone()));
                }
            }
        }
    }
}
