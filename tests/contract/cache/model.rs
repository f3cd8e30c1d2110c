//! A model checker for the cache protocol: a small system of readers, writers, a cache and a database, whose steps are
//! explored in every order.
//!
//! There is one row and one key. Writers may crash between any two steps. The cache may lose the key (by a flush, an
//! eviction, a restart), be unavailable, be frozen, so that commands wait until it thaws, or refuse writes. Time
//! advances by the settling time of a cell or the lifetime of a token, within the protocol's assumptions: a token
//! outlives the statement of its writer, and a writer whose cell was lost commits within the settling time.
//!
//! The invariant for every read: the value is not older than the state committed when the read began. That implies
//! "versions never go back" and "deleted rows never come back", for any number of observers.

use std::{
    collections::HashSet,
    fmt::Debug,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash},
};

use harness::is_large;

use super::cell::{Answer, Cell, Command, Known, Name, SETTLE, TOKEN};

/// A key of a cache.
trait Store: Clone + Debug + Eq + Hash {
    fn carry_out(&mut self, command: Command, now: u64) -> Answer;
    /// The reply while the server refuses writes.
    fn refuse(&self, command: Command, now: u64) -> Option<Answer>;
    fn lose(&mut self);
}

impl Store for Cell {
    fn carry_out(&mut self, command: Command, now: u64) -> Answer {
        Cell::carry_out(self, command, now)
    }

    /// Every script first proves that the server accepts writes.
    fn refuse(&self, _: Command, _: u64) -> Option<Answer> {
        None
    }

    fn lose(&mut self) {
        Cell::lose(self);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Work {
    Create,
    Patch,
    Delete,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Writer {
    Idle,
    /// Has announced the write to the cache: whether the cache replied, and whether the command is lost.
    Begun {
        is_answered: bool,
        is_lost: bool,
    },
    /// The database has committed the write, or not.
    Written {
        is_answered: bool,
        known: Option<Known>,
    },
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Reader {
    Idle,
    /// Waits for a frozen cache. `floor` is the state that was committed when the read began.
    Asking {
        floor: Known,
    },
    /// Will read from the database.
    Forwarding {
        floor: Known,
        lease: Option<Name>,
    },
    /// Has read from the database.
    Filling {
        floor: Known,
        lease: Name,
        known: Known,
    },
    Over,
}

/// How often each kind of fault may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Budget {
    crashes: u8,
    losses: u8,
    outages: u8,
    freezes: u8,
    settlings: u8,
    expiries: u8,
    /// Commands of writers that never arrive although the cache is running.
    cuts: u8,
    /// The server starts to refuse writes, but serves reads.
    refusals: u8,
    /// The server accepts writes again, with its data unchanged.
    recoveries: u8,
}

const NOTHING: Budget = Budget {
    crashes: 0,
    losses: 0,
    outages: 0,
    freezes: 0,
    settlings: 0,
    expiries: 0,
    cuts: 0,
    refusals: 0,
    recoveries: 0,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct System<S> {
    now: u64,
    row: Known,
    store: S,
    is_away: bool,
    is_refusing: bool,
    /// The commands that wait for the cache to thaw; `None` if it is not frozen.
    inbox: Option<Vec<(Option<usize>, Command)>>,
    writers: Vec<(Work, Writer)>,
    readers: Vec<Reader>,
    budget: Budget,
}

/// A description of a read that violates the invariant.
type Violation = String;

/// A step: its writer or reader, if any, and its description.
type Step = (Option<usize>, &'static str);

fn token(writer: usize) -> Name {
    1 + Name::try_from(writer).expect("a few writers")
}

impl<S: Store> System<S> {
    /// Checks the result of a read that began when `floor` was committed.
    fn check(&self, answer: Known, floor: Known) -> Result<(), Violation> {
        let is_right = match (answer, floor) {
            (Known::Version(answer), Known::Version(floor)) => answer >= floor,
            (Known::Version(_), Known::None) => true,
            (Known::Version(_), Known::Gone) => false,
            (Known::None | Known::Gone, Known::None | Known::Gone) => true,
            (Known::None | Known::Gone, Known::Version(_)) => self.row == Known::Gone,
        };
        if is_right {
            Ok(())
        } else {
            Err(format!("the read returned {answer:?}, but {floor:?} was committed before"))
        }
    }

    /// Sends a command to the cache. Returns its reply unless the command waits or is lost.
    fn send(&mut self, reader: Option<usize>, command: Command) -> Option<Answer> {
        if self.is_away {
            return None;
        }
        match &mut self.inbox {
            Some(inbox) => {
                inbox.push((reader, command));
                None
            }
            None => self.deliver(command),
        }
    }

    /// Executes a command that the server has received.
    fn deliver(&mut self, command: Command) -> Option<Answer> {
        if self.is_refusing {
            self.store.refuse(command, self.now)
        } else {
            Some(self.store.carry_out(command, self.now))
        }
    }

    fn lose(&mut self) {
        self.store.lose();
        for (_, writer) in &mut self.writers {
            if let Writer::Begun { is_lost, .. } = writer {
                *is_lost = true;
            }
        }
    }

    /// The possible states of a reader after the cache's reply.
    fn answered(&self, reader: usize, answer: Answer, floor: Known) -> Result<Vec<Self>, Violation> {
        let with = |state: Reader| {
            let mut next = self.clone();
            next.readers[reader] = state;
            next
        };
        match answer {
            Answer::Busy => Ok(vec![with(Reader::Forwarding { floor, lease: None })]),
            Answer::Miss { lease } => Ok(vec![with(Reader::Forwarding { floor, lease: Some(lease) })]),
            // The value may be fresh, or stale with the database down, which gives the same result. Or it is stale.
            Answer::Hit { known, .. } | Answer::Stale { known, .. } => {
                self.check(known, floor)?;
                let mut all = vec![with(Reader::Over)];
                if let Answer::Stale { lease, .. } = answer {
                    all.push(with(Reader::Forwarding { floor, lease: Some(lease) }));
                }
                Ok(all)
            }
            Answer::Done(_) => unreachable!("not a reply to a reader"),
        }
    }

    /// All possible next steps, with their resulting states.
    fn successors(&self) -> Result<Vec<(Step, Self)>, Violation> {
        let mut all = Vec::new();
        for writer in 0..self.writers.len() {
            self.steps_of_writer(writer, &mut all);
        }
        for reader in 0..self.readers.len() {
            self.steps_of_reader(reader, &mut all)?;
        }
        self.steps_of_the_world(&mut all)?;
        Ok(all)
    }

    fn steps_of_writer(&self, writer: usize, all: &mut Vec<(Step, Self)>) {
        let (work, state) = self.writers[writer];
        let token = token(writer);
        let mut step = |what: &'static str, change: &mut dyn FnMut(&mut Self)| {
            let mut next = self.clone();
            change(&mut next);
            all.push(((Some(writer), what), next));
        };
        match state {
            Writer::Idle => {
                step("writer begins", &mut |next| {
                    let is_lost = next.is_away || next.is_refusing;
                    let is_answered = next.send(None, Command::Begin { token }).is_some();
                    next.writers[writer].1 = Writer::Begun { is_answered, is_lost };
                });
                if self.budget.cuts > 0 {
                    step("the begin of the writer is lost", &mut |next| {
                        next.budget.cuts -= 1;
                        next.writers[writer].1 = Writer::Begun { is_answered: false, is_lost: true };
                    });
                }
            }
            Writer::Begun { is_answered, .. } => {
                step("writer commits", &mut |next| {
                    let row = match (work, next.row) {
                        (Work::Create, Known::None) => Some(Known::Version(1)),
                        (Work::Patch, Known::Version(version)) => Some(Known::Version(version + 1)),
                        (Work::Delete, Known::Version(_)) => Some(Known::Gone),
                        _ => None,
                    };
                    next.row = row.unwrap_or(next.row);
                    next.writers[writer].1 = Writer::Written { is_answered, known: row };
                });
                step("writer is refused", &mut |next| {
                    next.writers[writer].1 = Writer::Written { is_answered, known: None };
                });
            }
            Writer::Written { is_answered, known } => step("writer ends", &mut |next| {
                let command = match (work, known) {
                    (_, None) => Command::Abort { token },
                    (Work::Create, Some(_)) => Command::Clear { token },
                    // Without a confirmed token from before the write, the version must not be stored.
                    (Work::Patch, Some(_)) if !is_answered => Command::Clear { token },
                    (_, Some(known)) => Command::Commit { token, known, fresh: 0, life: u64::MAX },
                };
                next.send(None, command);
                next.writers[writer].1 = Writer::Over;
            }),
            Writer::Over => return,
        }
        if self.budget.crashes > 0 {
            step("writer crashes", &mut |next| {
                next.budget.crashes -= 1;
                next.writers[writer].1 = Writer::Over;
            });
        }
    }

    fn steps_of_reader(&self, reader: usize, all: &mut Vec<(Step, Self)>) -> Result<(), Violation> {
        let mut push = |what: &'static str, next: Self| all.push(((Some(reader), what), next));
        match self.readers[reader] {
            Reader::Idle => {
                let mut next = self.clone();
                let floor = self.row;
                let nonce = 100 + Name::try_from(reader).expect("a few readers");
                match next.send(Some(reader), Command::Read { nonce }) {
                    Some(answer) => {
                        for next in next.answered(reader, answer, floor)? {
                            push("reader asks", next);
                        }
                    }
                    None if self.is_away => {
                        next.readers[reader] = Reader::Forwarding { floor, lease: None };
                        push("reader skips the cache", next);
                    }
                    None if self.inbox.is_none() => {
                        next.readers[reader] = Reader::Forwarding { floor, lease: None };
                        push("reader is refused", next);
                    }
                    None => {
                        next.readers[reader] = Reader::Asking { floor };
                        push("reader asks the frozen cache", next);
                    }
                }
            }
            Reader::Asking { floor } => {
                let mut next = self.clone();
                next.readers[reader] = Reader::Forwarding { floor, lease: None };
                push("reader gives up", next);
            }
            Reader::Forwarding { floor, lease } => {
                self.check(self.row, floor)?;
                let mut next = self.clone();
                next.readers[reader] = match lease {
                    // A deleted row looks the same as one that never existed.
                    Some(lease) => {
                        let known = if self.row == Known::Gone { Known::None } else { self.row };
                        Reader::Filling { floor, lease, known }
                    }
                    None => Reader::Over,
                };
                push("reader reads the database", next);
            }
            Reader::Filling { lease, known, .. } => {
                let mut next = self.clone();
                next.readers[reader] = Reader::Over;
                push("reader crashes", next.clone());
                next.send(None, Command::Fill { lease, known, fresh: 0, life: u64::MAX });
                push("reader fills", next);
            }
            Reader::Over => {}
        }
        Ok(())
    }

    fn steps_of_the_world(&self, all: &mut Vec<(Step, Self)>) -> Result<(), Violation> {
        let budget = self.budget;
        let mut step = |what: &'static str, change: &mut dyn FnMut(&mut Self)| {
            let mut next = self.clone();
            change(&mut next);
            all.push(((None, what), next));
        };
        if budget.losses > 0 {
            step("the cache loses the key", &mut |next| {
                next.budget.losses -= 1;
                next.lose();
            });
        }
        if self.is_away {
            step("the cache is back", &mut |next| next.is_away = false);
        } else if budget.outages > 0 {
            step("the cache is away", &mut |next| {
                next.budget.outages -= 1;
                next.is_away = true;
                next.is_refusing = false;
                next.inbox = None;
                next.lose();
                for reader in &mut next.readers {
                    if let Reader::Asking { floor } = *reader {
                        *reader = Reader::Forwarding { floor, lease: None };
                    }
                }
            });
        }
        if budget.freezes > 0 && self.inbox.is_none() && !self.is_away {
            step("the cache freezes", &mut |next| {
                next.budget.freezes -= 1;
                next.inbox = Some(Vec::new());
            });
        }
        if self.is_refusing {
            if budget.recoveries > 0 {
                step("the cache accepts writes again", &mut |next| {
                    next.budget.recoveries -= 1;
                    next.is_refusing = false;
                });
            }
        } else if budget.refusals > 0 && !self.is_away {
            step("the cache refuses writes", &mut |next| {
                next.budget.refusals -= 1;
                next.is_refusing = true;
            });
        }
        let is_at_work = |is_slow: fn(bool) -> bool| {
            self.writers
                .iter()
                .any(|(_, writer)| matches!(writer, Writer::Begun { is_lost, .. } if is_slow(*is_lost)))
        };
        if budget.settlings > 0 && !is_at_work(|is_lost| is_lost) {
            step("a second passes", &mut |next| {
                next.budget.settlings -= 1;
                next.now += SETTLE;
            });
        }
        if budget.expiries > 0 && !is_at_work(|_| true) {
            step("tokens expire", &mut |next| {
                next.budget.expiries -= 1;
                next.now += TOKEN;
            });
        }
        if let Some(inbox) = &self.inbox {
            let mut thawed = vec![Self { inbox: None, ..self.clone() }];
            for (reader, command) in inbox {
                let mut after = Vec::new();
                for mut state in thawed {
                    let answer = state.deliver(*command);
                    match reader.map(|reader| (reader, state.readers[reader])) {
                        Some((reader, Reader::Asking { floor })) => match answer {
                            Some(answer) => after.extend(state.answered(reader, answer, floor)?),
                            None => {
                                state.readers[reader] = Reader::Forwarding { floor, lease: None };
                                after.push(state);
                            }
                        },
                        _ => after.push(state),
                    }
                }
                thawed = after;
            }
            all.extend(thawed.into_iter().map(|next| ((None, "the cache thaws"), next)));
        }
        Ok(())
    }
}

/// Visits every state that is reachable from `state`. Returns their number, or the path to a violation.
fn explore<S: Store>(state: System<S>) -> Result<usize, String> {
    let mut seen = HashSet::new();
    let mut way = Vec::new();
    visit(&state, &mut seen, &mut way).map(|()| seen.len()).map_err(|violation| {
        let steps = way.iter().map(|(who, what)| match who {
            Some(who) => format!("{what} ({who})"),
            None => (*what).to_owned(),
        });
        format!("{}: {violation}", steps.collect::<Vec<_>>().join(", "))
    })
}

/// Visits states depth first. They are remembered by a 64-bit hash: among a million states a collision happens once in
/// ten million runs.
fn visit<S: Store>(state: &System<S>, seen: &mut HashSet<u64>, way: &mut Vec<Step>) -> Result<(), Violation> {
    if !seen.insert(BuildHasherDefault::<DefaultHasher>::default().hash_one(state)) {
        return Ok(());
    }
    for (what, next) in state.successors()? {
        way.push(what);
        visit(&next, seen, way)?;
        way.pop();
    }
    Ok(())
}

/// A system at rest: the cache is empty, or has the first version.
fn system<S: Store + Default>(is_warm: bool, work: &[Work], readers: usize, budget: Budget) -> System<S> {
    let row = if work.contains(&Work::Create) { Known::None } else { Known::Version(1) };
    let mut store = S::default();
    let mut now = 10_000;
    if is_warm {
        store.carry_out(Command::Read { nonce: 99 }, now);
        now += SETTLE;
        store.carry_out(Command::Read { nonce: 98 }, now);
        store.carry_out(Command::Fill { lease: 99, known: row, fresh: 0, life: u64::MAX }, now);
    }
    System {
        now,
        row,
        store,
        is_away: false,
        is_refusing: false,
        inbox: None,
        writers: work.iter().map(|work| (*work, Writer::Idle)).collect(),
        readers: vec![Reader::Idle; readers],
        budget,
    }
}

/// Every kind of fault once; time may advance twice.
const ALL: Budget = Budget {
    crashes: 1,
    losses: 1,
    outages: 1,
    freezes: 1,
    settlings: 2,
    expiries: 1,
    refusals: 1,
    ..NOTHING
};

fn check(work: &[Work], readers: usize, budget: Budget) -> usize {
    let started = std::time::Instant::now();
    let states = [false, true].map(|is_warm| {
        explore(system::<Cell>(is_warm, work, readers, budget))
            .unwrap_or_else(|way| panic!("{work:?}, warm: {is_warm}: {way}"))
    });
    eprintln!("{work:?}, {readers} readers: {states:?} states, {:?}", started.elapsed());
    states.into_iter().sum()
}

#[test]
fn no_answer_is_older_than_what_was_committed_before_the_question() {
    use Work::{Create, Delete, Patch};
    let crash = Budget { freezes: 0, outages: 0, settlings: 1, refusals: 0, ..ALL };
    let freeze = Budget { crashes: 0, losses: 0, expiries: 0, settlings: 1, refusals: 0, ..ALL };
    let refusal = Budget { losses: 0, outages: 0, settlings: 1, ..ALL };
    let mut states = 0;
    for work in [Create, Patch, Delete] {
        states += check(&[work], 2, crash);
        states += check(&[work], 2, freeze);
        states += check(&[work], 2, refusal);
        states += check(&[work, Patch], 1, crash);
        states += check(&[work, Patch], 1, freeze);
        states += check(&[work, Patch], 1, Budget { expiries: 0, ..refusal });
    }
    if is_large() {
        for work in [Create, Patch, Delete] {
            states += check(&[work], 2, ALL);
            states += check(&[work, Patch], 2, Budget { settlings: 2, ..crash });
        }
        states += check(&[Patch, Patch], 2, Budget { settlings: 2, ..freeze });
        states += check(&[Patch, Patch], 1, Budget { crashes: 2, expiries: 2, ..crash });
    }
    assert!(states > 100_000, "{states}");
}

/// The usual protocols: readers store what they have read, and writers do one thing after their statement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Naive<const RULE: u8>(Option<Known>);

/// Readers and writers set the value that they have read or written.
const SET_AFTER_READ: u8 = 0;
/// Writers delete the key.
const DELETE_AFTER_WRITE: u8 = 1;
/// A newer version is never overwritten.
const COMPARE_VERSIONS: u8 = 2;

impl<const RULE: u8> Store for Naive<RULE> {
    fn carry_out(&mut self, command: Command, _: u64) -> Answer {
        let is_newer =
            |old: Option<Known>, new: Known| RULE != COMPARE_VERSIONS || old.is_none_or(|old| old <= new);
        match command {
            Command::Read { .. } => {
                return match self.0 {
                    Some(known) => Answer::Hit { known, age: 0 },
                    None => Answer::Miss { lease: 0 },
                };
            }
            Command::Fill { known, .. } if is_newer(self.0, known) => self.0 = Some(known),
            Command::Commit { .. } if RULE == DELETE_AFTER_WRITE => self.0 = None,
            Command::Commit { known, .. } if is_newer(self.0, known) => self.0 = Some(known),
            Command::Clear { .. } => self.0 = None,
            _ => {}
        }
        Answer::Done(true)
    }

    fn refuse(&self, command: Command, now: u64) -> Option<Answer> {
        matches!(command, Command::Read { .. }).then(|| self.clone().carry_out(command, now))
    }

    fn lose(&mut self) {
        self.0 = None;
    }
}

#[test]
fn the_usual_protocols_fail_the_same_check() {
    use Work::Patch;
    fn way<const RULE: u8>(budget: Budget) -> String {
        explore(system::<Naive<RULE>>(false, &[Patch], 2, budget)).expect_err("a stale read")
    }
    for (rule, way) in [
        ("set after read", way::<SET_AFTER_READ>(NOTHING)),
        ("delete after write", way::<DELETE_AFTER_WRITE>(NOTHING)),
        ("compare versions", way::<COMPARE_VERSIONS>(NOTHING)),
    ] {
        eprintln!("--- {rule}\n{way}");
    }
}

/// The cell without the proof that the server accepts writes: it serves reads while it refuses writes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Unproved(Cell);

impl Store for Unproved {
    fn carry_out(&mut self, command: Command, now: u64) -> Answer {
        self.0.carry_out(command, now)
    }

    fn refuse(&self, command: Command, now: u64) -> Option<Answer> {
        matches!(command, Command::Read { .. }).then(|| self.0.clone().carry_out(command, now))
    }

    fn lose(&mut self) {
        self.0.lose();
    }
}

#[test]
fn a_read_that_proves_nothing_is_old_where_a_writer_was_refused() {
    let budget = Budget { refusals: 1, ..NOTHING };
    let way = explore(system::<Unproved>(true, &[Work::Patch], 1, budget)).expect_err("a stale read");
    assert!(way.contains("refuses writes"), "{way}");
}

/// The known limitation in the documentation: the check finds it.
#[test]
fn a_writer_that_alone_cannot_reach_the_cache_is_what_remains() {
    let budget = Budget { cuts: 1, ..NOTHING };
    let way = explore(system::<Cell>(true, &[Work::Patch], 1, budget)).expect_err("a stale read");
    assert!(way.contains("is lost"), "{way}");
}

/// A server that refuses a writer and then accepts writes again with its old data. A restart is not such a case, since
/// it loses the keys.
#[test]
fn so_is_a_server_that_refuses_a_writer_and_not_the_reader_after_it() {
    let budget = Budget { refusals: 1, recoveries: 1, ..NOTHING };
    let way = explore(system::<Cell>(true, &[Work::Patch], 1, budget)).expect_err("a stale read");
    assert!(way.contains("accepts writes again"), "{way}");
}
