//! One connection of a runtime to its Runtime API, watched to answer one question after a process died: had it read the
//! event that was written to it? An event that nobody read may run in another environment; one that was read may not.
//!
//! The kernel knows: when a process ends with unread data on a connection, or data arrives after its end, the peer gets
//! a reset. A process that had read everything ends its connections with an orderly close.

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

/// What is known about one connection.
#[derive(Default)]
pub(super) struct Wire {
    written_bytes: AtomicU64,
    reset: AtomicBool,
}

impl Wire {
    /// Starts counting for the next event.
    pub(super) fn rewind(&self) {
        self.written_bytes.store(0, Ordering::Release);
    }

    /// Whether an event of this size was read by the process; to be asked once its connections have ended.
    pub(super) fn took(&self, event_bytes: u64) -> bool {
        !self.reset.load(Ordering::Acquire) && self.written_bytes.load(Ordering::Acquire) >= event_bytes
    }
}

/// The server's end of the connection.
pub(super) struct WatchedStream {
    stream: TcpStream,
    wire: Arc<Wire>,
}

impl WatchedStream {
    pub(super) fn new(stream: TcpStream) -> (Self, Arc<Wire>) {
        let wire = Arc::new(Wire::default());
        (Self { stream, wire: wire.clone() }, wire)
    }

    fn note_reset(&self) {
        self.wire.reset.store(true, Ordering::Release);
    }

    /// A reset that follows an orderly close is no error of a read: it waits in the socket to be asked for.
    fn note_pending_reset(&self) {
        if !matches!(self.stream.take_error(), Ok(None)) {
            self.note_reset();
        }
    }

    fn count(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(bytes)) => {
                self.wire.written_bytes.fetch_add(*bytes as u64, Ordering::AcqRel);
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
        // After our own shutdown the kernel reports less, so this is the last moment to ask.
        self.note_pending_reset();
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for WatchedStream {
    fn drop(&mut self) {
        self.note_pending_reset();
    }
}
