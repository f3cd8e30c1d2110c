//! The OpenAPI document, as in the repository except for its server URL.

use std::{borrow::Cow, sync::LazyLock};

use serde::Deserialize;
use serde_json::{json, value::RawValue};

const DOCUMENT: &str = include_str!("../../../api/openapi.json");

/// The document before and after the list of servers.
static AROUND_SERVERS: LazyLock<Option<(&str, &str)>> = LazyLock::new(|| around_servers(DOCUMENT));

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    servers: &'a RawValue,
}

/// The document with `base` as its server URL: the path under which the client reached the API, without a
/// trailing slash.
pub(crate) fn served_from(base: &str) -> Cow<'static, str> {
    let Some((before, after)) = *AROUND_SERVERS else { return Cow::Borrowed(DOCUMENT) };
    let servers = json!([{"url": if base.is_empty() { "/" } else { base }}]);
    Cow::Owned(format!("{before}{servers}{after}"))
}

fn around_servers(document: &str) -> Option<(&str, &str)> {
    let Document { servers } = serde_json::from_str(document).ok()?;
    document.split_once(servers.get())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn names_the_path_that_the_request_came_through_and_changes_nothing_else() {
        let written: Value = serde_json::from_str(DOCUMENT).unwrap();
        for (base, url) in [("", "/"), ("/prod", "/prod"), ("/store/v%201\"", "/store/v%201\"")] {
            let mut served: Value = serde_json::from_str(&served_from(base)).unwrap();
            assert_eq!(served["servers"], json!([{"url": url}]));
            served["servers"] = written["servers"].clone();
            assert_eq!(served, written);
        }
    }
}
