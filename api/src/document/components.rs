//! The components that operations refer to: responses, their headers, the security scheme.

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use shared::{
    Operation,
    contract::Example,
    http::{CarriedOut, FieldError, MAX_BODY_BYTES, PROBLEM_TYPES, ProblemBody, ProblemType},
};
use utoipa::ToSchema;

use super::contents::{Content, Contents};

/// All components; resources have links to `operations`.
pub(super) fn components(operations: &[&Operation], contents: &Contents) -> Value {
    json!({
        "schemas": schemas(contents),
        "responses": responses(operations, contents),
        "headers": headers(),
        "securitySchemes": {
            "sigv4": {
                "type": "apiKey",
                "name": "Authorization",
                "in": "header",
                "x-amazon-apigateway-authtype": "awsSigv4",
                "description": SIGV4,
            },
        },
    })
}

const SIGV4: &str = "AWS Signature Version 4 for the service `execute-api` (AWS_IAM): every AWS SDK, botocore, awscurl \
    and curl's `--aws-sigv4` sign like this. On the API's own `/docs` page, enter `ACCESS_KEY_ID:SECRET_ACCESS_KEY`, or \
    `ACCESS_KEY_ID:SECRET_ACCESS_KEY:SESSION_TOKEN` with temporary credentials: the page signs each call in your browser, \
    the secret key never leaves it, and a reload forgets it.";

fn schemas(contents: &Contents) -> Map<String, Value> {
    let mut schemas = contents.schemas.clone();
    add::<ProblemBody<'_>>(&mut schemas);
    add::<FieldError>(&mut schemas);
    add::<CarriedOut>(&mut schemas);
    add::<get_health::Health>(&mut schemas);
    add::<get_health::Checks>(&mut schemas);
    add::<get_health::Check>(&mut schemas);
    add::<get_health::CheckStatus>(&mut schemas);
    add::<get_health::Status>(&mut schemas);
    for Content { name, is_fed, .. } in &contents.components {
        schemas.insert(format!("{name}Page"), page(name, LAST_PAGE));
        if *is_fed {
            schemas.insert(format!("{name}FeedPage"), page(name, NO_LAST_PAGE));
        }
    }
    schemas
}

fn add<T: ToSchema>(schemas: &mut Map<String, Value>) {
    // A schema is plain data, so it can always be serialised.
    schemas.insert(T::name().into_owned(), serde_json::to_value(T::schema()).unwrap_or_default());
}

/// The type and description of the cursor in a list, and in a feed.
const LAST_PAGE: (&[&str], &str) = (&["string", "null"], "Cursor of the next page; null on the last page.");
const NO_LAST_PAGE: (&[&str], &str) = (&["string"], "Cursor of what comes after this page, now or later.");

fn page(name: &str, (cursor, description): (&[&str], &str)) -> Value {
    let cursor = if let [only] = cursor { json!(only) } else { json!(cursor) };
    json!({
        "type": "object",
        "description": "A page of a list.",
        "required": ["items", "next_cursor"],
        "properties": {
            "items": {
                "type": "array",
                "description": "The items of this page.",
                "maxItems": 100,
                "items": schema(name),
            },
            "next_cursor": {"type": cursor, "description": description},
        },
    })
}

fn responses(operations: &[&Operation], contents: &Contents) -> Map<String, Value> {
    let mut responses = Map::new();
    for answer in &contents.components {
        let path = answer.collection.as_ref().map(|collection| format!("/v1/{collection}/{{id}}"));
        if let Some(path) = path {
            resource(&mut responses, answer, links(operations, &path));
        }
        list(&mut responses, answer, "Page", &Value::Null);
        if answer.is_fed {
            list(&mut responses, answer, "FeedPage", &json!("AlsxLCJwcm9kdWN0Il0"));
        }
    }
    let mut add = |name: &str, response: Value| responses.insert(name.to_owned(), response);
    let answer = |description: &str, extra: &[(&str, &str)], content: Value| {
        let mut response = json!({"description": description, "headers": with_common(extra)});
        if !content.is_null() {
            response["content"] = content;
        }
        response
    };
    let not_modified = [&[("ETag", "ETag")], CACHE].concat();
    add("NotModified", answer("The client's copy is current.", &not_modified, Value::Null));
    add("Deleted", answer("Deleted.", &[], Value::Null));
    let health =
        json!({"application/json": {"schema": schema("Health"), "example": get_health::Health::example()}});
    add("Health", answer("The service can serve requests.", &[], health));
    let contract = json!({"application/json": {"schema": {"type": "object", "additionalProperties": true}}});
    add("Contract", answer("The OpenAPI document.", &[("ETag", "ETag")], contract));
    let page = json!({"text/html": {"schema": {"type": "string"}}});
    add("Documentation", answer("The documentation page.", &[("ETag", "ETag")], page));
    for problem in PROBLEMS {
        add(problem.name, problem.response());
    }
    responses
}

/// The responses with an existing and with a new resource.
fn resource(responses: &mut Map<String, Value>, Content { name, example, .. }: &Content, links: Value) {
    let what = name.to_lowercase();
    let validators = [("ETag", "ETag"), ("Last-Modified", "LastModified")];
    let one = json!({"application/json": {"schema": schema(name), "example": example}});
    responses.insert(
        name.clone(),
        json!({
            "description": format!("The {what} in its current state."),
            "headers": with_common(&[&validators, CACHE].concat()),
            "content": one,
            "links": links,
        }),
    );
    let created =
        [&validators[..], &[("Location", "Location"), ("Idempotency-Replayed", "IdempotencyReplayed")]];
    responses.insert(
        format!("{name}Created"),
        json!({
            "description": format!("The new {what}."),
            "headers": with_common(&created.concat()),
            "content": one,
            "links": links,
        }),
    );
}

/// The response with a page of a list.
fn list(
    responses: &mut Map<String, Value>,
    Content { name, example, .. }: &Content,
    page: &str,
    next_cursor: &Value,
) {
    responses.insert(
        format!("{name}{page}"),
        json!({
            "description": "A page of the list.",
            "headers": with_common(&[("ETag", "ETag"), ("Link", "Link")]),
            "content": {"application/json": {
                "schema": schema(&format!("{name}{page}")),
                "example": {"items": [example], "next_cursor": next_cursor},
            }},
        }),
    );
}

/// Links from a resource to the operations below `path`; writes are conditional on the returned version.
fn links(operations: &[&Operation], path: &str) -> Value {
    let mut links = Map::new();
    for operation in operations {
        let Some(route) = operation.routes.first().filter(|route| route.path.starts_with(path)) else {
            continue;
        };
        let mut parameters = json!({"path.id": "$response.body#/id"});
        if [Method::PUT, Method::PATCH, Method::DELETE].contains(&route.method) {
            parameters["header.If-Match"] = "$response.header.ETag".into();
        }
        links.insert(operation.id.to_owned(), json!({"operationId": operation.id, "parameters": parameters}));
    }
    links.into()
}

/// A problem response.
struct ProblemResponse {
    name: &'static str,
    status: u16,
    description: &'static str,
    /// The names of the problem types that functions return, each with the `detail` of its example.
    kinds: &'static [(&'static str, &'static str)],
    /// Whether API Gateway itself returns this status, too.
    is_gateways: bool,
    headers: &'static [(&'static str, &'static str)],
}

impl ProblemResponse {
    fn response(&self) -> Value {
        let kinds = || self.kinds.iter().filter_map(|(name, detail)| Some((kind(name)?, *detail)));
        let mut types: Vec<_> = kinds().map(|(kind, _)| kind.urn()).collect();
        let mut examples: Map<_, _> = kinds()
            .map(|(kind, detail)| (kind.name.to_owned(), json!({"value": self.example(kind, detail)})))
            .collect();
        if self.is_gateways {
            types.push("about:blank".to_owned());
        }
        if examples.is_empty() {
            let status = StatusCode::from_u16(self.status).unwrap_or_default();
            let title = status.canonical_reason().unwrap_or_default();
            let example = self.body("about:blank", title, self.description);
            examples.insert("gateway".to_owned(), json!({"value": example}));
        }
        let mut headers = Map::new();
        if self.is_gateways {
            headers.insert("X-Amzn-ErrorType".to_owned(), header("AmznErrorType"));
        }
        let common: &[_] = if self.is_gateways { &[] } else { &[("X-Correlation-Id", "CorrelationId")] };
        headers.extend(named(&[self.headers, common].concat()));
        let mut properties = json!({
            "type": {"type": "string", "enum": types},
            "status": {"type": "integer", "enum": [self.status]},
        });
        if self.name == "Unhealthy" {
            properties["checks"] = schema("Checks");
        }
        let mut narrowed = json!({"type": "object", "properties": properties});
        if self.status >= 500 {
            narrowed["required"] = json!(["carried_out"]);
        }
        json!({
            "description": self.description,
            "headers": headers,
            "content": {"application/problem+json": {
                "schema": {"allOf": [schema("Problem"), narrowed]},
                "examples": examples,
            }},
        })
    }

    fn example(&self, kind: &ProblemType, detail: &str) -> Value {
        let mut body = self.body(&kind.urn(), kind.title, detail);
        match (self.name, kind.name) {
            ("BadRequest", "invalid-parameters") => {
                body["errors"] = json!([{"parameter": "limit", "detail": "must be at least 1"}]);
            }
            (_, "invalid-body") => {
                body["errors"] = json!([
                    {"pointer": "/name", "detail": "must not be empty"},
                    {"pointer": "/colour", "detail": "is not a known field"},
                ]);
            }
            ("Unhealthy", _) => {
                body["checks"] = json!({"database": {"status": "unavailable", "latency_ms": 2000.4}});
            }
            _ => {}
        }
        body
    }

    fn body(&self, r#type: &str, title: &str, detail: &str) -> Value {
        let instance = if self.name == "Unhealthy" { "/health" } else { "/v1/products" };
        let mut body = json!({
            "type": r#type,
            "title": title,
            "status": self.status,
            "detail": detail,
            "instance": instance,
            "request_id": "5b8a2b1c-6a0e-4f5d-9a55-0d9f5c1b7f3e",
        });
        if self.status >= 500 {
            let is_known = self.status == 503;
            body["carried_out"] = json!(if is_known { CarriedOut::No } else { CarriedOut::Unknown });
        }
        body
    }
}

/// The problem type with this name.
fn kind(name: &str) -> Option<&'static ProblemType> {
    PROBLEM_TYPES.iter().find(|kind| kind.name == name)
}

const RETRY_AFTER: (&str, &str) = ("Retry-After", "RetryAfter");
const RETRY_AFTER_IF_SAFE: (&str, &str) = ("Retry-After", "RetryAfterIfSafe");
const SEE_ERRORS: &str = "See `errors`.";
const INTERNAL: &str = "Something went wrong on our side. Quote `request_id` when you report it.";
const UNAVAILABLE: &str = "The service cannot answer at the moment. Try again later.";

const PROBLEMS: &[ProblemResponse] = &[
    ProblemResponse {
        name: "BadRequest",
        status: 400,
        description: "A parameter, a header or the body is malformed.",
        kinds: &[
            ("invalid-parameters", SEE_ERRORS),
            ("malformed-body", "EOF while parsing an object at line 1 column 1"),
        ],
        is_gateways: true,
        headers: &[],
    },
    ProblemResponse {
        name: "Unauthorized",
        status: 401,
        description: "Unauthorized",
        kinds: &[],
        is_gateways: true,
        headers: &[],
    },
    ProblemResponse {
        name: "Forbidden",
        status: 403,
        description: "Missing Authentication Token",
        kinds: &[],
        is_gateways: true,
        headers: &[],
    },
    ProblemResponse {
        name: "NotFound",
        status: 404,
        description: "The resource does not exist.",
        kinds: &[("not-found", "The product does not exist.")],
        is_gateways: false,
        headers: &[],
    },
    ProblemResponse {
        name: "Conflict",
        status: 409,
        description: "The request conflicts with the current state.",
        kinds: &[(
            "conflict",
            "The artisan still has products. Delete them or assign them to another artisan first.",
        )],
        is_gateways: false,
        headers: &[],
    },
    ProblemResponse {
        name: "RequestInProgress",
        status: 409,
        description: "The first request with this Idempotency-Key is still in progress.",
        kinds: &[(
            "request-in-progress",
            "Another request with this Idempotency-Key is in progress. Repeat this one later.",
        )],
        is_gateways: false,
        headers: &[RETRY_AFTER],
    },
    ProblemResponse {
        name: "PreconditionFailed",
        status: 412,
        description: "A precondition of the request is false.",
        kinds: &[(
            "precondition-failed",
            "The resource does not match the request's preconditions. Read it again.",
        )],
        is_gateways: false,
        headers: &[("ETag", "CurrentETag")],
    },
    ProblemResponse {
        name: "NothingToMatch",
        status: 412,
        description: "The request has an If-Match, but a resource that does not exist yet cannot match.",
        kinds: &[(
            "precondition-failed",
            "This request creates a resource, which no If-Match can match. Remove the header.",
        )],
        is_gateways: false,
        headers: &[],
    },
    ProblemResponse {
        name: "BodyTooLarge",
        status: 413,
        description: "The body is larger than 64 KiB.",
        kinds: &[("body-too-large", TOO_LARGE)],
        is_gateways: true,
        headers: &[],
    },
    ProblemResponse {
        name: "UnsupportedMediaType",
        status: 415,
        description: "The media type of the body is not supported.",
        kinds: &[("unsupported-media-type", "Content-Type must be one of: application/json.")],
        is_gateways: false,
        headers: &[("Accept-Post", "AcceptPost"), ("Accept-Patch", "AcceptPatch")],
    },
    ProblemResponse {
        name: "InvalidBody",
        status: 422,
        description: "The body is well-formed, but invalid.",
        kinds: &[("invalid-body", SEE_ERRORS)],
        is_gateways: false,
        headers: &[],
    },
    ProblemResponse {
        name: "InvalidBodyOrKey",
        status: 422,
        description: "The body is invalid, or the Idempotency-Key was used with a different body.",
        kinds: &[
            ("invalid-body", SEE_ERRORS),
            (
                "idempotency-key-reused",
                "This Idempotency-Key was used for a request with different content. Use a new key.",
            ),
        ],
        is_gateways: false,
        headers: &[],
    },
    ProblemResponse {
        name: "PreconditionRequired",
        status: 428,
        description: "The service requires an If-Match with every change, but the request has none.",
        kinds: &[(
            "precondition-required",
            "This request requires If-Match with the ETag of the version to change.",
        )],
        is_gateways: false,
        headers: &[],
    },
    ProblemResponse {
        name: "TooManyRequests",
        status: 429,
        description: "Too Many Requests",
        kinds: &[],
        is_gateways: true,
        headers: &[("Retry-After", "RetryAfterThrottle")],
    },
    ProblemResponse {
        name: "InternalServerError",
        status: 500,
        description: "A fault of the service. Its log has the details.",
        kinds: &[("internal", INTERNAL)],
        is_gateways: true,
        headers: &[],
    },
    ProblemResponse {
        name: "BadGateway",
        status: 502,
        description: "Internal server error",
        kinds: &[],
        is_gateways: true,
        headers: &[],
    },
    ProblemResponse {
        name: "Unavailable",
        status: 503,
        description: "The service is temporarily unavailable.",
        kinds: &[("unavailable", UNAVAILABLE)],
        is_gateways: false,
        headers: &[RETRY_AFTER_IF_SAFE],
    },
    ProblemResponse {
        name: "Unhealthy",
        status: 503,
        description: "The service cannot serve requests.",
        kinds: &[("unavailable", UNAVAILABLE)],
        is_gateways: false,
        headers: &[RETRY_AFTER],
    },
    ProblemResponse {
        name: "GatewayTimeout",
        status: 504,
        description: "Endpoint request timed out",
        kinds: &[],
        is_gateways: true,
        headers: &[],
    },
];

const TOO_LARGE: &str = "The body must have at most 65536 bytes.";
const _: () = assert!(MAX_BODY_BYTES == 65536, "TOO_LARGE and its response state the limit");

/// The headers that report the use of the cache.
const CACHE: &[(&str, &str)] = &[("Age", "Age"), ("Cache-Status", "CacheStatus")];

fn headers() -> Value {
    let text = |is_required: bool, description: &str, example: &str| {
        json!({
            "description": description,
            "required": is_required,
            "schema": {"type": "string"},
            "example": example,
        })
    };
    let tag = "\"01936b5e7c007000800000000000000a.1.1\"";
    json!({
        "ETag": text(true, "A strong entity tag of this representation.", tag),
        "CurrentETag": text(false, "The entity tag of the current representation, if it has one.", tag),
        "LastModified": text(true, "The time of the last change, to the second.", "Sat, 21 Nov 2026 09:30:00 GMT"),
        "Location": text(true, "The URL of the new resource.", "/v1/products/01936b5e-7c00-7000-8000-00000000000a"),
        "Link": text(
            false,
            "The next page (RFC 8288); absent on the last page.",
            "</v1/products?cursor=AQID>; rel=\"next\"",
        ),
        "IdempotencyReplayed": {
            "description": "Present if this is the response of the first request with this Idempotency-Key.",
            "required": false,
            "schema": {"type": "string", "enum": ["true"]},
        },
        "RetryAfter": {
            "description": "The number of seconds after which to try again.",
            "required": true,
            "schema": {"type": "integer", "minimum": 0},
            "example": 1,
        },
        "RetryAfterThrottle": {
            "description": "The number of seconds after which to try again; absent if a daily quota is exhausted.",
            "required": false,
            "schema": {"type": "integer", "minimum": 0},
            "example": 1,
        },
        "RetryAfterIfSafe": {
            "description": "The number of seconds after which to try again. Absent if the request may have been carried out and repeating it could carry it out twice: a POST without Idempotency-Key, a PUT or PATCH without If-Match.",
            "required": false,
            "schema": {"type": "integer", "minimum": 0},
            "example": 5,
        },
        "AcceptPost": text(false, "The supported media types of a POST.", "application/json"),
        "AcceptPatch": text(
            false,
            "The supported media types of a PATCH.",
            "application/merge-patch+json, application/json",
        ),
        "CorrelationId": text(
            true,
            "The request's X-Correlation-Id, or else the gateway's request id.",
            "order-4711",
        ),
        "Age": {
            "description": "The age of a response from the service's cache, in seconds; absent if it comes from the database.",
            "required": false,
            "schema": {"type": "integer", "minimum": 0},
            "example": 3,
        },
        "CacheStatus": text(
            false,
            "How the service's cache handled this read (RFC 9211); absent if there is no cache. With `detail=database-unavailable`, the response may be older than the last change.",
            concat!(project::name!(), "; hit; ttl=57"),
        ),
        "CacheControl": text(true, "Whether and how the response may be cached.", "private, no-cache"),
        "AmznErrorType": text(
            false,
            "The type of an error of API Gateway itself; absent from a function's responses.",
            "MissingAuthenticationTokenException",
        ),
    })
}

/// The headers of every response of a function, and `more`.
fn with_common(more: &[(&str, &str)]) -> Map<String, Value> {
    let common = [("X-Correlation-Id", "CorrelationId"), ("Cache-Control", "CacheControl")];
    named(&[more, &common].concat())
}

/// References to header components by header name.
fn named(headers: &[(&str, &str)]) -> Map<String, Value> {
    headers.iter().map(|(name, component)| ((*name).to_owned(), header(component))).collect()
}

fn header(component: &str) -> Value {
    json!({"$ref": format!("#/components/headers/{component}")})
}

fn schema(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_of_problem_is_documented_with_its_status() {
        let documented =
            PROBLEMS.iter().flat_map(|problem| problem.kinds.iter().map(|(name, _)| (*name, problem.status)));
        let kinds = PROBLEM_TYPES.iter().map(|kind| (kind.name, kind.status.as_u16()));
        assert_eq!(documented.collect::<BTreeSet<_>>(), kinds.collect());
    }
}
