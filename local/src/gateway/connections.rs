//! Serves connections: each in its own task, with timeouts for slow clients, until `stop` ends them all.

use std::{convert::Infallible, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{pipeline, stage::Stage};

/// Serves until `stopping` is true, then drains.
pub(super) async fn serve(listener: TcpListener, stage: Arc<Stage>, stopping: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let mut stop = stopping.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => { connections.spawn(connection(stream, peer, stage.clone(), stopping.clone())); }
                // Out of file descriptors: the connection stays in the backlog.
                Err(_) => sleep(Duration::from_millis(10)).await,
            },
            () = stopped(&mut stop) => break,
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    let _ =
        timeout(stage.options.stop_timeout, async { while connections.join_next().await.is_some() {} }).await;
    connections.shutdown().await;
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    stage: Arc<Stage>,
    mut stopping: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let stage = stage.clone();
        async move { Ok::<_, Infallible>(pipeline::respond(&stage, peer, request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(stage.options.header_timeout);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    // Errors are the client's: hyper has already sent a response where that is possible.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stopped(&mut stopping) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Waits until the gateway is asked to stop, or is dropped.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}
