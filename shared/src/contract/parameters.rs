//! The parameters that operations share.

use utoipa::{
    IntoParams, PartialSchema,
    openapi::{
        ObjectBuilder, RefOr, Required, Schema, SchemaFormat,
        path::{Parameter, ParameterBuilder, ParameterIn},
    },
};

use crate::{history::Reason, http::Limit, text::text};

/// An entity tag list as [`Preconditions`](crate::http::Preconditions) reads it (RFC 9110, section 13.1.1).
const ENTITY_TAGS: &str = r#"^(\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*")*)$"#;

const DATE: &str = "Sat, 21 Nov 2026 09:30:00 GMT";
const TAG: &str = "\"01936b5e7c007000800000000000000a.3.1\"";

/// Conditions of a read: 304 when nothing has changed.
#[derive(Debug)]
pub struct Revalidation;

impl IntoParams for Revalidation {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![
            tags("If-None-Match", "304 if the representation has one of these tags (weak comparison)."),
            header(
                "If-Modified-Since",
                "304 if it was not changed after this HTTP date. Ignored beside If-None-Match, and where it is no date.",
                text(),
                DATE,
            ),
            tags("If-Match", "412 unless the representation has one of these tags (strong comparison)."),
            header(
                "If-Unmodified-Since",
                "412 if it was changed after this HTTP date. Ignored beside If-Match, and where it is no date.",
                text(),
                DATE,
            ),
        ]
    }
}

/// Conditions of a write: 412 when another was faster.
#[derive(Debug)]
pub struct Conditions;

impl IntoParams for Conditions {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![
            tags(
                "If-Match",
                "412 unless the current version has one of these tags: no update is lost. Required (428) where the service is set up so.",
            ),
            header(
                "If-Unmodified-Since",
                "412 if it was changed after this HTTP date. Ignored beside If-Match, and where it is no date.",
                text(),
                DATE,
            ),
            tags("If-None-Match", "412 if the current version has one of these tags."),
        ]
    }
}

/// The key of a POST that may be repeated.
#[derive(Debug)]
pub struct IdempotencyKey;

impl IntoParams for IdempotencyKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let key = text().pattern(Some("^[!-~]([ -~]{0,253}[!-~])?$"));
        vec![header(
            "Idempotency-Key",
            "A key of the caller's own choice, such as a UUID. For 24 hours the same key and body have one effect, and are answered what the first request was.",
            key,
            "8e03978e-40d5-43e8-bc93-6894a57f9324",
        )]
    }
}

/// Why a write is made.
#[derive(Debug)]
pub struct AuditReason;

impl IntoParams for AuditReason {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description = "Why, for the history of what is changed: one line of text in UTF-8. Where a client can send \
            nothing but ASCII, as browsers, Node.js and most libraries do, an extended value of RFC 8187: \
            `UTF-8''Caf%C3%A9%20ferm%C3%A9` is `Café fermé`.";
        let reason = parameter(ParameterIn::Header, "X-Audit-Reason", description, Reason::schema());
        vec![reason.example(Some("New prices from December on".into())).build()]
    }
}

/// Which page of a list.
#[derive(Debug)]
pub struct Paging;

impl IntoParams for Paging {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let cursor = text().pattern(Some("^[A-Za-z0-9_-]+$")).build();
        vec![
            query("limit", "Items of a page. More than 100 is taken as 100.", Limit::schema()),
            query("cursor", "`next_cursor` of the page before, for the same filters and order.", cursor),
        ]
    }
}

/// A query parameter that may be left out.
pub fn query(name: &str, description: &str, schema: impl Into<RefOr<Schema>>) -> Parameter {
    parameter(ParameterIn::Query, name, description, schema).build()
}

/// A query parameter that must be there, with an example.
pub fn required_query(
    name: &str,
    description: &str,
    schema: impl Into<RefOr<Schema>>,
    example: &str,
) -> Parameter {
    let parameter = parameter(ParameterIn::Query, name, description, schema);
    parameter.required(Required::True).example(Some(example.into())).build()
}

fn parameter(
    place: ParameterIn,
    name: &str,
    description: &str,
    schema: impl Into<RefOr<Schema>>,
) -> ParameterBuilder {
    let parameter = ParameterBuilder::new().name(name).parameter_in(place).required(Required::False);
    parameter.description(Some(description)).schema(Some(schema))
}

fn tags(name: &str, description: &str) -> Parameter {
    let format = SchemaFormat::Custom("entity-tags".to_owned());
    header(name, description, text().format(Some(format)).pattern(Some(ENTITY_TAGS)), TAG)
}

fn header(name: &str, description: &str, schema: ObjectBuilder, example: &str) -> Parameter {
    parameter(ParameterIn::Header, name, description, schema.build()).example(Some(example.into())).build()
}
