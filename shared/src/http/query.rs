//! Query and path parameters. All errors in a query are reported at once. An unknown parameter is an error,
//! because ignoring a misspelt filter would return the wrong list.

use std::collections::HashSet;

use super::{FieldError, PageRequest, Problem, Result};

/// A type that can be parsed from a parameter's decoded text.
pub trait FromParameter: Sized {
    /// Parses `text`.
    ///
    /// # Errors
    /// What is wrong, as a message for the client: "must be a UUID".
    fn from_parameter(text: &str) -> Result<Self, String>;
}

/// The query parameters that have not been read yet, and the errors found so far.
#[derive(Debug)]
pub struct Query<'a> {
    parameters: &'a [(String, String)],
    known: Vec<&'static str>,
    faults: Vec<FieldError>,
}

impl<'a> Query<'a> {
    pub(super) fn new(parameters: &'a [(String, String)]) -> Self {
        Self { parameters, known: Vec::new(), faults: Vec::new() }
    }

    /// The parameter `name`; `None` if it is absent or invalid.
    pub fn optional<T: FromParameter>(&mut self, name: &'static str) -> Option<T> {
        self.optional_as(name, T::from_parameter)
    }

    /// The parameter `name`, parsed from its decoded text by `read`; `None` if it is absent or invalid. The
    /// client gets the error that `read` returns.
    pub fn optional_as<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.known.push(name);
        let mut values = self.parameters.iter().filter(|(key, _)| key == name).map(|(_, value)| value);
        let value = values.next()?;
        if values.next().is_some() {
            self.faults.push(FieldError::parameter(name, "must not appear more than once"));
            return None;
        }
        match read(value) {
            Ok(value) => Some(value),
            Err(detail) => {
                self.faults.push(FieldError::parameter(name, detail));
                None
            }
        }
    }

    /// The required parameter `name`; `None` if it is absent or invalid.
    pub fn required<T: FromParameter>(&mut self, name: &'static str) -> Option<T> {
        if !self.parameters.iter().any(|(key, _)| key == name) {
            self.known.push(name);
            self.faults.push(FieldError::parameter(name, "is required"));
            return None;
        }
        self.optional(name)
    }

    /// The parameters `limit` and `cursor` of a list. A cursor is bound to `operation` and to all other
    /// parameters.
    pub fn page(&mut self, operation: &str) -> PageRequest {
        self.page_with_any(&[], operation)
    }

    /// The same with a cursor that is not bound to the parameters `free`.
    pub fn page_with_any(&mut self, free: &[&str], operation: &str) -> PageRequest {
        let limit = self.optional("limit").unwrap_or_default();
        let cursor = self.optional("cursor");
        let is_bound = |key: &str| !["limit", "cursor"].contains(&key) && !free.contains(&key);
        let mut bound: Vec<_> = self.parameters.iter().filter(|(key, _)| is_bound(key)).collect();
        bound.sort();
        PageRequest::new(limit, cursor, format!("{operation} {bound:?}"))
    }

    /// Finishes parsing.
    ///
    /// # Errors
    /// 400 with all errors, including unknown parameters.
    pub fn finish(mut self) -> Result<()> {
        let mut unknown = HashSet::new();
        for (name, _) in self.parameters {
            if !self.known.contains(&name.as_str()) && unknown.insert(name) {
                self.faults.push(FieldError::parameter(name, "is not a known parameter"));
            }
        }
        self.ignore_others()
    }

    /// Ends the reading without reporting unknown parameters, for operations that have always ignored them.
    ///
    /// # Errors
    /// 400 with all errors.
    pub fn ignore_others(self) -> Result<()> {
        if self.faults.is_empty() { Ok(()) } else { Err(Problem::invalid_parameters(self.faults)) }
    }
}

impl FromParameter for String {
    fn from_parameter(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl FromParameter for uuid::Uuid {
    /// The hyphenated form only, so that a resource has only one URL.
    fn from_parameter(text: &str) -> Result<Self, String> {
        match Self::try_parse(text) {
            Ok(id) if text.len() == uuid::fmt::Hyphenated::LENGTH => Ok(id),
            _ => Err("must be a UUID".to_owned()),
        }
    }
}
