//! Terminates TLS in front of a server without TLS.

use std::{net::Ipv4Addr, sync::Arc};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};
use tokio_rustls::TlsAcceptor;

use crate::{Certificate, fake_server::tls_config};

/// A listener on 127.0.0.1 that ends when it is dropped.
pub struct Tunnel {
    port: u16,
    work: AbortHandle,
}

impl Tunnel {
    /// Starts a listener with TLS and `certificate` that forwards to the port `target` on this machine.
    ///
    /// # Panics
    /// When the certificate is not valid.
    pub async fn start(certificate: &Certificate, target: u16) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(tls_config(certificate)));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let work = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut near = acceptor.accept(near).await.ok()?;
                    let mut far = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await.ok()?;
                    far.set_nodelay(true).ok()?;
                    copy_bidirectional(&mut near, &mut far).await.ok()
                });
            }
        });
        Self { port, work: work.abort_handle() }
    }

    /// The port of the listener.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.work.abort();
    }
}
