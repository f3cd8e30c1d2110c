//! Query and path parameters. All faults of a query are told at once; a parameter that no one reads is a fault,
//! since a misspelt filter that is silently ignored answers another question.

use std::collections::HashSet;

use super::{Fault, PageRequest, Problem, Result};

/// A type that checks and makes itself of a parameter's decoded text.
pub trait FromParameter: Sized {
    /// Makes a value of `text`.
    ///
    /// # Errors
    /// The fact that is wrong, fit for a client: "must be a UUID".
    fn from_parameter(text: &str) -> Result<Self, String>;
}

/// The query parameters that are still to be read, and the faults found so far.
#[derive(Debug)]
pub struct Query<'a> {
    parameters: &'a [(String, String)],
    known: Vec<&'static str>,
    faults: Vec<Fault>,
}

impl<'a> Query<'a> {
    pub(super) fn new(parameters: &'a [(String, String)]) -> Self {
        Self { parameters, known: Vec::new(), faults: Vec::new() }
    }

    /// The parameter `name`, if it is there.
    pub fn optional<T: FromParameter>(&mut self, name: &'static str) -> Option<T> {
        self.optional_as(name, T::from_parameter)
    }

    /// The parameter `name`, if it is there, as `read` makes it of its decoded text. What `read` says is wrong with it is
    /// told to the client.
    pub fn optional_as<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.known.push(name);
        let mut values = self.parameters.iter().filter(|(key, _)| key == name).map(|(_, value)| value);
        let value = values.next()?;
        if values.next().is_some() {
            self.faults.push(Fault::parameter(name, "must not appear more than once"));
            return None;
        }
        match read(value) {
            Ok(value) => Some(value),
            Err(detail) => {
                self.faults.push(Fault::parameter(name, detail));
                None
            }
        }
    }

    /// The parameter `name`, which must be there.
    pub fn required<T: FromParameter>(&mut self, name: &'static str) -> Option<T> {
        if !self.parameters.iter().any(|(key, _)| key == name) {
            self.known.push(name);
            self.faults.push(Fault::parameter(name, "is required"));
            return None;
        }
        self.optional(name)
    }

    /// The parameters `limit` and `cursor` of a list. A cursor is bound to `operation` and to all parameters
    /// besides these two.
    pub fn page(&mut self, operation: &str) -> PageRequest {
        let limit = self.optional("limit").unwrap_or_default();
        let cursor = self.optional("cursor");
        let mut bound: Vec<_> =
            self.parameters.iter().filter(|(key, _)| key != "limit" && key != "cursor").collect();
        bound.sort();
        PageRequest::new(limit, cursor, format!("{operation} {bound:?}"))
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// 400 with all faults, parameters that no one has read among them.
    pub fn finish(mut self) -> Result<()> {
        let mut unknown = HashSet::new();
        for (name, _) in self.parameters {
            if !self.known.contains(&name.as_str()) && unknown.insert(name) {
                self.faults.push(Fault::parameter(name, "is not a known parameter"));
            }
        }
        if self.faults.is_empty() { Ok(()) } else { Err(Problem::invalid_parameters(self.faults)) }
    }
}

impl FromParameter for String {
    fn from_parameter(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl FromParameter for uuid::Uuid {
    /// The hyphenated form only: one resource has one address.
    fn from_parameter(text: &str) -> Result<Self, String> {
        match Self::try_parse(text) {
            Ok(id) if text.len() == uuid::fmt::Hyphenated::LENGTH => Ok(id),
            _ => Err("must be a UUID".to_owned()),
        }
    }
}
