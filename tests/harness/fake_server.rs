//! A fake PostgreSQL server that records what clients send, up to their password.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use crate::Certificate;

/// A fake server, which stops when it is dropped.
pub struct FakeServer {
    port: u16,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
    work: AbortHandle,
}

impl FakeServer {
    /// A server without TLS that records every byte it receives.
    pub async fn plain() -> Self {
        Self::start(|mut client| async move {
            let mut said = vec![0; SSL_REQUEST.len()];
            client.read_exact(&mut said).await.ok()?;
            client.write_all(b"N").await.ok()?;
            client.read_to_end(&mut said).await.ok()?;
            Some(said)
        })
        .await
    }

    /// A server with TLS and `certificate` that requests the password in clear text, as RDS does for a token, records
    /// it, and refuses it.
    ///
    /// # Panics
    /// When the certificate is not valid.
    pub async fn tls(certificate: &Certificate) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(tls_config(certificate)));
        Self::start(move |client| ask_for_password(acceptor.clone(), client)).await
    }

    async fn start<C, F>(converse: C) -> Self
    where
        C: Fn(TcpStream) -> F + Send + 'static,
        F: Future<Output = Option<Vec<u8>>> + Send,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&heard);
        let work = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if let (Some(said), Ok(mut heard)) = (converse(client).await, ears.lock()) {
                    heard.push(said);
                }
            }
        });
        Self { port, heard, work: work.abort_handle() }
    }

    /// The TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The bytes received from each client so far.
    pub fn received(&self) -> Vec<Vec<u8>> {
        self.heard.lock().map(|heard| heard.clone()).unwrap_or_default()
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.work.abort();
    }
}

/// The SSLRequest message: its length, and a code in place of the protocol version.
pub const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

async fn ask_for_password(acceptor: TlsAcceptor, mut client: TcpStream) -> Option<Vec<u8>> {
    client.read_exact(&mut [0; SSL_REQUEST.len()]).await.ok()?;
    client.write_all(b"S").await.ok()?;
    let mut client = acceptor.accept(client).await.ok()?;
    message(&mut client).await?; // the startup message with user and database
    client.write_all(b"R\0\0\0\x08\0\0\0\x03").await.ok()?;
    let kind = client.read_u8().await.ok()?;
    let password = message(&mut client).await.filter(|_| kind == b'p')?;
    client.write_all(b"E\0\0\0\x1eSFATAL\0VFATAL\0C28000\0Mno\0\0").await.ok()?;
    client.shutdown().await.ok()?;
    Some(password)
}

/// Reads a message, which begins with its length. Returns its content.
async fn message(client: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let length = usize::try_from(client.read_u32().await.ok()?).ok()?;
    let mut content = vec![0; length.checked_sub(4)?];
    client.read_exact(&mut content).await.ok()?;
    Some(content)
}

/// The configuration of a server with `certificate`.
pub(crate) fn tls_config(certificate: &Certificate) -> ServerConfig {
    let chain = CertificateDer::from_pem_slice(certificate.certificate.as_bytes()).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).expect("a key");
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("a protocol")
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .expect("a certificate and its key")
}
