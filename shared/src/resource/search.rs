//! Searches: the term, and what it finds.

use serde::Serialize;
use utoipa::{
    IntoParams,
    openapi::path::{Parameter, ParameterIn},
};

use super::Resource;
use crate::{
    App, Operation,
    contract::required_query,
    db::{Select, value::Value},
    http::{FromParameter, Reply, Request, Result},
    text::{self, Kind},
};

/// The longest term, in characters.
const MAX_CHARACTERS: usize = 64;

/// What is searched for: 1 to 64 characters, folded as the search keys are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchTerm(String);

impl SearchTerm {
    /// A LIKE pattern for texts that contain the term, whatever characters it has.
    fn contains_pattern(&self) -> String {
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
struct Found<T> {
    #[serde(skip)]
    rank: i32,
    resource: T,
}

impl App {
    /// The reply of `operation` to `request`: a page of what a term finds, best match first.
    ///
    /// # Errors
    /// 400 with all faults of the query, or for a cursor that is none of this search; 503 when the database cannot answer.
    pub async fn search<T: Resource>(&self, request: &Request, operation: &Operation) -> Result<Reply> {
        let mut query = request.query();
        let term: Option<SearchTerm> = query.required("q");
        let page = query.page(operation.name);
        query.finish()?;
        let term = term.unwrap_or_default();

        let (search, order) = T::statements().search();
        let pattern = term.contains_pattern();
        let mut select = Select::with(search, vec![Value::Text(term.0), Value::Text(pattern)]);
        let position = page.position(&self.cursor_keys, |json: Vec<serde_json::Value>| {
            let (rank, position) = json.split_first()?;
            let rank = Value::Int4(rank.as_i64()?.try_into().ok()?);
            Some([vec![rank], order.read(position)?].concat())
        })?;
        if let Some(position) = position {
            select.filter(&order.after, position);
        }
        select.end(&order.by, vec![Value::Int8(page.rows())]);
        let rows = self.database.read(select.sql(), &select.parameters()).await?;

        let found = rows.iter().map(|row| {
            let rank = row.try_get("rank").map_err(crate::db::Error::from)?;
            Ok(Found { rank, resource: T::read(row)? })
        });
        let found = found.collect::<Result<Vec<_>>>()?;
        page.reply(request, &self.cursor_keys, found, |last| {
            [vec![Value::Int4(last.rank)], order.position(&last.resource)].concat()
        })
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
        assert_eq!(SearchTerm::from_parameter(" Café ").unwrap(), SearchTerm("cafe".to_owned()));
    }
}
