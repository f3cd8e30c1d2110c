//! AWS Secrets Manager on this machine: provided by moto, or by the test itself, one request at a time.

use std::net::Ipv4Addr;

use http::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{mpsc, oneshot},
};
use uuid::Uuid;

use crate::{Aws, Client};

/// moto reads the service and the region from this header; it does not verify the signature.
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/secretsmanager/aws4_request, SignedHeaders=host, Signature=0";

/// A Secrets Manager that ends when its owner does, however the owner ends.
pub struct SecretsManager {
    aws: Aws,
    client: Client,
}

impl SecretsManager {
    /// Starts a Secrets Manager without secrets.
    ///
    /// # Panics
    /// When its packages are not installed, or it does not start.
    pub async fn start() -> Self {
        let aws = Aws::start().await;
        Self { client: Client::new(aws.url()), aws }
    }

    /// The variables that make functions use it.
    pub fn variables(&self) -> Vec<(String, String)> {
        let variables =
            [("AWS_ENDPOINT_URL_SECRETS_MANAGER", self.client.url()), ("AWS_REGION", "us-east-1")];
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    /// Stops it; its secrets are lost. Its port then refuses connections.
    ///
    /// # Panics
    /// When the process does not end.
    pub async fn stop(&mut self) {
        self.aws.stop().await;
    }

    /// Starts it again on the same port, without secrets.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub async fn resume(&mut self) {
        self.aws.resume().await;
    }

    /// The process id.
    ///
    /// # Panics
    /// When the process has ended.
    pub fn pid(&self) -> u32 {
        self.aws.pid()
    }

    /// Creates a secret. Returns its first version, which is AWSCURRENT.
    pub async fn create(&self, name: &str, text: &str) -> String {
        let body = json!({"Name": name, "SecretString": text, "ClientRequestToken": Uuid::now_v7()});
        self.call("CreateSecret", &body).await["VersionId"].as_str().expect("a version").to_owned()
    }

    /// Adds a version as AWSPENDING, and returns it.
    pub async fn put_pending(&self, name: &str, text: &str) -> String {
        let (version, stages) = (Uuid::now_v7(), ["AWSPENDING"]);
        let body = json!({"SecretId": name, "SecretString": text, "ClientRequestToken": version, "VersionStages": stages});
        self.call("PutSecretValue", &body).await;
        version.to_string()
    }

    /// Makes the pending version `to` the current one and `from` the previous one. No version is pending afterwards.
    pub async fn promote(&self, name: &str, from: &str, to: &str) {
        for body in [
            json!({"SecretId": name, "VersionStage": "AWSCURRENT", "RemoveFromVersionId": from, "MoveToVersionId": to}),
            json!({"SecretId": name, "VersionStage": "AWSPENDING", "RemoveFromVersionId": to}),
        ] {
            self.call("UpdateSecretVersionStage", &body).await;
        }
    }

    /// Removes a secret.
    pub async fn delete(&self, name: &str) {
        self.call("DeleteSecret", &json!({"SecretId": name, "ForceDeleteWithoutRecovery": true})).await;
    }

    async fn call(&self, action: &str, body: &Value) -> Value {
        let target = format!("secretsmanager.{action}");
        let headers = [
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", &target),
            ("authorization", AUTHORIZATION),
        ];
        let response = self.client.send(Method::POST, "/", &headers, body.to_string()).await.expect(200);
        serde_json::from_str(&response.body).expect("JSON")
    }
}

/// A request for the version of a secret with this staging label, and the channel for its text; `None` means that there
/// is no such version.
pub type SecretRequest = (String, oneshot::Sender<Option<String>>);

/// Starts a Secrets Manager whose responses the test provides. Returns its URL and its requests. It ends when the
/// receiver is dropped.
///
/// # Panics
/// When there is no free port.
pub async fn provided_by_test() -> (String, mpsc::Receiver<SecretRequest>) {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (questions, asked) = mpsc::channel(1);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut request = Vec::new();
            // The body is one JSON object, and nothing before it ends with a brace.
            while !request.ends_with(b"}") && client.read_buf(&mut request).await.is_ok_and(|read| read > 0) {
            }
            let body =
                request.iter().rposition(|byte| *byte == b'{').map_or(&[][..], |start| &request[start..]);
            let body: Value = serde_json::from_slice(body).unwrap_or_default();
            let (reply, replied) = oneshot::channel();
            let stage = body["VersionStage"].as_str().unwrap_or_default().to_owned();
            if questions.send((stage, reply)).await.is_err() {
                return;
            }
            let (status, body) = match replied.await.unwrap_or_default() {
                Some(text) => ("200 OK", json!({"SecretString": text})),
                None => ("400 Bad Request", json!({"__type": "ResourceNotFoundException"})),
            };
            let body = body.to_string();
            let length = body.len();
            let answer =
                format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
            // Errors are ignored: the client may be gone.
            let _ = client.write_all(answer.as_bytes()).await;
        }
    });
    (url, asked)
}
