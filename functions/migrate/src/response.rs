//! The way back to CloudFormation: a document, put to a signed URL of S3.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::Full;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio::time::{sleep, timeout};

/// Longest wait for one attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);

/// Pauses between attempts: all of it takes less than 14 s.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(1)];

/// Longest time that [`put`] takes.
pub(crate) const LIMIT: Duration = Duration::from_secs(14);

/// Puts `document` to `url`, three times at most.
///
/// # Errors
/// Those of the last attempt.
pub(crate) async fn put(url: &str, document: &[u8]) -> Result<()> {
    let url: Uri = url.parse().context("ResponseURL is not a URL")?;
    let document = Bytes::copy_from_slice(document);
    for pause in PAUSES {
        match put_once(&url, document.clone()).await {
            Ok(()) => return Ok(()),
            Err(error) => tracing::warn!(error = %format!("{error:#}"), "CloudFormation has no answer yet"),
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
    // Without a Content-Type: the signature of the URL counts on there being none.
    let request = Request::put(url).body(Full::new(document))?;
    let answer = timeout(ATTEMPT_TIMEOUT, client.request(request)).await.context("no answer in time")??;
    ensure!(answer.status().is_success(), "the answer is {}", answer.status());
    Ok(())
}
