//! Text as the service stores and searches it: in NFC, without control characters that affect the surrounding
//! text. Searches compare the folded text (`fold.rs`).

mod fold;

use icu_properties::{CodePointSetData, props::DefaultIgnorableCodePoint};
use serde::{Deserialize, Serialize};
use unicode_normalization::{UnicodeNormalization, is_nfc};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type, schema::SchemaType},
};

pub use self::fold::{FOLDING, FOLDINGS, Folding, fold};
use crate::http::FromParameter;

/// A line of 1 to `MAX` characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Line<const MAX: usize>(String);

/// Paragraphs of 0 to `MAX` characters; empty by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Paragraphs<const MAX: usize>(String);

impl<const MAX: usize> Line<MAX> {
    /// A line read from a row, without validation.
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }

    /// The line as a string slice.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> Paragraphs<MAX> {
    /// Paragraphs read from a row, without validation.
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }

    /// Validates and normalises a text.
    ///
    /// # Errors
    /// What is wrong, as a message for the client.
    pub fn new(text: &str) -> Result<Self, String> {
        clean(text, TextKind::Paragraphs, 0, MAX).map(Self)
    }

    /// The text as a string slice.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> From<Line<MAX>> for String {
    fn from(line: Line<MAX>) -> Self {
        line.0
    }
}

impl<const MAX: usize> FromParameter for Line<MAX> {
    fn from_parameter(text: &str) -> Result<Self, String> {
        clean(text, TextKind::Line, 1, MAX).map(Self)
    }
}

impl<const MAX: usize> PartialSchema for Line<MAX> {
    fn schema() -> RefOr<Schema> {
        line_schema(MAX).into()
    }
}

impl<const MAX: usize> ToSchema for Line<MAX> {}

/// An ECMA-262 pattern for what [`clean`] accepts as [`TextKind::Paragraphs`], except for the length.
const PARAGRAPHS: &str = r"^([^\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202d\u202e]|\r\n)*$";

/// The schema for what [`clean`] accepts as [`TextKind::Paragraphs`] of at most `max` characters.
pub(crate) fn paragraphs_schema(max: usize) -> ObjectBuilder {
    text().pattern(Some(PARAGRAPHS)).max_length(Some(max)).description(Some(format!(
        "0 to {max} characters; newlines and tabs are allowed, directional overrides are not."
    )))
}

/// The schema for what [`clean`] accepts as a [`TextKind::Line`] of 1 to `max` characters. The pattern limits the
/// length, because surrounding white space does not count. That at least one character must be visible cannot
/// be expressed in a pattern that all clients support.
pub(crate) fn line_schema(max: usize) -> ObjectBuilder {
    let description =
        format!("1 to {max} characters, not counting surrounding white space; at least one must be visible.");
    text().pattern(Some(line_pattern(max))).description(Some(description))
}

fn line_pattern(max: usize) -> String {
    const CONTROL: &str = r"\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069";
    let between = max.saturating_sub(2);
    format!(r"^[^\S{CONTROL}]*[^\s{CONTROL}]([^{CONTROL}]{{0,{between}}}[^\s{CONTROL}])?[^\S{CONTROL}]*$")
}

/// The schema of any string.
pub(crate) fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String))
}

/// The kind of a text, which determines the allowed characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKind {
    /// One line: no control characters, no line or paragraph separators, and no characters that change the
    /// direction of the surrounding text. Surrounding white space is trimmed.
    Line,
    /// Several lines: newlines, tabs, separators, and directional marks and isolates, which prose in Hebrew
    /// or Arabic needs. Only directional overrides, which reorder letters, are not allowed. CR LF becomes a
    /// newline; nothing is trimmed.
    Paragraphs,
}

impl TextKind {
    /// The name of the disallowed character `c`; `None` if texts of this kind may contain it.
    fn refuses(self, c: char) -> Option<&'static str> {
        match (c, self) {
            ('\n' | '\t', Self::Paragraphs) => None,
            (c, _) if c.is_control() => Some("control character"),
            ('\u{202d}' | '\u{202e}', _) => Some("directional override"),
            (_, Self::Paragraphs) => None,
            ('\u{2028}', Self::Line) => Some("line separator"),
            ('\u{2029}', Self::Line) => Some("paragraph separator"),
            ('\u{202a}'..='\u{202c}' | '\u{2066}'..='\u{2069}', Self::Line) => Some("directional control"),
            (_, Self::Line) => None,
        }
    }
}

/// Whether `c` is invisible on its own. Next to other characters it may matter: joiners and variation
/// selectors are part of emoji and of words in Persian and Hindi.
fn is_invisible(c: char) -> bool {
    // Blank or annotation characters for which Unicode has no property.
    let is_blank = matches!(
        c,
        '\u{2800}' | '\u{fff9}'..='\u{fffb}' | '\u{13430}'..='\u{13442}' | '\u{16fe4}' | '\u{1d159}'
    );
    c.is_whitespace() || is_blank || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

/// Normalises `input` to NFC and validates it.
///
/// Returns the text to be stored, with `min` to `max` characters (Unicode scalar values).
///
/// # Errors
/// What is wrong, as a message for the client.
pub fn clean(input: &str, kind: TextKind, min: usize, max: usize) -> Result<String, String> {
    let mut text = if is_nfc(input) { input.to_owned() } else { input.nfc().collect() };
    if kind == TextKind::Paragraphs && text.contains("\r\n") {
        text = text.replace("\r\n", "\n");
    }
    if let Some((c, name)) = text.chars().find_map(|c| Some((c, kind.refuses(c)?))) {
        return Err(format!("must not contain the {name} U+{:04X}", u32::from(c)));
    }
    if kind == TextKind::Line {
        text = text.trim().to_owned();
    }
    let length = text.chars().count();
    match (length, min, max) {
        (0, 1.., _) => Err("must not be empty".to_owned()),
        (length, min, max) if length < min || length > max => {
            Err(format!("must have {min} to {max} characters, not {length}"))
        }
        _ if min > 0 && text.chars().all(is_invisible) => {
            Err("must not be empty: none of its characters is visible".to_owned())
        }
        _ => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keeps_a_line_in_nfc_without_surrounding_space() {
        assert_eq!(clean("  か\u{3099}らす \u{3000}", TextKind::Line, 1, 200), Ok("がらす".to_owned()));
    }

    #[test]
    fn names_the_control_character_it_refuses() {
        for (input, kind) in [
            ("a\0b", TextKind::Line),
            ("a\nb", TextKind::Line),
            ("a\u{85}b", TextKind::Line),
            ("a\0b", TextKind::Paragraphs),
        ] {
            let error = clean(input, kind, 0, 10).unwrap_err();
            assert!(error.starts_with("must not contain the control character U+00"), "{error}");
        }
    }

    #[test]
    fn a_line_ends_nowhere_and_turns_nothing_around() {
        for (c, line, paragraphs) in [
            ('\u{2028}', Some("line separator"), None),
            ('\u{2029}', Some("paragraph separator"), None),
            ('\u{202a}', Some("directional control"), None),
            ('\u{202b}', Some("directional control"), None),
            ('\u{202c}', Some("directional control"), None),
            ('\u{202d}', Some("directional override"), Some("directional override")),
            ('\u{202e}', Some("directional override"), Some("directional override")),
            ('\u{2066}', Some("directional control"), None),
            ('\u{2069}', Some("directional control"), None),
            ('\u{200e}', None, None),
            ('\u{200f}', None, None),
            ('\u{202f}', None, None),
            ('\u{2065}', None, None),
            ('\u{206a}', None, None),
        ] {
            for text in [format!("a{c}b"), format!("{c}ab"), format!("ab{c}")] {
                for (kind, name) in [(TextKind::Line, line), (TextKind::Paragraphs, paragraphs)] {
                    let error =
                        name.map(|name| format!("must not contain the {name} U+{:04X}", u32::from(c)));
                    assert_eq!(clean(&text, kind, 1, 10).err(), error, "{text:?} {kind:?}");
                }
            }
        }
    }

    #[test]
    fn a_line_of_invisible_characters_is_empty() {
        for c in [
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{115f}',
            '\u{1160}',
            '\u{17b4}',
            '\u{180b}',
            '\u{180e}',
            '\u{200b}',
            '\u{200c}',
            '\u{200d}',
            '\u{200e}',
            '\u{200f}',
            '\u{2060}',
            '\u{2063}',
            '\u{206f}',
            '\u{2800}',
            '\u{3164}',
            '\u{fe00}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{fff9}',
            '\u{1d159}',
            '\u{1d173}',
            '\u{e0001}',
            '\u{e0041}',
            '\u{e0100}',
            '\u{e0fff}',
        ] {
            for text in
                [c.to_string(), format!("{c}{c}{c}"), format!(" {c} {c} "), format!("\u{200b}{c}\u{2060}")]
            {
                let error = clean(&text, TextKind::Line, 1, 100).unwrap_err();
                assert!(error.starts_with("must not be empty"), "{text:?}: {error}");
                assert!(clean(&text, TextKind::Paragraphs, 0, 100).is_ok(), "{text:?}");
            }
            let text = format!("a{c}");
            assert_eq!(clean(&text, TextKind::Line, 1, 100), Ok(text));
        }
    }

    /// Joiners, variation selectors and tags are legitimate parts of a text.
    #[test]
    fn keeps_what_is_invisible_within_a_text() {
        for text in [
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "👩\u{200d}🎨",
            "❤\u{fe0f}",
            "葛\u{e0100}城",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            "ᠮᠣᠩ\u{180b}",
            "co\u{ad}operate",
        ] {
            assert_eq!(clean(text, TextKind::Line, 1, 100), Ok(text.to_owned()));
        }
    }

    #[test]
    fn paragraphs_keep_newlines_and_tabs() {
        assert_eq!(clean(" a\r\nb\tc\n", TextKind::Paragraphs, 0, 10), Ok(" a\nb\tc\n".to_owned()));
    }

    #[test]
    fn counts_characters_and_not_bytes() {
        assert!(clean(&"器".repeat(200), TextKind::Line, 1, 200).is_ok());
        assert_eq!(
            clean(&"器".repeat(201), TextKind::Line, 1, 200),
            Err("must have 1 to 200 characters, not 201".to_owned())
        );
        assert_eq!(clean("  ", TextKind::Line, 1, 200), Err("must not be empty".to_owned()));
    }

    proptest! {
        /// The patterns in the API contract match the validation; a text that is not in NFC may become
        /// shorter.
        #[test]
        fn the_patterns_of_the_contract_accept_what_is_accepted(
            text in r"([ \t\n\r\u{85}\u{3000}\u{2027}-\u{202f}\u{2066}\u{2069}a-c器\x00]|\r\n){0,12}",
        ) {
            let pattern = |pattern: &str| regex::Regex::new(pattern).unwrap();
            prop_assert_eq!(pattern(&line_pattern(5)).is_match(&text), clean(&text, TextKind::Line, 1, 5).is_ok());
            prop_assert_eq!(pattern(PARAGRAPHS).is_match(&text), clean(&text, TextKind::Paragraphs, 0, 99).is_ok());
        }

        #[test]
        fn the_patterns_of_the_contract_accept_no_less_than_is_accepted(text in "[\u{0}-\u{10ffff}]{0,9}") {
            let pattern = |pattern: &str| regex::Regex::new(pattern).unwrap();
            if clean(&text, TextKind::Line, 1, 5).is_ok() {
                // Composed, because a text may have more characters before.
                prop_assert!(pattern(&line_pattern(5)).is_match(&text.nfc().collect::<String>()));
            }
            if clean(&text, TextKind::Paragraphs, 0, 99).is_ok() {
                prop_assert!(pattern(PARAGRAPHS).is_match(&text));
            }
        }

        #[test]
        fn cleaning_twice_changes_nothing(text in ".{0,40}") {
            for kind in [TextKind::Line, TextKind::Paragraphs] {
                if let Ok(cleaned) = clean(&text, kind, 0, 100) {
                    prop_assert_eq!(clean(&cleaned, kind, 0, 100), Ok(cleaned.clone()));
                }
            }
        }
    }
}
