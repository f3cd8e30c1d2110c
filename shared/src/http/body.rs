//! JSON bodies, read member by member so that a client learns all faults at once.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
};

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Value, error::Category};

use super::{Fault, Problem, Result};

/// A type that checks and makes itself of a JSON value: parsed at the edge, valid ever after.
pub trait FromJson: Sized {
    /// Makes a value of `value`, which is never null.
    ///
    /// # Errors
    /// The fact that is wrong, fit for a client: "must be a string".
    fn from_json(value: &Value) -> Result<Self, String>;
}

/// A member of a merge patch (RFC 7396): absent, null and a value are three things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Patch<T> {
    /// Leave it as it is.
    Absent,
    /// Remove it.
    Null,
    /// Set it.
    Value(T),
}

/// The members of a JSON object that are still to be read, and the faults found so far.
#[derive(Debug)]
pub struct Members {
    members: Vec<(String, Value)>,
    faults: Vec<Fault>,
}

impl Members {
    /// Parses `body` as a JSON object.
    ///
    /// # Errors
    /// 400 when it is not JSON, 422 when it is not an object.
    pub fn parse(body: &[u8]) -> Result<Self> {
        let members = serde_json::from_slice::<Object>(body).map_err(|error| refuse(body, &error))?.0;
        let mut faults = Vec::new();
        // Sets, since a body has room for thousands of names.
        let (mut names, mut repeated) = (HashSet::with_capacity(members.len()), HashSet::new());
        for (name, _) in &members {
            if !names.insert(name.as_str()) && repeated.insert(name.as_str()) {
                faults.push(Fault::member(name, "must not appear more than once"));
            }
        }
        Ok(Self { members, faults })
    }

    /// The member `name`, which must be there and not null.
    pub fn required<T: FromJson>(&mut self, name: &str) -> Option<T> {
        match self.take(name) {
            Some(value) => self.read(name, &value),
            None => self.fault(name, "is required"),
        }
    }

    /// The member `name`, or the default when it is absent.
    pub fn or_default<T: FromJson + Default>(&mut self, name: &str) -> Option<T> {
        match self.take(name) {
            Some(value) => self.read(name, &value),
            None => Some(T::default()),
        }
    }

    /// The member `name`, where null and absence mean none.
    pub fn nullable<T: FromJson>(&mut self, name: &str) -> Option<T> {
        match self.take(name) {
            None | Some(Value::Null) => None,
            Some(value) => self.read(name, &value),
        }
    }

    /// The member `name` of a merge patch.
    pub fn patch<T: FromJson>(&mut self, name: &str) -> Patch<T> {
        match self.take(name) {
            None => Patch::Absent,
            Some(Value::Null) => Patch::Null,
            Some(value) => self.read(name, &value).map_or(Patch::Absent, Patch::Value),
        }
    }

    /// The member `name` of a merge patch, for a member that cannot be removed.
    pub fn patch_required<T: FromJson>(&mut self, name: &str) -> Option<T> {
        match self.patch(name) {
            Patch::Absent => None,
            Patch::Null => self.fault(name, "must not be null: it cannot be removed"),
            Patch::Value(value) => Some(value),
        }
    }

    /// The member `name` of a merge patch, for a member that has a default when it is removed.
    pub fn patch_or_default<T: FromJson + Default>(&mut self, name: &str) -> Option<T> {
        match self.patch(name) {
            Patch::Absent => None,
            Patch::Null => Some(T::default()),
            Patch::Value(value) => Some(value),
        }
    }

    /// Ends the reading, and makes the value of what was read. Members that were not read are unknown, or in
    /// `read_only`.
    ///
    /// # Errors
    /// 422 with all faults, when there are any; then `value` may well be none.
    pub fn finish<T>(mut self, read_only: &[&str], value: impl FnOnce() -> Option<T>) -> Result<T> {
        let mut names = HashSet::with_capacity(self.members.len());
        for (name, _) in &self.members {
            if names.insert(name) {
                let detail =
                    if read_only.contains(&name.as_str()) { "is read-only" } else { "is not a known member" };
                self.faults.push(Fault::member(name, detail));
            }
        }
        match value() {
            Some(value) if self.faults.is_empty() => Ok(value),
            _ => Err(Problem::invalid_body(self.faults)),
        }
    }

    /// The members as JSON that is equal for equal contents.
    pub(super) fn canonical(&self) -> String {
        let sorted: BTreeMap<_, _> = self.members.iter().map(|(name, value)| (name, value)).collect();
        // Values of JSON can always be written as JSON.
        serde_json::to_string(&sorted).unwrap_or_default()
    }

    /// The names of all members, repeated ones included.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(name, _)| name.as_str())
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        let index = self.members.iter().position(|(member, _)| member == name)?;
        let (_, value) = self.members.remove(index);
        self.members.retain(|(member, _)| member != name);
        Some(value)
    }

    fn read<T: FromJson>(&mut self, name: &str, value: &Value) -> Option<T> {
        let result = if value.is_null() { Err("must not be null".to_owned()) } else { T::from_json(value) };
        match result {
            Ok(value) => Some(value),
            Err(detail) => self.fault(name, detail),
        }
    }

    fn fault<T>(&mut self, name: &str, detail: impl Into<String>) -> Option<T> {
        self.faults.push(Fault::member(name, detail));
        None
    }
}

/// The problem of a body that is not a JSON object.
fn refuse(body: &[u8], error: &serde_json::Error) -> Problem {
    // A value of another type is refused at its first byte: what follows may still be malformed.
    match (error.classify(), serde_json::from_slice::<IgnoredAny>(body)) {
        (Category::Data, Ok(_)) => Problem::invalid_body(vec![Fault::body("must be a JSON object")]),
        (Category::Data, Err(error)) => Problem::malformed_body(error.to_string()),
        _ => Problem::malformed_body(error.to_string()),
    }
}

/// An object's members in order, repeated names included.
struct Object(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    members.push(entry);
                }
                Ok(Object(members))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Text;

    impl FromJson for Text {
        fn from_json(value: &Value) -> Result<Self, String> {
            value.as_str().map(|_| Self).ok_or_else(|| "must be a string".to_owned())
        }
    }

    fn faults(body: &str) -> String {
        let mut members = Members::parse(body.as_bytes()).unwrap();
        members.required::<Text>("name");
        members.patch_required::<Text>("title");
        format!("{:?}", members.finish(&["id"], || Some(())).unwrap_err())
    }

    #[test]
    fn reports_all_faults_at_once_with_their_pointers() {
        let faults = faults(r#"{"name": 1, "title": null, "id": 2, "a/b": 3}"#);
        for expected in [
            "/name",
            "must be a string",
            "/title",
            "cannot be removed",
            "is read-only",
            "/a~1b",
            "not a known",
        ] {
            assert!(faults.contains(expected), "{expected} is missing in {faults}");
        }
    }

    #[test]
    fn refuses_repeated_names() {
        let faults = faults(r#"{"name": "a", "name": "b"}"#);
        assert!(faults.contains("must not appear more than once"), "{faults}");
    }

    #[test]
    fn tells_malformed_from_invalid() {
        for (body, status) in [
            ("", 400),
            ("{", 400),
            ("{\"a\": 1,}", 400),
            ("[1,", 400),
            ("{\"a\": \"\\ud800\"}", 400),
            ("{} {}", 400),
            ("[]", 422),
            ("null", 422),
            ("\"text\"", 422),
        ] {
            assert_eq!(Members::parse(body.as_bytes()).unwrap_err().status(), status, "{body}");
        }
        assert_eq!(Members::parse(b"{\"a\": \"\xff\"}").unwrap_err().status(), 400);
    }
}
