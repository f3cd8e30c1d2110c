//! HTTP transport of the SDK: HTTP/1.1 with a new connection per request, because requests are 15 minutes
//! apart.
//!
//! The SDK's own client, `aws-smithy-http-client`, would add hyper with connection pools and HTTP/2, which a
//! function does not need otherwise.

use std::{
    io::{self, Write},
    sync::{Arc, OnceLock},
};

use ::http::{Uri, uri::Scheme};
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use crate::{db::tls, http1};

/// The roots of AWS endpoints (Amazon Trust Services). The system's store has a hundred more, and loading it
/// takes longer than the call.
const AMAZON_ROOTS: &str = include_str!("../../../certificates/amazon-roots.pem");

/// Sends requests to their URLs. It sets no time-outs: the SDK's cover the whole call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transport;

impl HttpClient for Transport {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(*self)
    }
}

impl HttpConnector for Transport {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let carried = async move { carry(&request, &amazon()?).await };
        HttpConnectorFuture::new(async { carried.await.map_err(|error| ConnectorError::io(error.into())) })
    }
}

async fn carry(request: &HttpRequest, tls: &TlsConnector) -> io::Result<HttpResponse> {
    let uri: Uri = request.uri().parse().map_err(io::Error::other)?;
    let host = uri.host().ok_or_else(|| io::Error::other("a URL without a host"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_secure = uri.scheme() != Some(&Scheme::HTTP);
    let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
    let body = request.body().bytes().ok_or_else(|| io::Error::other("a body that is not in memory"))?;
    let head = head(request, &uri, body.len())?;

    let mut stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    let (mut received, mut headers) = (Vec::new(), Vec::new());
    let on_header = |name: &str, value: &[u8]| headers.push((name.to_owned(), value.to_vec()));
    let response = if is_secure {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let mut stream = tls.connect(name, stream).await?;
        http1::exchange(&mut stream, &head, body, &mut received, on_header).await?
    } else {
        http1::exchange(&mut stream, &head, body, &mut received, on_header).await?
    };

    let status = response.status.try_into().map_err(io::Error::other)?;
    let mut answer = HttpResponse::new(status, SdkBody::from(response.body(&received)));
    for (name, value) in headers {
        // Header values that are not text are of no interest to the SDK.
        if let Ok(value) = String::from_utf8(value) {
            let _ = answer.headers_mut().try_append(name.to_ascii_lowercase(), value);
        }
    }
    Ok(answer)
}

fn head(request: &HttpRequest, uri: &Uri, body_length: usize) -> io::Result<Vec<u8>> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let mut head = Vec::with_capacity(1024);
    write!(
        head,
        "{} {path} HTTP/1.1\r\nhost: {authority}\r\ncontent-length: {body_length}\r\nconnection: close\r\n",
        request.method()
    )?;
    for (name, value) in request.headers() {
        if !["host", "content-length", "connection"].contains(&name) {
            write!(head, "{name}: {value}\r\n")?;
        }
    }
    head.extend_from_slice(b"\r\n");
    Ok(head)
}

/// A connector that trusts AWS endpoints. Created once: parsing the roots takes a quarter of a millisecond.
fn amazon() -> io::Result<TlsConnector> {
    static CONFIG: OnceLock<Result<Arc<tokio_rustls::rustls::ClientConfig>, String>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| tls::trusting_only(AMAZON_ROOTS).map(Arc::new));
    config.clone().map(TlsConnector::from).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };
    use tokio_rustls::{TlsAcceptor, rustls::ServerConfig, rustls::pki_types::PrivateKeyDer};

    use super::*;

    /// A server that answers one request, and a connector that trusts it.
    async fn server(host: &'static str) -> (u16, TlsConnector, tokio::task::JoinHandle<String>) {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new([host.to_owned()]).unwrap();
        let issuer = CertifiedIssuer::self_signed(parameters, key).unwrap();
        let (pem, der) = (issuer.pem(), issuer.der().clone());
        let key = PrivateKeyDer::try_from(issuer.key().serialize_der()).unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![der], key).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answering = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"{}") {
                stream.read_buf(&mut request).await.unwrap();
            }
            let answer =
                b"HTTP/1.1 400 Bad Request\r\nX-Amzn-ErrorType: Throttled\r\ncontent-length: 4\r\n\r\nbody";
            stream.write_all(answer).await.unwrap();
            stream.shutdown().await.unwrap();
            String::from_utf8(request).unwrap()
        });
        let connector = TlsConnector::from(Arc::new(tls::trusting_only(&pem).unwrap()));
        (port, connector, answering)
    }

    fn request(url: String) -> HttpRequest {
        let mut request = HttpRequest::new(SdkBody::from("{}"));
        request.set_method("POST").unwrap();
        request.set_uri(url).unwrap();
        request.headers_mut().insert("x-amz-target", "secretsmanager.GetSecretValue");
        request.headers_mut().insert("content-length", "2");
        request
    }

    #[tokio::test]
    async fn carries_a_request_over_tls() {
        let (port, trusts, answering) = server("127.0.0.1").await;
        let answer = carry(&request(format!("https://127.0.0.1:{port}/")), &trusts).await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.headers().get("x-amzn-errortype")),
            (400, Some("Throttled"))
        );
        assert_eq!(answer.body().bytes(), Some(&b"body"[..]));
        let request = answering.await.unwrap();
        assert!(request.starts_with("POST / HTTP/1.1\r\n"), "{request}");
        let head = format!("host: 127.0.0.1:{port}\r\ncontent-length: 2\r\nconnection: close\r\n");
        assert!(request.contains(&head), "{request}");
        assert!(request.contains("x-amz-target: secretsmanager.GetSecretValue\r\n"), "{request}");
        assert_eq!(request.matches("content-length").count(), 1, "{request}");
    }

    #[tokio::test]
    async fn trusts_the_authorities_of_amazon_and_the_name_of_the_host() {
        let (port, _, _server) = server("127.0.0.1").await;
        let error =
            carry(&request(format!("https://127.0.0.1:{port}/")), &amazon().unwrap()).await.unwrap_err();
        assert!(error.to_string().contains("UnknownIssuer"), "{error}");
        let (port, trusts, _server) = server("another.example").await;
        let error = carry(&request(format!("https://127.0.0.1:{port}/")), &trusts).await.unwrap_err();
        assert!(error.to_string().contains("not valid for name"), "{error}");
    }
}
