//! Searches: the term, and what it finds.

use serde::Serialize;
use utoipa::{
    IntoParams,
    openapi::path::{Parameter, ParameterIn},
};

use crate::{
    contract::required_query,
    db::{self, Row},
    http::FromParameter,
    text::{self, Kind},
};

/// The longest term, in characters.
const MAX_CHARACTERS: usize = 64;

/// What is searched for: 1 to 64 characters, folded as the search keys are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchTerm(String);

impl SearchTerm {
    /// The folded term.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A LIKE pattern for texts that contain the term, whatever characters it has.
    pub fn contains_pattern(&self) -> String {
        format!("%{}%", self.0.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"))
    }
}

impl IntoParams for SearchTerm {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let schema = text::line_schema(MAX_CHARACTERS).build();
        let description = "What names contain. Width, case and accents do not matter.";
        vec![required_query("q", description, schema, "備前")]
    }
}

impl FromParameter for SearchTerm {
    fn from_parameter(text: &str) -> Result<Self, String> {
        let folded = text::fold(&text::clean(text, Kind::Line, 1, MAX_CHARACTERS)?);
        if folded.is_empty() { Err("must have something to search for".to_owned()) } else { Ok(Self(folded)) }
    }
}

/// A resource that was found and how well it matches: 0 exactly, 1 at its start, 2 anywhere.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Found<T> {
    /// How well it matches.
    #[serde(skip)]
    pub rank: i32,
    /// The resource.
    pub resource: T,
}

impl<T> Found<T> {
    /// What was found by a row that has the resource's columns and `rank`.
    ///
    /// # Errors
    /// When a column is missing or has another type.
    pub fn from_row(
        row: &Row,
        resource: impl FnOnce(&Row) -> Result<T, db::Error>,
    ) -> Result<Self, db::Error> {
        Ok(Self { rank: row.try_get("rank")?, resource: resource(row)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_in_a_term_stand_for_themselves() {
        assert_eq!(SearchTerm(r"100%_\".to_owned()).contains_pattern(), r"%100\%\_\\%");
    }

    #[test]
    fn a_term_of_accents_alone_finds_nothing_and_is_refused() {
        assert!(SearchTerm::from_parameter("\u{301}").is_err());
        assert_eq!(SearchTerm::from_parameter(" Café ").unwrap().as_str(), "cafe");
    }
}
