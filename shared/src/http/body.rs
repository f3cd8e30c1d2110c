//! JSON bodies, read member by member so that a client learns all faults at once.

use std::collections::{BTreeMap, HashSet};

use serde::de::IgnoredAny;

use super::{
    Fault, Json, Problem, Result,
    json::{Entries, write_canonical_object},
};

/// A type that checks and makes itself of a JSON value: parsed at the edge, valid ever after.
pub trait FromJson: Sized {
    /// Makes a value of `value`, which is never null.
    ///
    /// # Errors
    /// The fact that is wrong, fit for a client: "must be a string".
    fn from_json(value: &Json) -> Result<Self, String>;
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
    members: Vec<(String, Json)>,
    faults: Vec<Fault>,
}

impl Members {
    /// Parses `body` as a JSON object.
    ///
    /// # Errors
    /// 400 when it is not JSON, 422 when it is not an object.
    pub fn parse(body: &[u8]) -> Result<Self> {
        let body =
            std::str::from_utf8(body).map_err(|_| Problem::malformed_body("The body is not UTF-8."))?;
        let Entries(entries) = serde_json::from_str(body).map_err(|error| refuse(body, &error))?;
        let read = |(name, value)| match Json::read(value, 1) {
            Ok(value) => Ok((name, value)),
            // The error's line and column are those of the value.
            Err(error) => Err(Problem::malformed_body(without_place(&error))),
        };
        let members = entries.into_iter().map(read).collect::<Result<Vec<_>>>()?;
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
            None | Some(Json::Null) => None,
            Some(value) => self.read(name, &value),
        }
    }

    /// The member `name` of a merge patch.
    pub fn patch<T: FromJson>(&mut self, name: &str) -> Patch<T> {
        match self.take(name) {
            None => Patch::Absent,
            Some(Json::Null) => Patch::Null,
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
        let mut text = String::new();
        write_canonical_object(sorted, &mut text);
        text
    }

    /// The names of all members, repeated ones included.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(name, _)| name.as_str())
    }

    fn take(&mut self, name: &str) -> Option<Json> {
        let index = self.members.iter().position(|(member, _)| member == name)?;
        let (_, value) = self.members.remove(index);
        self.members.retain(|(member, _)| member != name);
        Some(value)
    }

    fn read<T: FromJson>(&mut self, name: &str, value: &Json) -> Option<T> {
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
fn refuse(body: &str, error: &serde_json::Error) -> Problem {
    // A value of another type is refused at its first byte: what follows may still be malformed.
    match serde_json::from_str::<IgnoredAny>(body) {
        Ok(_) if !body.trim_start().starts_with('{') => {
            Problem::invalid_body(vec![Fault::body("must be a JSON object")])
        }
        Ok(_) => Problem::malformed_body(error.to_string()),
        Err(error) => Problem::malformed_body(error.to_string()),
    }
}

/// What `error` says, without where.
fn without_place(error: &serde_json::Error) -> String {
    let said = error.to_string();
    said.split(" at line ").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Text;

    impl FromJson for Text {
        fn from_json(value: &Json) -> Result<Self, String> {
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
            ("{\"a\": [\"\\ud800\"]}", 400),
            ("{\"\\ud800\": 1}", 400),
            ("{\"a\": 1e}", 400),
            ("{\"a\": 01}", 400),
            ("1e", 400),
            ("1e999", 422),
            ("[1e999]", 422),
            ("{} {}", 400),
            ("[]", 422),
            ("null", 422),
            ("\"text\"", 422),
        ] {
            assert_eq!(Members::parse(body.as_bytes()).unwrap_err().status(), status, "{body}");
        }
        for not_utf8 in [&b"{\"a\": \"\xff\"}"[..], b"[\"\xff\"]", b"\xff"] {
            assert_eq!(Members::parse(not_utf8).unwrap_err().status(), 400);
        }
        // JSON sets no limits to numbers: what is wrong with them is up to their members.
        for number in ["1e999", "-1e999", "1e-999", &"9".repeat(400)] {
            for body in [format!("{{\"a\": {number}}}"), format!("{{\"a\": [{{\"b\": {number}}}]}}")] {
                assert!(Members::parse(body.as_bytes()).is_ok(), "{body}");
            }
        }
    }
}
