//! Keyset pagination: `limit` and `cursor` in, `items`, `next_cursor` and a `Link` header (RFC 8288) out.

use ::http::header;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, de::DeserializeOwned};
use utoipa::{
    PartialSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type, schema::SchemaType},
};

use super::{CursorKeys, FieldError, FromParameter, Problem, Request, Response, Result, Validators};

/// RFC 3986's unreserved characters stay unencoded, which is the canonical form for signatures.
const QUERY_VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The maximum number of items on a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(usize);

impl Limit {
    const DEFAULT: usize = 20;
    const MAX: usize = 100;
}

impl Default for Limit {
    fn default() -> Self {
        Self(Self::DEFAULT)
    }
}

impl FromParameter for Limit {
    /// Values over the maximum are treated as the maximum, however many digits they have.
    fn from_parameter(text: &str) -> Result<Self, String> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse::<usize>() {
            Ok(0) => Err("must be at least 1".to_owned()),
            Ok(limit) if is_number => Ok(Self(limit.min(Self::MAX))),
            Err(_) if is_number => Ok(Self(Self::MAX)),
            _ => Err("must be an integer of at least 1".to_owned()),
        }
    }
}

impl PartialSchema for Limit {
    fn schema() -> RefOr<Schema> {
        let integer = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Integer)).minimum(Some(1));
        integer.default(Some(Self::DEFAULT.into())).build().into()
    }
}

/// The requested page of a list.
#[derive(Debug)]
pub struct PageRequest {
    limit: Limit,
    cursor: Option<String>,
    binding: String,
}

/// A page of a list.
#[derive(Debug, Serialize)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Cursor of the next page; null on the last page of a list that has one.
    pub next_cursor: Option<String>,
}

impl PageRequest {
    pub(super) fn new(limit: Limit, cursor: Option<String>, binding: String) -> Self {
        Self { limit, cursor, binding }
    }

    /// The position to continue from, which is that of the previous page's last item, as `read` parses it
    /// from the cursor; `None` for the first page.
    ///
    /// # Errors
    /// 400 if the cursor was modified or belongs to another query, or if `read` rejects its content.
    pub fn position<J: DeserializeOwned, P>(
        &self,
        keys: &CursorKeys,
        read: impl FnOnce(J) -> Option<P>,
    ) -> Result<Option<P>> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        match keys.decode(&self.binding, cursor).and_then(read) {
            Some(position) => Ok(Some(position)),
            None => {
                let fault = FieldError::parameter("cursor", "is not a cursor of this query");
                Err(Problem::invalid_parameters(vec![fault]))
            }
        }
    }

    /// A cursor to `position` in the requested list.
    ///
    /// # Errors
    /// 500 if the position cannot be serialised, or if there is no key.
    pub fn cursor(&self, keys: &CursorKeys, position: &impl Serialize) -> Result<String> {
        keys.encode(&self.binding, position).map_err(Problem::internal)
    }

    /// How many rows to fetch: one more than the page holds, which shows whether there is a next page.
    pub fn rows(&self) -> i64 {
        i64::try_from(self.limit.0 + 1).unwrap_or(i64::MAX)
    }

    /// The response with the first `limit` of `items` and a link to the next page; 304 if the client already
    /// has this page.
    ///
    /// # Errors
    /// 400 or 412 for preconditions, 500 if a position cannot be serialised.
    pub fn respond<T: Serialize, P: Serialize>(
        self,
        request: &Request,
        keys: &CursorKeys,
        mut items: Vec<T>,
        position: impl FnOnce(&T) -> P,
    ) -> Result<Response> {
        let has_more = items.len() > self.limit.0;
        items.truncate(self.limit.0);
        let next = items.last().filter(|_| has_more).map(position);
        self.respond_with(request, keys, items, next)
    }

    /// The same for a list that grows at its end: there is always a cursor, to the `position` after the first
    /// so many items, which are those of the page, and with whether there are more.
    ///
    /// # Errors
    /// As for [`respond`](Self::respond).
    pub fn respond_endlessly<T: Serialize, P: Serialize>(
        self,
        request: &Request,
        keys: &CursorKeys,
        mut items: Vec<T>,
        position: impl FnOnce(usize, bool) -> P,
    ) -> Result<Response> {
        let has_more = items.len() > self.limit.0;
        items.truncate(self.limit.0);
        let next = position(items.len(), has_more);
        self.respond_with(request, keys, items, Some(next))
    }

    fn respond_with<T: Serialize, P: Serialize>(
        self,
        request: &Request,
        keys: &CursorKeys,
        items: Vec<T>,
        next: Option<P>,
    ) -> Result<Response> {
        let next_cursor = next.map(|next| self.cursor(keys, &next)).transpose()?;
        let link =
            next_cursor.as_ref().map(|cursor| format!("<{}>; rel=\"next\"", next_url(request, cursor)));
        let response = Response::ok(&Page { items, next_cursor });
        let validators = Validators::of_document(response.body.as_bytes());
        let response = match link {
            Some(link) => response.with_text_header(header::LINK, &link),
            None => response,
        };
        request.revalidate(&validators, response)
    }
}

/// The request's URL reference with another cursor. The parameters are sorted, as signatures require.
fn next_url(request: &Request, cursor: &str) -> String {
    let query = request.gateway().query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut query: Vec<_> = query.filter(|(name, _)| *name != "cursor").chain([("cursor", cursor)]).collect();
    query.sort_unstable();
    let mut url = request.public_path();
    for (index, (name, value)) in query.into_iter().enumerate() {
        url.push(if index == 0 { '?' } else { '&' });
        url.extend(utf8_percent_encode(name, QUERY_VALUE));
        url.push('=');
        url.extend(utf8_percent_encode(value, QUERY_VALUE));
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client that revalidates must not keep a cursor that is no longer accepted.
    #[test]
    fn the_tag_of_a_page_covers_its_cursor() {
        let request = |headers: &[(header::HeaderName, &str)]| {
            let mut request = ::http::Request::new(bytes::Bytes::new());
            for (name, value) in headers {
                request.headers_mut().insert(name, value.parse().unwrap());
            }
            Request::new(request, crate::http::Gateway::default())
        };
        let page = |request: &Request, key: &str, items: Vec<i32>| {
            let page = PageRequest::new(Limit(2), None, "list".to_owned());
            page.respond(request, &CursorKeys::new(key.as_bytes()), items, |last| *last).unwrap()
        };
        let first = page(&request(&[]), "old", vec![1, 2, 3]);
        let tag = first.headers[header::ETAG].to_str().unwrap();
        let again = request(&[(header::IF_NONE_MATCH, tag)]);
        assert_eq!(page(&again, "old", vec![1, 2, 3]).status, 304);
        for (key, items) in [("new", vec![1, 2, 3]), ("old", vec![1, 2]), ("old", vec![1, 3, 4])] {
            let response = page(&again, key, items.clone());
            assert_eq!(response.status, 200, "{key} {items:?}");
            assert_ne!(response.headers[header::ETAG], tag);
        }
    }

    #[test]
    fn limits_are_read_leniently_upwards_only() {
        for (text, limit) in
            [("1", Some(1)), ("100", Some(100)), ("101", Some(100)), ("99999999999999999999", Some(100))]
        {
            assert_eq!(Limit::from_parameter(text).ok(), limit.map(Limit));
        }
        for text in ["0", "-1", "", "ten", "1.5", "+5", " 5", "٣"] {
            assert!(Limit::from_parameter(text).is_err(), "{text}");
        }
    }
}
