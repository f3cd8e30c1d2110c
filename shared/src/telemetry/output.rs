//! Standard output, where log lines and metrics go. Whole lines only: others may be writing to the same pipe.

use std::{
    io::{self, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

static HELD: Mutex<HeldLines> = Mutex::new(HeldLines { is_held: false, lines: Vec::new() });

struct HeldLines {
    is_held: bool,
    lines: Vec<u8>,
}

/// Writes `lines`, each with its end. That nobody reads them is no reason to stop.
pub(super) fn write(lines: &[u8]) {
    let mut held = held();
    if held.is_held {
        held.lines.extend_from_slice(lines);
    } else {
        let _ = io::stdout().lock().write_all(lines);
    }
}

/// Lines that are written from now on are kept until the result is dropped, and then written in one piece: that saves a
/// system call for each of them. Nothing may be waited for meanwhile.
#[must_use]
pub(crate) fn hold() -> Hold {
    held().is_held = true;
    Hold
}

/// While there is one, lines are kept.
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
