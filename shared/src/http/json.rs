//! JSON values from clients. Numbers keep their exact value: JSON does not limit them (RFC 8259, section 6),
//! and a double would round.

use std::{collections::BTreeMap, fmt, marker::PhantomData, str::FromStr};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Result;

/// How deep arrays and objects may be nested; bounds the stack.
const MAX_DEPTH: usize = 127;

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object; the last of repeated names wins.
    Object(BTreeMap<String, Json>),
}

/// A number in canonical form: sign, significant digits without leading and trailing zeros, and a decimal
/// exponent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    is_negative: bool,
    digits: String,
    zeros: i64,
}

impl Json {
    /// Whether the value is `null`.
    pub fn is_null(&self) -> bool {
        *self == Self::Null
    }

    /// The string, if the value is one.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// The integer, if the value is one that fits; however it is written: `100.0` and `1e2` are 100.
    pub fn as_i64(&self) -> Option<i64> {
        if let Self::Number(number) = self { number.as_i64() } else { None }
    }

    /// Parses `raw`, which is nested in `depth` arrays and objects.
    pub(super) fn read(raw: &RawValue, depth: usize) -> Result<Self, serde_json::Error> {
        let text = raw.get();
        let first = text.as_bytes().first();
        if matches!(first, Some(b'[' | b'{')) && depth >= MAX_DEPTH {
            return Err(serde::de::Error::custom("arrays and objects are nested too deep"));
        }
        let read = |raw: &RawValue| Self::read(raw, depth + 1);
        Ok(match first {
            Some(b'"') => Self::String(serde_json::from_str(text)?),
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(text)?;
                Self::Array(items.into_iter().map(read).collect::<Result<_, _>>()?)
            }
            Some(b'{') => {
                let Entries(entries) = serde_json::from_str(text)?;
                let entries = entries.into_iter().map(|(name, value)| Ok((name, read(value)?)));
                Self::Object(entries.collect::<Result<_, serde_json::Error>>()?)
            }
            Some(b't' | b'f') => Self::Bool(serde_json::from_str(text)?),
            Some(b'n') => Self::Null,
            _ => Self::Number(Number::read(text)),
        })
    }

    /// Writes the value as canonical text: equal for equal values.
    pub(super) fn write_canonical(&self, text: &mut String) {
        match self {
            Self::Null => text.push_str("null"),
            Self::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
            Self::Number(number) => text.push_str(&number.canonical()),
            Self::String(value) => write_string(value, text),
            Self::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    text.push(if index == 0 { '[' } else { ',' });
                    item.write_canonical(text);
                }
                text.push_str(if items.is_empty() { "[]" } else { "]" });
            }
            Self::Object(entries) => write_canonical_object(entries, text),
        }
    }
}

/// Writes an object like [`Json::write_canonical`], in the order of `entries`.
pub(super) fn write_canonical_object<'a>(
    entries: impl IntoIterator<Item = (&'a String, &'a Json)>,
    text: &mut String,
) {
    text.push('{');
    for (index, (name, value)) in entries.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        write_string(name, text);
        text.push(':');
        value.write_canonical(text);
    }
    text.push('}');
}

fn write_string(value: &str, text: &mut String) {
    text.push_str(&serde_json::Value::from(value).to_string());
}

impl Number {
    /// Parses `text`, which is a well-formed number.
    fn read(text: &str) -> Self {
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{integer}{fraction}");
        let significant = digits.trim_end_matches('0');
        let trailing = digits.len() - significant.len();
        let digits = significant.trim_start_matches('0');
        if digits.is_empty() {
            return Self { is_negative: false, digits: String::new(), zeros: 0 };
        }
        // An exponent of twenty digits might as well be infinite.
        let infinite = if exponent.starts_with('-') { i64::MIN } else { i64::MAX };
        let exponent = exponent.parse().unwrap_or(infinite);
        let length = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
        let zeros = exponent.saturating_sub(length(fraction.len())).saturating_add(length(trailing));
        Self { is_negative, digits: digits.to_owned(), zeros }
    }

    /// The decimal digits, if the number is an integer of at most 20 digits.
    fn integer(&self) -> Option<String> {
        const MAX_DIGITS: usize = 20;
        let zeros = usize::try_from(self.zeros)
            .ok()
            .filter(|zeros| self.digits.len() + zeros.min(&MAX_DIGITS) <= MAX_DIGITS)?;
        let sign = if self.is_negative { "-" } else { "" };
        let digits = if self.digits.is_empty() { "0" } else { &self.digits };
        Some(format!("{sign}{digits}{}", "0".repeat(zeros)))
    }

    fn as_i64(&self) -> Option<i64> {
        self.integer()?.parse().ok()
    }

    fn canonical(&self) -> String {
        let Self { is_negative, digits, zeros } = self;
        self.integer().unwrap_or_else(|| format!("{}{digits}e{zeros}", if *is_negative { "-" } else { "" }))
    }
}

/// Parses a text as one JSON value.
impl FromStr for Json {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, serde_json::Error> {
        Self::read(serde_json::from_str(text)?, 0)
    }
}

/// An object's entries in order, including repeated names.
pub(super) struct Entries<'a>(pub(super) Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object<'a>(PhantomData<&'a ()>);

        impl<'de: 'a, 'a> Visitor<'de> for Object<'a> {
            type Value = Entries<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'a>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(Object(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(text: &str) -> String {
        let mut canonical = String::new();
        text.parse::<Json>().unwrap().write_canonical(&mut canonical);
        canonical
    }

    #[test]
    fn an_integer_is_one_however_it_is_written() {
        for (text, integer) in [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("-0.0e7", Some(0)),
            ("0e999999999999999999999", Some(0)),
            ("100", Some(100)),
            ("100.0", Some(100)),
            ("1e2", Some(100)),
            ("1E+2", Some(100)),
            ("1000e-1", Some(100)),
            ("0.0001e6", Some(100)),
            ("-1.5e1", Some(-15)),
            ("9007199254740993.0", Some(9_007_199_254_740_993)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9.223372036854775807e18", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("18446744073709551615", None),
            ("1.5", None),
            ("0.99999999999999999999", None),
            ("100.00000000000000000001", None),
            ("1e-999", None),
            ("1e19", None),
            ("1e999", None),
            ("-1e999", None),
            ("1e99999999999999999999", None),
            ("1e-99999999999999999999", None),
            ("\"100\"", None),
            ("true", None),
        ] {
            assert_eq!(text.parse::<Json>().unwrap().as_i64(), integer, "{text}");
        }
        let digits = "9".repeat(400);
        assert_eq!(digits.parse::<Json>().unwrap().as_i64(), None);
        let zeros = format!("7.{}", "0".repeat(400));
        assert_eq!(zeros.parse::<Json>().unwrap().as_i64(), Some(7));
    }

    #[test]
    fn equal_values_have_one_text() {
        for (one, other, are_equal) in [
            ("1", "1.0", true),
            ("100", "1e2", true),
            ("-0", "0", true),
            ("0.1", "1e-1", true),
            ("1e400", "10E399", true),
            ("0.1", "0.10000000000000000001", false),
            ("9007199254740993", "9007199254740992", false),
            ("1", "-1", false),
            ("1", "\"1\"", false),
            ("[1, []]", "[1.0,[]]", true),
            ("[1, []]", "[1, {}]", false),
            ("[[1],[2]]", "[[1,2]]", false),
            (r#"{"a": 1, "b": [null, true]}"#, r#"{"b":[null,true],"a":1}"#, true),
            (r#"{"a": {"b": 1}}"#, r#"{"a": {"b": 1, "c": 1}}"#, false),
            (r#""\u0061""#, r#""a""#, true),
        ] {
            assert_eq!(canonical(one) == canonical(other), are_equal, "{one} {other}");
        }
        assert_eq!(canonical(r#"{"price": 1e2, "name": "器\n"}"#), r#"{"name":"器\n","price":100}"#);
    }

    #[test]
    fn is_nested_as_deep_as_the_stack_can_bear() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth)).parse::<Json>();
        assert!(nested(MAX_DEPTH).is_ok());
        assert!(nested(MAX_DEPTH + 1).is_err());
        assert!(nested(20_000).is_err());
    }

    proptest! {
        #[test]
        fn integers_keep_their_value(number: i64, zeros in 0..5_usize) {
            prop_assert_eq!(number.to_string().parse::<Json>().unwrap().as_i64(), Some(number));
            let written = format!("{number}.{}", "0".repeat(zeros + 1));
            prop_assert_eq!(written.parse::<Json>().unwrap().as_i64(), Some(number));
            prop_assert_eq!(canonical(&written), number.to_string());
        }
    }
}
