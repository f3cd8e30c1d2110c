//! Lenient JSON: a value is only examined when it is used, and counts as absent if it has another type than
//! requested. So an unexpected member cannot fail code that does not use it.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, Visitor},
};

use super::scan::{self, Kind, Node};

/// A parsed JSON text.
pub(super) struct Document<'a> {
    json: &'a str,
    nodes: Vec<Node>,
}

impl<'a> Document<'a> {
    /// Parses `json`; `None` if it is malformed.
    pub(super) fn parse(json: &'a str) -> Option<Self> {
        Some(Self { json, nodes: scan::nodes(json)? })
    }

    /// The top-level value.
    pub(super) fn value(&self) -> Json<'_> {
        Json { json: self.json, nodes: &self.nodes }
    }
}

/// A JSON value, or nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Json<'a> {
    json: &'a str,
    /// The node of the value, followed by the nodes of its contents.
    nodes: &'a [Node],
}

impl<'a> Json<'a> {
    fn kind(self) -> Option<Kind> {
        self.nodes.first().map(|node| node.kind)
    }

    /// The string, borrowed unless it has escape sequences. Unpaired surrogates, which a `str` cannot
    /// contain, are replaced.
    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        self.nodes.first()?.text(self.json)
    }

    /// The string unless it is blank, or the digits of a number as written.
    pub(super) fn name(self) -> Option<Cow<'a, str>> {
        let is_number = self.kind() == Some(Kind::Number);
        let name = if is_number { Some(Cow::Borrowed(self.as_written())) } else { self.text() };
        name.filter(|name| !name.trim().is_empty())
    }

    /// The strings of a list, or a single string.
    pub(super) fn texts(self) -> impl Iterator<Item = Cow<'a, str>> {
        let values = match self.kind() {
            Some(Kind::List) => Values { json: self.json, rest: self.nodes.get(1..).unwrap_or_default() },
            _ => Values { json: self.json, rest: self.nodes },
        };
        values.filter_map(Json::text)
    }

    /// The object; empty if the value is not one.
    pub(super) fn object(self) -> Object<'a> {
        let members = match self.kind() {
            Some(Kind::Object) => self.nodes.get(1..).unwrap_or_default(),
            _ => &[],
        };
        Object(Values { json: self.json, rest: members })
    }

    /// The value as written.
    pub(super) fn as_written(self) -> &'a str {
        self.nodes.first().map_or("", |node| node.of(self.json))
    }
}

/// Consecutive values.
#[derive(Debug, Clone, Copy, Default)]
struct Values<'a> {
    json: &'a str,
    rest: &'a [Node],
}

impl<'a> Iterator for Values<'a> {
    type Item = Json<'a>;

    fn next(&mut self) -> Option<Json<'a>> {
        let (nodes, rest) = self.rest.split_at_checked(self.rest.first()?.len())?;
        self.rest = rest;
        Some(Json { json: self.json, nodes })
    }
}

/// The members of an object, in order.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Object<'a>(Values<'a>);

impl<'a> Object<'a> {
    /// The value of a member; the last one if the name is repeated.
    pub(super) fn get(&self, name: &str) -> Json<'a> {
        let Values { json, rest: nodes } = self.0;
        let mut found = Json::default();
        let mut at = 0;
        while let (Some(known), Some(value)) = (nodes.get(at), nodes.get(at + 1)) {
            let end = at + 1 + value.len();
            if known.is_text(json, name) {
                found = Json { json, nodes: nodes.get(at + 1..end).unwrap_or_default() };
            }
            at = end;
        }
        found
    }

    /// The object in a member; empty if it is not one.
    pub(super) fn object(&self, name: &str) -> Self {
        self.get(name).object()
    }

    pub(super) fn has_members(&self) -> bool {
        !self.0.rest.is_empty()
    }

    /// The members' names and values.
    pub(super) fn members(&self) -> impl Iterator<Item = (Cow<'a, str>, Json<'a>)> + use<'a> {
        let mut values = self.0;
        std::iter::from_fn(move || Some((values.next()?.text()?, values.next()?)))
    }
}

impl Node {
    fn text<'a>(&self, json: &'a str) -> Option<Cow<'a, str>> {
        let written = self.of(json);
        match self.kind {
            Kind::Plain => written.get(1..written.len() - 1).map(Cow::Borrowed),
            Kind::Escaped => serde_json::from_str(written).ok().map(|Text(text)| text),
            _ => None,
        }
    }

    /// Whether this is the string `text`.
    fn is_text(&self, json: &str, text: &str) -> bool {
        match self.kind {
            // Most names differ in length.
            Kind::Plain => self.bytes() == text.len() + 2 && self.of(json).get(1..=text.len()) == Some(text),
            Kind::Escaped => self.text(json).is_some_and(|own| own == text),
            _ => false,
        }
    }
}

/// A string deserialised from bytes, because it may contain unpaired surrogates, for which serde_json would
/// reject the whole object.
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
            let document = Document::parse(json);
            let value = document.as_ref().map_or_else(Json::default, Document::value);
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
        let document = Document::parse(&json).unwrap();
        let object = document.value().object();
        assert_eq!(object.get("c").text().as_deref(), Some("2"));
        assert_eq!(object.get("a").as_written(), deep);
        assert!(!object.object("a").has_members() && !object.object("none").has_members());
        for other in ["[]", "null", "7", r#""{}""#] {
            assert!(!Document::parse(other).unwrap().value().object().has_members(), "{other}");
        }
        for other in ["", "{", r#"{"a"}"#] {
            assert!(Document::parse(other).is_none(), "{other}");
        }
    }
}
