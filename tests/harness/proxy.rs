//! A TCP proxy between the functions and PostgreSQL that simulates a lost network and a DNS name with a new target.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncWriteExt, copy, sink},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// A running proxy on 127.0.0.1; dropping it closes every connection.
pub struct Proxy {
    port: u16,
    target: Arc<AtomicU16>,
    cuts: watch::Sender<u64>,
    tally: Arc<Tally>,
    serving: JoinHandle<()>,
}

/// Counts of client connections, without those that carry only a cancel request.
#[derive(Default)]
struct Tally {
    accepted: AtomicUsize,
    closed: AtomicUsize,
}

/// The code of a cancel request, in place of the protocol version.
const CANCEL_REQUEST: [u8; 4] = 80_877_102_u32.to_be_bytes();

impl Proxy {
    /// Starts a proxy to the port `target` on this machine.
    pub(crate) async fn start(target: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let target = Arc::new(AtomicU16::new(target));
        let cuts = watch::Sender::new(0);
        let tally = Arc::new(Tally::default());
        let serving =
            tokio::spawn(serve(listener, Arc::clone(&target), cuts.subscribe(), Arc::clone(&tally)));
        Ok(Self { port, target, cuts, tally, serving })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Cuts every connection like a lost network: neither side is notified, and no data arrives any more.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// The number of connections that clients have opened so far, without those that carry only a cancel request.
    pub fn accepted(&self) -> usize {
        self.tally.accepted.load(Ordering::SeqCst)
    }

    /// The number of connections that clients have not closed.
    pub fn open(&self) -> usize {
        self.accepted() - self.tally.closed.load(Ordering::SeqCst)
    }

    /// Directs new connections to another port, like a changed DNS record.
    pub fn point_to(&self, port: u16) {
        self.target.store(port, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, target: Arc<AtomicU16>, cuts: watch::Receiver<u64>, tally: Arc<Tally>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        let port = target.load(Ordering::SeqCst);
        let (mut cuts, tally) = (cuts.clone(), Arc::clone(&tally));
        cuts.mark_unchanged();
        connections.spawn(async move {
            let is_cancel = is_cancel_request(&near).await;
            let count = |counter: &AtomicUsize| counter.fetch_add(usize::from(!is_cancel), Ordering::SeqCst);
            count(&tally.accepted);
            let (mut from_near, mut to_near) = near.into_split();
            let is_cut = async {
                let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else {
                    count(&tally.closed);
                    return false;
                };
                let (mut from_far, mut to_far) = far.into_split();
                let there = async {
                    let _ = copy(&mut from_near, &mut to_far).await;
                    count(&tally.closed);
                    let _ = to_far.shutdown().await;
                };
                let back = async {
                    let _ = copy(&mut from_far, &mut to_near).await;
                    let _ = to_near.shutdown().await;
                };
                tokio::select! {
                    ((), ()) = async { tokio::join!(there, back) } => false,
                    changed = cuts.changed() => changed.is_ok(),
                }
            };
            if is_cut.await {
                // Close the connection to the server, and keep the client's open without sending anything.
                let _ = copy(&mut from_near, &mut sink()).await;
                count(&tally.closed);
            }
        });
    }
}

/// Whether the client's first message is a cancel request, which arrives in one packet.
async fn is_cancel_request(client: &TcpStream) -> bool {
    let mut head = [0; 8];
    client.peek(&mut head).await.is_ok_and(|length| length == head.len() && head[4..] == CANCEL_REQUEST)
}
