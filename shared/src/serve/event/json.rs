//! JSON that is read leniently: each value is looked into when it is asked for, and counts as absent where it is of
//! another kind than the one asked for. So no member can be in the way of a reader that does not need it.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// A value as it is written; nothing if there is none.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Json<'a>(&'a str);

impl<'a> Json<'a> {
    /// The text, borrowed unless it has escape sequences. What cannot be a `str`, an unpaired surrogate, is replaced.
    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        if !inner.contains('\\') {
            return Some(Cow::Borrowed(inner));
        }
        serde_json::from_str(self.0).ok().map(|Text(text)| text)
    }

    /// The text unless it is blank, or the number with all of its digits.
    pub(super) fn name(self) -> Option<Cow<'a, str>> {
        let is_number = self.0.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        let name = if is_number { Some(Cow::Borrowed(self.0)) } else { self.text() };
        name.filter(|name| !name.trim().is_empty())
    }

    /// The texts of a list, or the text alone.
    pub(super) fn texts(self) -> impl Iterator<Item = Cow<'a, str>> {
        // Most lists have one text, and most texts no escape sequences: no need to take them apart.
        let only = self.0.strip_prefix("[\"").and_then(|rest| rest.strip_suffix("\"]"));
        let only = only.filter(|only| !only.contains(['"', '\\'])).map(Cow::Borrowed).or_else(|| self.text());
        let is_list = only.is_none() && self.0.starts_with('[');
        let several: Vec<&RawValue> =
            if is_list { serde_json::from_str(self.0).unwrap_or_default() } else { Vec::new() };
        only.into_iter().chain(several.into_iter().filter_map(|value| Json(value.get()).text()))
    }

    /// The object, empty unless it is one.
    pub(super) fn object(self) -> Object<'a> {
        Object::parse(self.0).unwrap_or_default()
    }

    /// The value as it is written.
    pub(super) fn as_written(self) -> &'a str {
        self.0
    }
}

/// An object's members in order: a few are faster to walk than to hash.
#[derive(Debug, Clone, Default)]
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

impl<'a> Object<'a> {
    /// The object that `json` is, if it is one.
    pub(super) fn parse(json: &'a str) -> Option<Self> {
        // An error would be put into words first, and most members that are no object are null.
        if !json.trim_start().starts_with('{') {
            return None;
        }
        serde_json::from_str(json).ok()
    }

    /// The value of a member; of repeated ones the last.
    pub(super) fn get(&self, name: &str) -> Json<'a> {
        self.0.iter().rev().find(|(known, _)| known == name).map_or_else(Json::default, |(_, value)| *value)
    }

    /// The object that is the value of a member, empty unless it is one.
    pub(super) fn object(&self, name: &str) -> Self {
        self.get(name).object()
    }

    pub(super) fn has_members(&self) -> bool {
        !self.0.is_empty()
    }

    pub(super) fn members(&self) -> impl Iterator<Item = (&str, Json<'a>)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), *value))
    }
}

impl<'a> IntoIterator for Object<'a> {
    type Item = (Cow<'a, str>, Json<'a>);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor<'a>(PhantomData<&'a ()>);

        impl<'de: 'a, 'a> Visitor<'de> for MembersVisitor<'a> {
            type Value = Object<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'a>, A::Error> {
                let mut members = Vec::with_capacity(16);
                while let Some((Text(name), value)) = map.next_entry::<Text<'a>, &'a RawValue>()? {
                    members.push((name, Json(value.get())));
                }
                Ok(Object(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor(PhantomData))
    }
}

/// Text that is read as bytes, which may have unpaired surrogates: as text, one of them would condemn the whole object.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_bytes<E: de::Error>(self, bytes: &'de [u8]) -> Result<Text<'de>, E> {
                Ok(Text(String::from_utf8_lossy(bytes)))
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(String::from_utf8_lossy(bytes).into_owned())))
            }
        }

        deserializer.deserialize_bytes(TextVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_what_it_is_asked_for_or_absent() {
        for (json, text, name, texts) in [
            ("", None, None, &[][..]),
            ("null", None, None, &[]),
            ("true", None, None, &[]),
            ("-7", None, Some("-7"), &[]),
            ("12345678901234567890123", None, Some("12345678901234567890123"), &[]),
            ("1e999", None, Some("1e999"), &[]),
            (r#""""#, Some(""), None, &[""]),
            (r#"" ""#, Some(" "), None, &[" "]),
            (r#""湯呑""#, Some("湯呑"), Some("湯呑"), &["湯呑"]),
            (r#""a\"\u6e6f\n""#, Some("a\"湯\n"), Some("a\"湯\n"), &["a\"湯\n"]),
            (r#""\ud83d\ude00""#, Some("😀"), Some("😀"), &["😀"]),
            (
                r#""a\ud83d""#,
                Some("a\u{fffd}\u{fffd}\u{fffd}"),
                Some("a\u{fffd}\u{fffd}\u{fffd}"),
                &["a\u{fffd}\u{fffd}\u{fffd}"],
            ),
            (r#"["a", 1, null, ["b"], "c"]"#, None, None, &["a", "c"]),
            (r#"{"a": "b"}"#, None, None, &[]),
        ] {
            let value = Json(json);
            assert_eq!(value.text().as_deref(), text, "{json}");
            assert_eq!(value.name().as_deref(), name, "{json}");
            assert_eq!(value.texts().collect::<Vec<_>>(), texts, "{json}");
        }
    }

    #[test]
    fn an_object_is_read_whatever_its_members_are() {
        let depth = 10_000;
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let json = format!(r#"{{"a": {deep}, "b\ud800": 1, "n": 1e999, "s": "\udc00", "c": "1", "c": "2"}}"#);
        let object = Object::parse(&json).unwrap();
        assert_eq!(object.get("c").text().as_deref(), Some("2"));
        assert_eq!(object.get("a").as_written(), deep);
        assert!(!object.object("a").has_members() && !object.object("none").has_members());
        for other in ["", "[]", "null", "7", r#""{}""#, "{", r#"{"a"}"#] {
            assert!(Object::parse(other).is_none(), "{other}");
        }
    }
}
