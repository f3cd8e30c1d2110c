//! Converts a sample to the event that API Gateway sends: that of a REST API at its default address, with
//! signed requests.
//!
//! The events of the local gateway differ: it has an address, times and ids of its own.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Serialize;
use shared::{Operation, Route};
use url::form_urlencoded;

use super::Sample;
use crate::OPERATIONS;

const ACCOUNT: &str = "123456789012";
const API: &str = "a1b2c3d4e5";
const HOST: &str = "a1b2c3d4e5.execute-api.ap-northeast-1.amazonaws.com";
const SOURCE_IP: &str = "203.0.113.7";
const STAGE: &str = "prod";
const USER_AGENT: &str = "curl/8.5.0";
/// The id and ARN of the calling user.
const USER: (&str, &str) = ("AIDACKCEVSQ6C2EXAMPLE", "arn:aws:iam::123456789012:user/ann");

/// The headers of every request: those of the client, unless the sample overrides them, and those that the
/// gateway adds.
const HEADERS: [(&str, &str); 6] = [
    ("Host", HOST),
    ("User-Agent", USER_AGENT),
    ("X-Amzn-Trace-Id", "Root=1-67409a1b-5759e988bd862e3fe1be46a9"),
    ("X-Forwarded-For", SOURCE_IP),
    ("X-Forwarded-Port", "443"),
    ("X-Forwarded-Proto", "https"),
];

/// A router over the register's routes.
pub struct Routes(matchit::Router<Vec<(Route, &'static Operation)>>);

/// The destination of a request.
pub struct Target {
    /// The operation.
    pub operation: &'static Operation,
    /// The matched route.
    pub route: Route,
    /// The values of the route's parameters.
    parameters: BTreeMap<String, String>,
}

impl Routes {
    /// The routes of all operations.
    ///
    /// # Errors
    /// If two paths conflict.
    pub fn new() -> Result<Self> {
        let mut by_path: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for &operation in OPERATIONS {
            for route in operation.all_routes() {
                by_path.entry(route.path).or_default().push((route, operation));
            }
        }
        let mut router = matchit::Router::new();
        for (path, routes) in by_path {
            router
                .insert(path, routes)
                .with_context(|| format!("the route {path} conflicts with another"))?;
        }
        Ok(Self(router))
    }

    /// Finds the route of `sample`.
    ///
    /// # Errors
    /// If the register has no such route.
    pub fn find(&self, sample: &Sample) -> Result<Target> {
        let missing = || format!("there is no route {} {} for {}", sample.method, sample.path(), sample.name);
        let found = self.0.at(sample.path()).with_context(missing)?;
        let route = found.value.iter().find(|(route, _)| route.method == sample.method);
        let (route, operation) = route.with_context(missing)?;
        let parameters =
            found.params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(Target { operation, route: route.clone(), parameters })
    }

    /// The event of `sample`, as JSON.
    ///
    /// # Errors
    /// If the register has no such route.
    pub fn event(&self, sample: &Sample) -> Result<String> {
        let target = self.find(sample)?;
        let headers = headers(sample);
        let query = query(sample);
        let user = (!target.route.is_open).then_some(USER);
        let event = Event {
            resource: target.route.path,
            path: sample.path(),
            http_method: sample.method.as_str(),
            headers: last(&headers),
            multi_value_headers: &headers,
            query_string_parameters: some(last(&query)),
            multi_value_query_string_parameters: some(query.clone()),
            path_parameters: some(target.parameters),
            stage_variables: None,
            request_context: RequestContext {
                resource_id: "x1y2z3",
                resource_path: target.route.path,
                http_method: sample.method.as_str(),
                extended_request_id: "BlZ1pE2nNjMFq2g=",
                request_time: "22/Nov/2024:14:48:59 +0000",
                request_time_epoch: 1_732_286_939_000,
                path: format!("/{STAGE}{}", sample.path()),
                account_id: ACCOUNT,
                protocol: "HTTP/1.1",
                stage: STAGE,
                domain_prefix: API,
                domain_name: HOST,
                request_id: "7e0b7a52-54a5-4a6f-9a0e-6a0b2f3b5c11",
                api_id: API,
                identity: Identity {
                    access_key: user.map(|_| "AKIAIOSFODNN7EXAMPLE"),
                    account_id: user.map(|_| ACCOUNT),
                    caller: user.map(|(name, _)| name),
                    source_ip: SOURCE_IP,
                    user: user.map(|(name, _)| name),
                    user_agent: headers.get("User-Agent").and_then(|values| values.last()).cloned(),
                    user_arn: user.map(|(_, arn)| arn),
                    ..Identity::default()
                },
            },
            body: sample.body.as_deref(),
            is_base64_encoded: false,
        };
        Ok(serde_json::to_string_pretty(&event)? + "\n")
    }
}

/// All values by name.
type Values = BTreeMap<String, Vec<String>>;

fn headers(sample: &Sample) -> Values {
    let mut headers = Values::new();
    for (name, value) in &sample.headers {
        headers.entry(name.clone()).or_default().push(value.clone());
    }
    for (name, value) in HEADERS {
        if !headers.keys().any(|sent| sent.eq_ignore_ascii_case(name)) {
            headers.insert(name.to_owned(), vec![value.to_owned()]);
        }
    }
    headers
}

fn query(sample: &Sample) -> Values {
    let mut parameters = Values::new();
    let (_, query) = sample.target.split_once('?').unwrap_or_default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        parameters.entry(name.into_owned()).or_default().push(value.into_owned());
    }
    parameters
}

fn last(values: &Values) -> BTreeMap<String, String> {
    values.iter().filter_map(|(name, values)| Some((name.clone(), values.last()?.clone()))).collect()
}

/// API Gateway sends null instead of an empty object.
fn some<V>(members: BTreeMap<String, V>) -> Option<BTreeMap<String, V>> {
    Some(members).filter(|members| !members.is_empty())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    resource: &'a str,
    path: &'a str,
    http_method: &'a str,
    headers: BTreeMap<String, String>,
    multi_value_headers: &'a Values,
    query_string_parameters: Option<BTreeMap<String, String>>,
    multi_value_query_string_parameters: Option<Values>,
    path_parameters: Option<BTreeMap<String, String>>,
    stage_variables: Option<()>,
    request_context: RequestContext<'a>,
    body: Option<&'a str>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    resource_id: &'a str,
    resource_path: &'a str,
    http_method: &'a str,
    extended_request_id: &'a str,
    request_time: &'a str,
    request_time_epoch: i64,
    path: String,
    account_id: &'a str,
    protocol: &'a str,
    stage: &'a str,
    domain_prefix: &'a str,
    domain_name: &'a str,
    request_id: &'a str,
    api_id: &'a str,
    identity: Identity<'a>,
}

/// The caller; anonymous on a public route.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    access_key: Option<&'a str>,
    account_id: Option<&'a str>,
    api_key: Option<&'a str>,
    api_key_id: Option<&'a str>,
    caller: Option<&'a str>,
    client_cert: Option<&'a str>,
    cognito_authentication_provider: Option<&'a str>,
    cognito_authentication_type: Option<&'a str>,
    cognito_identity_id: Option<&'a str>,
    cognito_identity_pool_id: Option<&'a str>,
    principal_org_id: Option<&'a str>,
    source_ip: &'a str,
    user: Option<&'a str>,
    user_agent: Option<String>,
    user_arn: Option<&'a str>,
}
