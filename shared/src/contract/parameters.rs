//! The parameters that operations share.

use utoipa::{
    IntoParams, PartialSchema,
    openapi::{
        ObjectBuilder, RefOr, Required, Schema, SchemaFormat,
        path::{Parameter, ParameterBuilder, ParameterIn},
    },
};

use crate::{history::Reason, http::Limit, text::text};

/// A list of entity tags as [`Preconditions`](crate::http::Preconditions) parses it (RFC 9110, section
/// 13.1.1).
const ENTITY_TAGS: &str = r#"^(\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*")*)$"#;

const DATE: &str = "Sat, 21 Nov 2026 09:30:00 GMT";
const TAG: &str = "\"01936b5e7c007000800000000000000a.3.1\"";

/// Preconditions of a read: 304 if nothing has changed.
#[derive(Debug)]
pub struct Revalidation;

impl IntoParams for Revalidation {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![
            tags("If-None-Match", "304 if the representation matches one of these tags (weak comparison)."),
            header(
                "If-Modified-Since",
                "304 if the resource has not changed since this HTTP date. Ignored if If-None-Match is present or the date is invalid.",
                text(),
                DATE,
            ),
            tags("If-Match", "412 unless the representation matches one of these tags (strong comparison)."),
            header(
                "If-Unmodified-Since",
                "412 if the resource has changed since this HTTP date. Ignored if If-Match is present or the date is invalid.",
                text(),
                DATE,
            ),
        ]
    }
}

/// Preconditions of a write: 412 if the resource has changed in the meantime.
#[derive(Debug)]
pub struct Conditions;

impl IntoParams for Conditions {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![
            tags(
                "If-Match",
                "412 unless the current version matches one of these tags, which prevents lost updates. Required (428) if the service is configured so.",
            ),
            header(
                "If-Unmodified-Since",
                "412 if the resource has changed since this HTTP date. Ignored if If-Match is present or the date is invalid.",
                text(),
                DATE,
            ),
            tags("If-None-Match", "412 if the current version matches one of these tags."),
        ]
    }
}

/// The key that makes a POST safe to retry.
#[derive(Debug)]
pub struct IdempotencyKey;

impl IntoParams for IdempotencyKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let key = text().pattern(Some("^[!-~]([ -~]{0,253}[!-~])?$"));
        vec![header(
            "Idempotency-Key",
            "A key chosen by the client, such as a UUID. For 24 hours, a repeated request with the same key and body has no further effect and gets the response of the first.",
            key,
            "8e03978e-40d5-43e8-bc93-6894a57f9324",
        )]
    }
}

/// The reason for a write.
#[derive(Debug)]
pub struct AuditReason;

impl IntoParams for AuditReason {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description = "The reason for the change, recorded in the history: one line of text in UTF-8. Clients that can send \
            only ASCII, such as browsers, Node.js and most libraries, use an extended value of RFC 8187: \
            `UTF-8''Caf%C3%A9%20ferm%C3%A9` is `Café fermé`.";
        let reason = parameter(ParameterIn::Header, "X-Audit-Reason", description, Reason::schema());
        vec![reason.example(Some("New prices from December on".into())).build()]
    }
}

/// The page of a list.
#[derive(Debug)]
pub struct Paging;

impl IntoParams for Paging {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let cursor = text().pattern(Some("^[A-Za-z0-9_-]+$")).build();
        vec![
            query(
                "limit",
                "The maximum number of items per page. Values over 100 are treated as 100.",
                Limit::schema(),
            ),
            query(
                "cursor",
                "The `next_cursor` of the previous page, with the same filters and order.",
                cursor,
            ),
        ]
    }
}

/// An optional query parameter.
pub fn query(name: &str, description: &str, schema: impl Into<RefOr<Schema>>) -> Parameter {
    parameter(ParameterIn::Query, name, description, schema).build()
}

/// A required query parameter, with an example.
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
