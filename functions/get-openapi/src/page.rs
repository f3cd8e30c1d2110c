//! The page at `/docs`: a self-contained HTML document without requests to other hosts.

use std::sync::LazyLock;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderValue, header};
use sha2::{Digest, Sha256};
use shared::{Request, Response, Result, environment::AWS_REGION, http::Validators};

const SWAGGER_UI: &str = include_str!("../assets/swagger-ui/swagger-ui-bundle.js");
const SWAGGER_UI_STYLE: &str = include_str!("../assets/swagger-ui/swagger-ui.css");
const SIGNER: &str = include_str!("../assets/aws4fetch/aws4fetch.umd.js");
const SCRIPT: &str = include_str!("docs.js");
const STYLE: &str = include_str!("docs.css");

/// The region if `AWS_REGION` is unset.
const DEFAULT_REGION: &str = "us-east-1";

static PAGE: LazyLock<Page> = LazyLock::new(|| Page::new(AWS_REGION.read().as_deref()));

struct Page {
    html: String,
    validators: Validators,
    policy: String,
}

/// The response with the page, or 304.
pub(crate) fn respond(request: &Request) -> Result<Response> {
    let page = &*PAGE;
    let response = Response::document("text/html; charset=utf-8", page.html.as_str())
        .with_text_header(header::CONTENT_SECURITY_POLICY, &page.policy)
        .with_header(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    request.revalidate(&page.validators, response)
}

impl Page {
    /// The page of an API in `region`, for which calls are signed.
    fn new(region: Option<&str>) -> Self {
        let is_region = |name: &&str| {
            name.bytes().all(|byte| byte.is_ascii_lowercase() || b"-0123456789".contains(&byte))
        };
        let html = format!(
            include_str!("docs.html"),
            title = project::TITLE,
            region = region.filter(is_region).unwrap_or(DEFAULT_REGION),
            swagger_ui_licence = include_str!("../assets/swagger-ui/LICENSE"),
            swagger_ui_notice = include_str!("../assets/swagger-ui/NOTICE"),
            swagger_ui_parts = include_str!("../assets/swagger-ui/swagger-ui-bundle.js.LICENSE.txt"),
            signer_licence = include_str!("../assets/aws4fetch/LICENSE"),
            swagger_ui_style = SWAGGER_UI_STYLE,
            style = STYLE,
            swagger_ui = SWAGGER_UI,
            signer = SIGNER,
            script = SCRIPT,
        );
        Self { validators: Validators::of_document(html.as_bytes()), html, policy: policy() }
    }
}

/// The Content-Security-Policy: the page may only run its own scripts and call its own API.
fn policy() -> String {
    format!(
        "default-src 'none'; script-src {scripts}; style-src {styles}; img-src data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        scripts = hashes(&[SWAGGER_UI, SIGNER, SCRIPT]),
        styles = hashes(&[SWAGGER_UI_STYLE, STYLE]),
    )
}

fn hashes(sources: &[&str]) -> String {
    let hash = |source: &&str| format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(source)));
    sources.iter().map(hash).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The maximum size of a Lambda response to a synchronous invocation.
    const ANSWER_LIMIT_BYTES: usize = 6 * 1024 * 1024;

    #[test]
    fn fits_into_an_answer_of_lambda() {
        let answer = serde_json::to_string(&Page::new(None).html).unwrap();
        // Headers and the other members of the response are much smaller than the rest.
        assert!(answer.len() < ANSWER_LIMIT_BYTES / 2, "{} bytes", answer.len());
    }

    #[test]
    fn is_signed_for_the_region_that_it_is_served_from() {
        let region = |html: &str| {
            html.split_once("name=\"region\" content=\"")?.1.split('"').next().map(str::to_owned)
        };
        for (given, expected) in [
            (Some("eu-central-1"), "eu-central-1"),
            (None, DEFAULT_REGION),
            (Some("\"><script>"), DEFAULT_REGION),
        ] {
            assert_eq!(region(&Page::new(given).html).as_deref(), Some(expected));
        }
    }

    /// The HTML parser searches elements for these, and a carriage return or NUL would change the hashed
    /// text.
    #[test]
    fn nothing_ends_or_changes_an_element_from_within() {
        for script in [SWAGGER_UI, SIGNER, SCRIPT] {
            let lower = script.to_ascii_lowercase();
            assert!(!lower.contains("</script"));
            // After `<!--`, a `<script` would make the parser ignore the next end tag.
            for comment in lower.split("<!--").skip(1) {
                let opened = comment.find("<script").unwrap_or(comment.len());
                assert!(comment[..opened].contains("-->") || opened == comment.len(), "{:.80}", comment);
            }
            assert!(!script.contains(['\r', '\0']));
        }
        for style in [SWAGGER_UI_STYLE, STYLE] {
            assert!(!style.to_ascii_lowercase().contains("</style"));
            assert!(!style.contains(['\r', '\0']));
        }
        let (_, licences) =
            Page::new(None).html.split_once("<!--").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        let (licences, rest) = licences.split_once("-->").unwrap();
        assert!(licences.contains("Michael Hart") && licences.contains("SmartBear"));
        assert!(rest.trim_start().starts_with("<html"), "{:.80}", rest);
    }
}
