//! Determines after the end of a process whether it had read the event that was written to its connection. An unread
//! event may run in another environment; one that was read may not.
//!
//! The kernel reports it: if a process ends with unread data on a connection, or data arrives after its end, the peer
//! receives a reset. The connections of a process that had read everything are closed in order.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// How much was written to one connection, and whether the peer reset it.
#[derive(Default)]
pub(super) struct Delivery {
    written_bytes: AtomicU64,
    reset: AtomicBool,
}

impl Delivery {
    /// Starts counting for the next event.
    pub(super) fn restart(&self) {
        self.written_bytes.store(0, Ordering::Release);
    }

    /// Whether the process has read an event of this size. Valid once its connections are closed.
    pub(super) fn event_was_read(&self, event_bytes: u64) -> bool {
        !self.reset.load(Ordering::Acquire) && self.written_bytes.load(Ordering::Acquire) >= event_bytes
    }
}

/// The server's end of a runtime's connection.
pub(super) struct WatchedStream {
    stream: TcpStream,
    delivery: Arc<Delivery>,
}

impl WatchedStream {
    pub(super) fn new(stream: TcpStream) -> (Self, Arc<Delivery>) {
        let delivery = Arc::new(Delivery::default());
        (Self { stream, delivery: delivery.clone() }, delivery)
    }

    fn note_reset(&self) {
        self.delivery.reset.store(true, Ordering::Release);
    }

    /// A reset after an orderly close does not fail a read: it has to be fetched from the socket.
    fn note_pending_reset(&self) {
        if !matches!(self.stream.take_error(), Ok(None)) {
            self.note_reset();
        }
    }

    fn count(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(bytes)) => {
                self.delivery.written_bytes.fetch_add(*bytes as u64, Ordering::AcqRel);
            }
            Poll::Ready(Err(_)) => self.note_reset(),
            Poll::Pending => {}
        }
        written
    }
}

impl AsyncRead for WatchedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Poll::Ready(Err(_)) = &read {
            self.note_reset();
        }
        read
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.count(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // After our own shutdown the kernel reports less, so this is the last chance to check.
        self.note_pending_reset();
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for WatchedStream {
    fn drop(&mut self) {
        self.note_pending_reset();
    }
}
