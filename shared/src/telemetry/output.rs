//! Standard output for log lines and metrics. Only whole lines are written, because the pipe may be shared.

use std::{
    io::{self, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

static HELD: Mutex<HeldLines> = Mutex::new(HeldLines { is_held: false, lines: Vec::new() });

struct HeldLines {
    is_held: bool,
    lines: Vec<u8>,
}

/// Writes complete `lines`. Errors are ignored: a closed pipe must not stop the function.
pub(super) fn write(lines: &[u8]) {
    let mut held = held();
    if held.is_held {
        held.lines.extend_from_slice(lines);
    } else {
        let _ = io::stdout().lock().write_all(lines);
    }
}

/// Buffers the lines written from now on until the result is dropped, and then writes them at once, which
/// saves a system call per line. Must not be held across an await.
#[must_use]
pub(crate) fn hold() -> Hold {
    held().is_held = true;
    Hold
}

/// Lines are buffered while this exists.
pub(crate) struct Hold;

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = held();
        held.is_held = false;
        let _ = io::stdout().lock().write_all(&held.lines);
        held.lines.clear();
    }
}

fn held() -> MutexGuard<'static, HeldLines> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}
