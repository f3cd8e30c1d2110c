//! The response to CloudFormation: a document, uploaded to a presigned S3 URL.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::Full;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio::time::{sleep, timeout};

/// Longest wait for an attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);

/// The pauses between attempts. With them, all attempts take less than 14 s.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(1)];

/// The longest time that [`put`] can take.
pub(crate) const LIMIT: Duration = Duration::from_secs(14);

/// Uploads `document` to `url`, in up to three attempts.
///
/// # Errors
/// That of the last attempt.
pub(crate) async fn put(url: &str, document: &[u8]) -> Result<()> {
    let url: Uri = url.parse().context("ResponseURL is not a URL")?;
    let document = Bytes::copy_from_slice(document);
    for pause in PAUSES {
        match put_once(&url, document.clone()).await {
            Ok(()) => return Ok(()),
            Err(error) => {
                tracing::warn!(error = %format!("{error:#}"), "the response could not be sent to CloudFormation, trying again")
            }
        }
        sleep(pause).await;
    }
    put_once(&url, document).await
}

async fn put_once(url: &Uri, document: Bytes) -> Result<()> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
    let client = Client::builder(TokioExecutor::new()).build(connector);
    // Without a Content-Type, because the URL was signed without one.
    let request = Request::put(url).body(Full::new(document))?;
    let answer = timeout(ATTEMPT_TIMEOUT, client.request(request)).await.context("no response in time")??;
    ensure!(answer.status().is_success(), "the response has the status {}", answer.status());
    Ok(())
}
