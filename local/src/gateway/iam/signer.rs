//! Signs requests to the local API, for this project's own programs that call it.

use http::{HeaderValue, Request, header};
use jiff::Timestamp;

use super::{
    Principal, SERVICE,
    canonical::SentRequest,
    credentials::{TOKEN_HEADER, in_basic_format},
    signature::{self, ALGORITHM, Scope, hex_sha256, string_to_sign},
};

/// Adds the headers that the gateway requires: the host, the date, the session token and the signature.
///
/// # Errors
/// When the host of the request's URI or the principal's key is not valid in a header.
pub fn sign<B: AsRef<[u8]>>(
    request: &mut Request<B>,
    principal: &Principal,
    region: &str,
    now: Timestamp,
) -> anyhow::Result<()> {
    let host = request.uri().authority().map_or("", |authority| authority.as_str());
    let host = HeaderValue::try_from(host)?;
    let date_time = in_basic_format(now);
    let headers = request.headers_mut();
    headers.insert(header::HOST, host);
    headers.insert("x-amz-date", HeaderValue::try_from(&date_time)?);
    if let Some(token) = &principal.session_token {
        headers.insert(TOKEN_HEADER, HeaderValue::try_from(token)?);
    }
    let signed_headers = match principal.session_token {
        None => "host;x-amz-date",
        Some(_) => "host;x-amz-date;x-amz-security-token",
    };
    let scope = Scope { date: &date_time[..8], region, service: SERVICE };
    let sent = SentRequest {
        method: request.method().as_str(),
        path: request.uri().path(),
        query: request.uri().query().unwrap_or_default(),
        headers: request.headers(),
    };
    let canonical = sent.canonical(signed_headers, false, &hex_sha256(request.body().as_ref()));
    let string_to_sign = string_to_sign(&date_time, &scope, &canonical);
    let signature = signature::sign(&principal.secret_access_key, &scope, &string_to_sign);
    let authorization = format!(
        "{ALGORITHM} Credential={}/{}, SignedHeaders={signed_headers}, Signature={signature}",
        principal.access_key_id,
        scope.text(),
    );
    request.headers_mut().insert(header::AUTHORIZATION, HeaderValue::try_from(authorization)?);
    Ok(())
}
