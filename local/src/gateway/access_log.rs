//! The access log: a line for every response, with API Gateway's `$context` variables.

use std::{net::IpAddr, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::Serialize;

/// Receives the access log. It is called on the runtime's threads, so it must not block.
pub type AccessSink = Arc<dyn Fn(AccessLine) + Send + Sync>;

/// The access log's entry for one request.
#[derive(Clone, Debug)]
pub struct AccessLine {
    /// `requestContext.requestId`, also in the response as `x-amzn-RequestId`.
    pub request_id: String,
    /// `requestContext.extendedRequestId`, also in the response as `x-amz-apigw-id`.
    pub extended_request_id: String,
    /// The client's address.
    pub source_ip: IpAddr,
    /// The principal that signed the request.
    pub caller: Option<String>,
    /// The user id of the principal.
    pub user: Option<String>,
    /// The id of the request's API key.
    pub api_key_id: Option<String>,
    /// When the head of the request had arrived.
    pub received: Timestamp,
    /// The method as sent.
    pub method: String,
    /// The path as sent, without its query.
    pub path: String,
    /// The resource's template, if a resource matched.
    pub resource: Option<String>,
    /// The protocol, such as `HTTP/1.1`.
    pub protocol: &'static str,
    /// The status of the response.
    pub status: u16,
    /// The size of the response's body.
    pub response_bytes: u64,
    /// The time from the request's head to the response.
    pub duration: Duration,
    /// The part of it spent on the function, if the function was invoked.
    pub integration_duration: Option<Duration>,
    /// `x-amzn-ErrorType` and detail, if the gateway responded instead of the function.
    pub problem: Option<(&'static str, String)>,
    /// Why it did; not visible to the client.
    pub error: Option<String>,
}

/// The line in the log format that API Gateway's console suggests: every value is a string, `-` if missing.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    request_id: &'a str,
    extended_request_id: &'a str,
    ip: String,
    caller: &'a str,
    user: &'a str,
    api_key_id: &'a str,
    request_time: String,
    http_method: &'a str,
    resource_path: &'a str,
    path: &'a str,
    status: String,
    protocol: &'a str,
    response_length: String,
    response_latency: String,
    integration_latency: String,
    error_message: &'a str,
    error_type: &'a str,
    integration_error_message: &'a str,
}

impl AccessLine {
    /// The line as JSON, with latencies in milliseconds. It never contains the query string.
    pub fn to_json(&self) -> String {
        fn or_dash(text: &Option<String>) -> &str {
            text.as_deref().unwrap_or("-")
        }
        let (error_type, error_message) =
            self.problem.as_ref().map_or(("-", "-"), |(error_type, detail)| (error_type, detail));
        let json = Json {
            request_id: &self.request_id,
            extended_request_id: &self.extended_request_id,
            ip: self.source_ip.to_string(),
            caller: or_dash(&self.caller),
            user: or_dash(&self.user),
            api_key_id: or_dash(&self.api_key_id),
            request_time: request_time(self.received),
            http_method: &self.method,
            resource_path: or_dash(&self.resource),
            path: &self.path,
            status: self.status.to_string(),
            protocol: self.protocol,
            response_length: self.response_bytes.to_string(),
            response_latency: self.duration.as_millis().to_string(),
            integration_latency: self
                .integration_duration
                .map_or_else(|| "-".to_owned(), |duration| duration.as_millis().to_string()),
            error_message,
            error_type,
            integration_error_message: or_dash(&self.error),
        };
        serde_json::to_string(&json).unwrap_or_default()
    }
}

/// The time in the Common Log Format: `21/Nov/2026:11:34:43 +0000`.
pub(super) fn request_time(time: Timestamp) -> String {
    time.strftime("%d/%b/%Y:%H:%M:%S %z").to_string()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn line() -> AccessLine {
        AccessLine {
            request_id: "0192".to_owned(),
            extended_request_id: "abc=".to_owned(),
            source_ip: Ipv4Addr::LOCALHOST.into(),
            caller: None,
            user: None,
            api_key_id: None,
            received: "2026-11-21T11:34:43Z".parse().unwrap(),
            method: "GET".to_owned(),
            path: "/v1/products/7".to_owned(),
            resource: Some("/v1/products/{id}".to_owned()),
            protocol: "HTTP/1.1",
            status: 200,
            response_bytes: 12,
            duration: Duration::from_micros(4_700),
            integration_duration: Some(Duration::from_micros(3_200)),
            problem: None,
            error: None,
        }
    }

    #[test]
    fn writes_what_api_gateway_writes() {
        let expected = concat!(
            r#"{"requestId":"0192","extendedRequestId":"abc=","ip":"127.0.0.1","caller":"-","user":"-","#,
            r#""apiKeyId":"-","requestTime":"21/Nov/2026:11:34:43 +0000","httpMethod":"GET","#,
            r#""resourcePath":"/v1/products/{id}","path":"/v1/products/7","status":"200","protocol":"HTTP/1.1","#,
            r#""responseLength":"12","responseLatency":"4","integrationLatency":"3","errorMessage":"-","#,
            r#""errorType":"-","integrationErrorMessage":"-"}"#
        );
        assert_eq!(line().to_json(), expected);
    }

    #[test]
    fn stays_one_line_whatever_a_function_wrote() {
        let line = AccessLine {
            integration_duration: None,
            problem: Some(("InternalServerErrorException", "Internal server error".to_owned())),
            error: Some("it last wrote:\n  \"x\"".to_owned()),
            ..line()
        };
        let json = line.to_json();
        assert!(!json.contains('\n'), "{json}");
        assert!(
            json.contains(r#""integrationLatency":"-","errorMessage":"Internal server error""#),
            "{json}"
        );
        assert!(json.contains(r#""errorType":"InternalServerErrorException""#), "{json}");
    }
}
