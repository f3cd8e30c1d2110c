//! A Rust version of the cell in `cell.lua`, for the model; the script is tested against it.

use std::collections::BTreeMap;

/// How long a new cell grants no leases, in ms.
pub(super) const SETTLE: u64 = 1_000;
/// How long a writer's token is valid, in ms.
pub(super) const TOKEN: u64 = 45_000;

/// The known state of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Known {
    None,
    Version(u8),
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Value {
    known: Known,
    stored: u64,
    fresh: u64,
    life: u64,
}

/// The name of a generation, lease or token.
pub(super) type Name = u16;

/// A command to a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Command {
    Read { nonce: Name },
    Fill { lease: Name, known: Known, fresh: u64, life: u64 },
    Begin { token: Name },
    Commit { token: Name, known: Known, fresh: u64, life: u64 },
    Abort { token: Name },
    Clear { token: Name },
}

/// A cell's reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Answer {
    Busy,
    Miss { lease: Name },
    Hit { known: Known, age: u64 },
    Stale { known: Known, age: u64, lease: Name },
    Done(bool),
}

/// A key of the cache. The caller supplies the time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Cell(Option<Inner>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Inner {
    since: u64,
    generation: Generation,
    /// The tokens and their expiry times.
    writers: BTreeMap<Name, u64>,
    /// When the cell last became uncertain about the row.
    lost_track: u64,
    value: Option<Value>,
}

/// A writer starts a new generation when it begins and another one when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Generation {
    Of(Name),
    EndOf(Name),
}

/// Marks the lease of the generation at a writer's end.
const END: Name = 0x8000;

impl Generation {
    fn lease(self) -> Name {
        match self {
            Self::Of(name) => name,
            Self::EndOf(name) => name | END,
        }
    }
}

/// Whether the stored value is older than `known`.
fn is_older(value: Option<Value>, known: Known) -> bool {
    match value.map(|value| value.known) {
        None | Some(Known::None) => true,
        Some(Known::Gone) => false,
        Some(stored) => known == Known::Gone || stored < known,
    }
}

impl Cell {
    /// Loses everything, as by a flush, an eviction or a restart.
    pub(super) fn lose(&mut self) {
        self.0 = None;
    }

    /// Executes `command` at the time `now`.
    pub(super) fn carry_out(&mut self, command: Command, now: u64) -> Answer {
        if let Some(inner) = &mut self.0 {
            inner.give_up(now);
        }
        match (command, &mut self.0) {
            (Command::Read { nonce }, cell @ None) => {
                *cell = Some(Inner::new(Generation::Of(nonce), now));
                Answer::Busy
            }
            (Command::Read { .. }, Some(inner)) => inner.read(now),
            (Command::Fill { .. }, None) => Answer::Done(false),
            (Command::Fill { lease, known, fresh, life }, Some(inner)) => {
                let value = Value { known, stored: now, fresh, life };
                let is_allowed = inner.writers.is_empty()
                    && inner.generation.lease() == lease
                    && match inner.value.map(|value| value.known) {
                        Some(Known::Gone) => false,
                        Some(stored) => {
                            known == Known::None || known == stored || is_older(inner.value, known)
                        }
                        None => true,
                    };
                if is_allowed {
                    inner.value = Some(value);
                }
                Answer::Done(is_allowed)
            }
            (Command::Begin { token }, cell) => {
                let inner = cell.get_or_insert_with(|| Inner::new(Generation::Of(token), now));
                inner.generation = Generation::Of(token);
                inner.writers.entry(token).or_insert(now + TOKEN);
                Answer::Done(true)
            }
            (Command::Abort { token }, cell) => {
                if let Some(inner) = cell {
                    inner.writers.remove(&token);
                }
                Answer::Done(false)
            }
            (Command::Clear { token } | Command::Commit { token, .. }, cell @ None) => {
                *cell = Some(Inner::new(Generation::EndOf(token), now));
                Answer::Done(false)
            }
            (Command::Clear { token }, Some(inner)) => {
                inner.writers.remove(&token);
                inner.generation = Generation::EndOf(token);
                inner.invalidate(now);
                Answer::Done(false)
            }
            (Command::Commit { token, known, fresh, life }, Some(inner)) => {
                let begun = inner.end(token);
                inner.generation = Generation::EndOf(token);
                if !is_older(inner.value, known) {
                    return Answer::Done(false);
                }
                let is_sure = known == Known::Gone
                    || begun.is_some_and(|begun| begun >= inner.since + SETTLE && begun > inner.lost_track);
                if is_sure {
                    inner.value = Some(Value { known, stored: now, fresh, life });
                } else {
                    inner.invalidate(now);
                }
                Answer::Done(is_sure)
            }
        }
    }
}

impl Inner {
    fn new(generation: Generation, now: u64) -> Self {
        Self { since: now, generation, writers: BTreeMap::new(), lost_track: 0, value: None }
    }

    /// Drops expired tokens; the value is dropped with them.
    fn give_up(&mut self, now: u64) {
        let before = self.writers.len();
        self.writers.retain(|_, expires| *expires > now);
        if self.writers.len() < before {
            self.invalidate(now);
        }
    }

    fn invalidate(&mut self, now: u64) {
        self.lost_track = now;
        self.value = None;
    }

    /// Removes a writer's token, and returns when the writer began. A token that has just expired began too early to
    /// matter.
    fn end(&mut self, token: Name) -> Option<u64> {
        self.writers.remove(&token).map(|expires| expires - TOKEN)
    }

    fn read(&self, now: u64) -> Answer {
        if !self.writers.is_empty() || now < self.since + SETTLE {
            return Answer::Busy;
        }
        let lease = self.generation.lease();
        match self.value {
            Some(Value { known, stored, fresh, life }) => {
                let age = now.saturating_sub(stored);
                if age < fresh {
                    Answer::Hit { known, age }
                } else if age < life {
                    Answer::Stale { known, age, lease }
                } else {
                    Answer::Miss { lease }
                }
            }
            None => Answer::Miss { lease },
        }
    }
}
