//! JSON bodies, parsed field by field so that the client gets all errors at once.

use std::collections::{BTreeMap, HashSet};

use serde::de::IgnoredAny;

use super::{
    FieldError, Json, Problem, Result,
    json::{Entries, write_canonical_object},
};

/// The fields of a JSON object that have not been read yet, and the errors found so far.
#[derive(Debug)]
pub struct JsonObject {
    members: Vec<(String, Json)>,
    faults: Vec<FieldError>,
}

impl JsonObject {
    /// Parses `body` as a JSON object.
    ///
    /// # Errors
    /// 400 if it is not JSON, 422 if it is not an object.
    pub fn parse(body: &[u8]) -> Result<Self> {
        let body =
            std::str::from_utf8(body).map_err(|_| Problem::malformed_body("The body is not UTF-8."))?;
        let Entries(entries) = serde_json::from_str(body).map_err(|error| refuse(body, &error))?;
        let read = |(name, value)| match Json::read(value, 1) {
            Ok(value) => Ok((name, value)),
            // Drop the position, which is relative to the value.
            Err(error) => Err(Problem::malformed_body(without_place(&error))),
        };
        let members = entries.into_iter().map(read).collect::<Result<Vec<_>>>()?;
        let mut faults = Vec::new();
        // Hash sets, because a body may have thousands of names.
        let (mut names, mut repeated) = (HashSet::with_capacity(members.len()), HashSet::new());
        for (name, _) in &members {
            if !names.insert(name.as_str()) && repeated.insert(name.as_str()) {
                faults.push(FieldError::field(name, "must not appear more than once"));
            }
        }
        Ok(Self { members, faults })
    }

    /// Takes the field `name`; `None` if it is absent.
    pub fn take(&mut self, name: &str) -> Option<Json> {
        let index = self.members.iter().position(|(member, _)| member == name)?;
        let (_, value) = self.members.remove(index);
        self.members.retain(|(member, _)| member != name);
        Some(value)
    }

    /// Records an error of the field `name`. `detail` completes "The field ...": "must not be empty".
    pub fn refuse(&mut self, name: &str, detail: impl Into<String>) {
        self.faults.push(FieldError::field(name, detail));
    }

    /// Finishes parsing and builds the value. The remaining fields are unknown, or read-only if they are in
    /// `read_only`.
    ///
    /// # Errors
    /// 422 with all errors, if there are any; `value` may then return `None`.
    pub fn finish<T>(mut self, read_only: &[&str], value: impl FnOnce() -> Option<T>) -> Result<T> {
        let mut names = HashSet::with_capacity(self.members.len());
        for (name, _) in &self.members {
            if names.insert(name) {
                let detail =
                    if read_only.contains(&name.as_str()) { "is read-only" } else { "is not a known field" };
                self.faults.push(FieldError::field(name, detail));
            }
        }
        match value() {
            Some(value) if self.faults.is_empty() => Ok(value),
            _ => Err(Problem::invalid_body(self.faults)),
        }
    }

    /// The fields as canonical JSON: equal for equal contents.
    pub(super) fn canonical(&self) -> String {
        let sorted: BTreeMap<_, _> = self.members.iter().map(|(name, value)| (name, value)).collect();
        let mut text = String::new();
        write_canonical_object(sorted, &mut text);
        text
    }

    /// The names of all fields, including repeated ones.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(name, _)| name.as_str())
    }
}

/// The problem for a body that is not a JSON object.
fn refuse(body: &str, error: &serde_json::Error) -> Problem {
    // A value of another type is rejected at its first byte: the rest may still be malformed.
    match serde_json::from_str::<IgnoredAny>(body) {
        Ok(_) if !body.trim_start().starts_with('{') => {
            Problem::invalid_body(vec![FieldError::body("must be a JSON object")])
        }
        Ok(_) => Problem::malformed_body(error.to_string()),
        Err(error) => Problem::malformed_body(error.to_string()),
    }
}

/// The message of `error` without its position.
fn without_place(error: &serde_json::Error) -> String {
    let said = error.to_string();
    said.split(" at line ").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(body: &str) -> String {
        let mut members = JsonObject::parse(body.as_bytes()).unwrap();
        members.take("name");
        members.take("title");
        members.refuse("title", "must be short");
        format!("{:?}", members.finish(&["id"], || Some(())).unwrap_err())
    }

    #[test]
    fn reports_all_faults_at_once_with_their_pointers() {
        let faults = faults(r#"{"name": 1, "title": null, "id": 2, "a/b": 3}"#);
        for expected in ["/title", "must be short", "is read-only", "/a~1b", "not a known"] {
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
            assert_eq!(JsonObject::parse(body.as_bytes()).unwrap_err().status(), status, "{body}");
        }
        for not_utf8 in [&b"{\"a\": \"\xff\"}"[..], b"[\"\xff\"]", b"\xff"] {
            assert_eq!(JsonObject::parse(not_utf8).unwrap_err().status(), 400);
        }
        // JSON does not limit numbers: each field checks its own.
        for number in ["1e999", "-1e999", "1e-999", &"9".repeat(400)] {
            for body in [format!("{{\"a\": {number}}}"), format!("{{\"a\": [{{\"b\": {number}}}]}}")] {
                assert!(JsonObject::parse(body.as_bytes()).is_ok(), "{body}");
            }
        }
    }
}
