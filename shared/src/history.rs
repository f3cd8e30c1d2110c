//! The audit history: who changed what, when and why. Every statement that writes adds a row to the table
//! `history`, which writers can neither update nor delete. This module derives the audit context from the
//! request, and reads a resource's history.

use std::borrow::Cow;

use ::http::HeaderName;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use crate::{
    Operation, Problem, Request, Result,
    contract::Component,
    db::{self, Parameter, Row, Type},
    http::{Caller, FieldError, FromParameter},
    text::Line,
    time::Moment,
};

const REASON: HeaderName = HeaderName::from_static("x-audit-reason");

/// A client's reason for a write.
pub type Reason = Line<500>;

/// The part of a history entry that comes from the request.
#[derive(Debug)]
pub struct AuditContext<'r> {
    operation: &'static str,
    principal: Option<&'r str>,
    request_id: &'r str,
    reason: Option<String>,
}

impl<'r> AuditContext<'r> {
    /// The audit context of `request` for `operation`.
    ///
    /// # Errors
    /// 400 if its `X-Audit-Reason` is invalid.
    pub fn of(request: &'r Request, operation: &Operation) -> Result<Self> {
        let gateway = request.gateway();
        Ok(Self {
            operation: operation.id,
            principal: gateway.caller.as_ref().map(Caller::identity),
            request_id: &gateway.request_id,
            reason: reason(request).map_err(|detail| {
                Problem::invalid_parameters(vec![FieldError::parameter("X-Audit-Reason", detail)])
            })?,
        })
    }

    /// The statement parameters for the history's columns, by name.
    pub(crate) fn named(&self) -> [(&'static str, Parameter<'_>); 4] {
        [
            ("operation", (&self.operation, Type::TEXT)),
            ("principal", (&self.principal, Type::TEXT)),
            ("request_id", (&self.request_id, Type::TEXT)),
            ("reason", (&self.reason, Type::TEXT)),
        ]
    }
}

fn reason(request: &Request) -> Result<Option<String>, String> {
    let mut values = request.headers().get_all(REASON).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value,
        (Some(_), Some(_)) => return Err("must not appear more than once".to_owned()),
    };
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| "must be UTF-8")?;
    Reason::from_parameter(&decoded(text)?).map(|reason| Some(reason.into()))
}

/// `text` itself, or the decoded text of an extended value of RFC 8187, such as `UTF-8''Caf%C3%A9`: many
/// clients can send only ASCII in headers.
fn decoded(text: &str) -> Result<Cow<'_, str>, String> {
    let is_language = |tag: &str| tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let encoded = text.split_once('\'').filter(|(charset, _)| charset.eq_ignore_ascii_case("utf-8"));
    let encoded = encoded.and_then(|(_, rest)| rest.split_once('\'')).filter(|(tag, _)| is_language(tag));
    let Some((_, encoded)) = encoded else { return Ok(Cow::Borrowed(text)) };
    let mut parts = encoded.split('%');
    let is_plain =
        |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || ATTR_CHAR.contains(&byte));
    let is_octet = |part: &str| {
        let hexadecimal =
            part.get(..2).is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        hexadecimal && part.get(2..).is_some_and(is_plain)
    };
    let is_value = parts.next().is_some_and(is_plain) && parts.all(is_octet);
    let decoded = percent_decode_str(encoded).decode_utf8().ok().filter(|_| is_value);
    decoded.ok_or_else(|| "must be percent-encoded UTF-8 after UTF-8'' (RFC 8187)".to_owned())
}

/// The characters that an extended value may contain unencoded, besides letters and digits.
const ATTR_CHAR: &[u8] = b"!#$&+-.^_`|~";

/// A write, as recorded in the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = <Self as Component>::example)]
pub struct HistoryEntry {
    /// The kind of the resource, such as `product`.
    pub resource: String,
    /// The id of the resource.
    #[schema(value_type = String, format = "uuid")]
    pub id: Uuid,
    /// The version that the write created; for a deletion, the last version plus one.
    #[schema(minimum = 1)]
    pub version: i64,
    /// The `operationId` of the request.
    pub operation: String,
    /// The caller: an ARN with its session, the id of a Cognito identity, or a kind and names such as `token
    /// <iss> <sub>`; null if callers are not authenticated.
    #[schema(required = true)]
    pub principal: Option<String>,
    /// The time of the write, by the clock of the database.
    #[schema(value_type = String, format = DateTime)]
    pub at: Moment,
    /// The id that API Gateway assigned to the request.
    pub request_id: String,
    /// The request's `X-Audit-Reason`, decoded; null if it had none.
    #[schema(required = true)]
    pub reason: Option<String>,
    /// The merge patch (RFC 7396) from the previous version to this one: all fields for a creation, null for a deletion. Null together with `inverse` if the contents were not kept.
    #[schema(required = true, value_type = Option<Object>)]
    pub changes: Option<Value>,
    /// The merge patch from this version to the previous one: null for a creation, all fields for a deletion.
    #[schema(required = true, value_type = Option<Object>)]
    pub inverse: Option<Value>,
}

impl HistoryEntry {
    pub(crate) fn from_row(row: &Row) -> Result<Self, db::Error> {
        Ok(Self {
            resource: row.try_get("resource")?,
            id: row.try_get("resource_id")?,
            version: row.try_get("version")?,
            operation: row.try_get("operation")?,
            principal: row.try_get("principal")?,
            at: row.try_get("at")?,
            request_id: row.try_get("request_id")?,
            reason: row.try_get("reason")?,
            changes: contents(row, "changes")?,
            inverse: contents(row, "inverse")?,
        })
    }
}

/// The column `name`, which is `jsonb` selected as text.
fn contents(row: &Row, name: &str) -> Result<Option<Value>, db::Error> {
    let text: Option<&str> = row.try_get(name)?;
    // What PostgreSQL writes of a jsonb is JSON.
    Ok(text.and_then(|text| serde_json::from_str(text).ok()))
}

impl Component for HistoryEntry {
    fn name() -> String {
        <Self as ToSchema>::name().into_owned()
    }

    fn schemas() -> Vec<(String, Value)> {
        vec![(<Self as Component>::name(), serde_json::to_value(Self::schema()).unwrap_or_default())]
    }

    fn example() -> Value {
        json!({
            "resource": "product",
            "id": "01936b5e-7c00-7000-8000-00000000000a",
            "version": 2,
            "operation": "patchProduct",
            "principal": "arn:aws:iam::123456789012:user/ann",
            "at": "2026-11-21T09:30:00.123456Z",
            "request_id": "5b8a2b1c-6a0e-4f5d-9a55-0d9f5c1b7f3e",
            "reason": "New prices from December on",
            "changes": {"price": 4200, "artisan_id": null, "version": 2, "updated_at": "2026-11-21T09:30:00.12345Z"},
            "inverse": {
                "price": 3800,
                "artisan_id": "01936b5e-7c00-7000-8000-00000000000b",
                "version": 1,
                "updated_at": "2026-11-20T15:04:05.6789Z",
            },
        })
    }
}

/// Selects history entries with their positions in the feed, without conditions and order.
pub(crate) const LIST_HISTORY: &str = "
select position, resource, resource_id, version, operation, principal, at, request_id, reason, changes::text, inverse::text
from history";

#[cfg(test)]
mod tests {
    use ::http::HeaderValue;
    use bytes::Bytes;

    use super::*;
    use crate::http::Gateway;

    fn reason_of(values: &[&[u8]]) -> Result<Option<String>, String> {
        let mut request = ::http::Request::new(Bytes::new());
        for value in values {
            request.headers_mut().append(REASON, HeaderValue::from_bytes(value).unwrap());
        }
        reason(&Request::new(request, Gateway::default()))
    }

    #[test]
    fn a_reason_is_one_line_of_text() {
        assert_eq!(reason_of(&[]), Ok(None));
        assert_eq!(reason_of(&[b" Recount "]), Ok(Some("Recount".to_owned())));
        assert_eq!(reason_of(&["棚卸し".as_bytes()]), Ok(Some("棚卸し".to_owned())));
        assert!(reason_of(&["棚".repeat(500).as_bytes()]).is_ok());
        for (sent, kept) in [
            ("UTF-8''Caf%C3%A9%20ferm%C3%A9", "Café fermé"),
            ("utf-8''%e6%a3%9a%e5%8d%b8%e3%81%97", "棚卸し"),
            ("UTF-8'en-GB'Recount", "Recount"),
            ("UTF-8''e%CC%81", "é"),
            ("UTF-8''100%25!#$&+-.^_`|~", "100%!#$&+-.^_`|~"),
            ("UTF-8''%20Recount%20", "Recount"),
            ("100%25", "100%25"),
            ("UTF-8'Recount", "UTF-8'Recount"),
            ("it's 'new'", "it's 'new'"),
            ("UTF-8 isn't 'new'", "UTF-8 isn't 'new'"),
            ("ISO-8859-1''caf%E9", "ISO-8859-1''caf%E9"),
        ] {
            assert_eq!(reason_of(&[sent.as_bytes()]), Ok(Some(kept.to_owned())), "{sent}");
        }
        let longest = format!("UTF-8''{}", "%E6%A3%9A".repeat(500));
        assert_eq!(reason_of(&[longest.as_bytes()]), Ok(Some("棚".repeat(500))));
        let too_long = format!("{longest}a");
        for refused in [
            "UTF-8''",
            "UTF-8''%20",
            "UTF-8''%E2%80%8B",
            "UTF-8''caf%E9",
            "UTF-8''%",
            "UTF-8''%4",
            "UTF-8''%zz",
            "UTF-8''a b",
            "UTF-8''é",
            "UTF-8''it's",
            "UTF-8''a%00",
            "UTF-8''a%0A",
            "UTF-8''%E2%80%AEa",
            &too_long,
        ] {
            assert!(reason_of(&[refused.as_bytes()]).is_err(), "{refused}");
        }
        for refused in [&[&b""[..]][..], &[b" "], &[b"a\tb"], &[b"\xff"], &[&[b'a'; 501]], &[b"a", b"a"]] {
            assert!(reason_of(refused).is_err(), "{refused:?}");
        }
    }
}
