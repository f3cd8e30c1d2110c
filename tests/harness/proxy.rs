//! A TCP proxy between the functions and PostgreSQL: a network that can be cut, and a name that can be pointed
//! elsewhere.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// A running proxy on 127.0.0.1; dropping it closes every connection.
pub struct Proxy {
    port: u16,
    target: Arc<AtomicU16>,
    cuts: watch::Sender<u64>,
    serving: JoinHandle<()>,
}

impl Proxy {
    /// A proxy to `target`, a port on this machine.
    pub(crate) async fn start(target: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let target = Arc::new(AtomicU16::new(target));
        let cuts = watch::Sender::new(0);
        let serving = tokio::spawn(serve(listener, Arc::clone(&target), cuts.subscribe()));
        Ok(Self { port, target, cuts, serving })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Cuts every connection there is, as a lost network does: nobody is told, and nothing arrives any more.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Leads new connections to another port, as a changed name does.
    pub fn point_to(&self, port: u16) {
        self.target.store(port, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, target: Arc<AtomicU16>, cuts: watch::Receiver<u64>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((mut near, _)) = listener.accept().await {
        let port = target.load(Ordering::SeqCst);
        let mut cuts = cuts.clone();
        cuts.mark_unchanged();
        connections.spawn(async move {
            let Ok(mut far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { return };
            let is_cut = tokio::select! {
                _ = copy_bidirectional(&mut near, &mut far) => false,
                changed = cuts.changed() => changed.is_ok(),
            };
            if is_cut {
                // The server's end is gone, ours stays open in silence.
                drop(far);
                std::future::pending::<()>().await;
            }
        });
    }
}
