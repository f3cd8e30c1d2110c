//! The benchmark program, which `cargo xtask bench` builds and runs.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use benches::{
    budget::{self, Budget},
    database::{Database, counted_login},
    events::Requests,
    instructions,
    load::{self, Load, Soak},
    machine::Machine,
    measure::{self, Answers, Candidate, Kind, Plan},
    peers, processor, report,
    results::{self, Dated, Functions, Results},
    scale::{self, Scale},
    subjects::{self, COMPARED},
};
use clap::{Parser, ValueEnum};
use shared::Role;
use tokio::runtime::{Builder, Runtime};

/// Measure what the functions cost, compared with other implementations
#[derive(Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
struct Arguments {
    /// The parts to run; functions and report by default
    parts: Vec<Part>,
    /// Run a few rounds, and print the figures without recording them
    #[arg(long)]
    quick: bool,
    /// Record the costs of getProduct as the baseline for `cargo xtask test`
    #[arg(long)]
    record: bool,
    /// Skip the peers, which have to be installed
    #[arg(long)]
    alone: bool,
    /// Measure every operation instead of one of each kind; their programs take minutes to build
    #[arg(long)]
    all: bool,
    /// An operation to measure; by default every operation that has been built
    #[arg(long = "operation", hide = true)]
    operations: Vec<String>,
    /// The duration of the part soak
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=120))]
    minutes: u32,
    /// The folder of the functions' programs; by default that of a release build
    #[arg(long, hide = true, default_value_os_t = released())]
    programs: PathBuf,
}

/// The folder of a release build, next to the folder of this program.
fn released() -> PathBuf {
    local::stack::programs().map(|folder| folder.with_file_name("release")).unwrap_or_default()
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Every operation, the floor and the peers, one request at a time
    Functions,
    /// Reads with ten thousand, a hundred thousand and a million products
    Scale,
    /// The local environment with 1 to 64 clients, and the benefit of a cache
    Load,
    /// A mix of all operations, at half the maximum rate of the local environment
    Soak,
    /// Write docs/benchmarks.md and the figures in README.md from the recorded results
    Report,
}

const PRODUCTS: u32 = 100_000;

const ROUNDS: usize = 15;
const QUICK_ROUNDS: usize = 3;
/// The time limit for the rounds, without building and installing.
const LIMIT: Duration = Duration::from_secs(9 * 60);

const SAY: tools::Say<'static> = &|line| eprintln!("· {line}");

fn main() -> Result<()> {
    let mut arguments = Arguments::parse();
    // An absolute path, since subjects run in other folders.
    arguments.programs = std::path::absolute(&arguments.programs)?;
    let parts = match &arguments.parts[..] {
        [] => &[Part::Functions, Part::Report],
        parts => parts,
    };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let file = results::file();
    let mut all = Results::read(&file)?;
    if arguments.record {
        return record(&arguments, &runtime);
    }
    // Before this process is bound to one processor.
    if parts.contains(&Part::Load) {
        all.load = Some(load(&arguments, &runtime)?);
    }
    if parts.contains(&Part::Soak) {
        all.soak = Some(soak(&arguments, &runtime)?);
    }
    if parts.contains(&Part::Functions) {
        all.functions = Some(functions(&arguments, &runtime)?);
    }
    if parts.contains(&Part::Scale) {
        all.scale = Some(scale(&arguments, &runtime)?);
    }
    if arguments.quick {
        return Ok(());
    }
    all.write(&file)?;
    if parts.contains(&Part::Report) {
        report::write(&all, &tools::checkout().join("docs"))?;
        report::write_readme(&all, &tools::checkout().join("README.md"))?;
        SAY("wrote docs/benchmarks.md and the figures in README.md");
    }
    Ok(())
}

/// Measures every subject.
fn functions(arguments: &Arguments, runtime: &Runtime) -> Result<Dated<Functions>> {
    // Before this process is bound to one processor.
    let others = if arguments.alone { Vec::new() } else { peers::all(SAY) };
    let valgrind = tools::valgrind(SAY);
    let (mut candidates, missing) = candidates(arguments, others)?;
    if arguments.quick {
        candidates.retain(|it| it.operation == COMPARED);
    }
    let processor = processor::pin().map_err(|error| format!("{error:#}"));
    match &processor {
        Ok(number) => SAY(&format!("everything runs on processor {number}")),
        Err(reason) => SAY(&format!("not bound to one processor: {reason}")),
    }
    let begin = Instant::now();
    let database = runtime.block_on(Database::start(PRODUCTS, SAY))?;
    let machine = Machine::this(runtime.block_on(database.version())?);
    let plan = Plan { rounds: if arguments.quick { QUICK_ROUNDS } else { ROUNDS }, limit: LIMIT };
    let counted: Vec<_> = candidates
        .iter()
        .filter(|it| it.operation == COMPARED && it.kind != Kind::Peer)
        .map(|it| it.subject.clone())
        .collect();
    let (measured, failed) = measure::run(candidates, &plan, runtime, &database, SAY)?;
    let mut instructions = Vec::new();
    match valgrind {
        Ok(valgrind) => {
            let requests = Requests::of(COMPARED, 0)?;
            for subject in counted {
                SAY(&format!("counting the instructions of {}", subject.name));
                let mut answers = Answers::new(Some(requests.status), None);
                let url = runtime.block_on(counted_login(&database.url()))?;
                let count = instructions::count(&subject, &requests, &url, &mut answers, &valgrind)?;
                instructions.push((subject.name.to_owned(), count));
            }
        }
        Err(reason) => SAY(&format!("instructions are not counted: {reason:#}")),
    }
    runtime.block_on(database.stop())?;
    for it in &measured {
        eprintln!(
            "{:28} start {:8.2} ms  hot {:7.1} us ({:4.1} %)  paced {:7.1} us ({:4.1} %)  processor {:7.1} us  memory {:5.2} MiB  zip {:5.2} MB",
            it.name,
            it.start_to_answer_ms.median,
            it.hot.p50_us.median,
            100.0 * it.hot.p50_us.noise(),
            it.paced.p50_us.median,
            100.0 * it.paced.p50_us.noise(),
            it.processor_us.median,
            it.peak_memory_bytes.median / 1024.0 / 1024.0,
            it.size.zip_bytes as f64 / 1e6,
        );
    }
    for (name, count) in &instructions {
        eprintln!("{name:28} instructions {} per request, {} per start", count.per_request, count.per_start);
    }
    let missing = missing.into_iter().chain(failed).collect();
    let figures = Functions { products: PRODUCTS, processor, measured, missing, instructions };
    Ok(Dated { date: today(), seconds: begin.elapsed().as_secs(), machine, figures })
}

/// Measures the local environment under load.
fn load(arguments: &Arguments, runtime: &Runtime) -> Result<Dated<Load>> {
    let begin = Instant::now();
    let database = runtime.block_on(Database::start(10_000, SAY))?;
    let machine = Machine::this(runtime.block_on(database.version())?);
    let figures = load::run(&arguments.programs, &database.url(), SAY)?;
    runtime.block_on(database.stop())?;
    for it in &figures.clients {
        eprintln!(
            "{:3} clients {:8.0} answers a second  p50 {:8.1} us  p99 {:8.1} us  {} errors",
            it.clients, it.per_second, it.p50_us, it.p99_us, it.errors
        );
    }
    Ok(Dated { date: today(), seconds: begin.elapsed().as_secs(), machine, figures })
}

/// Runs the soak test.
fn soak(arguments: &Arguments, runtime: &Runtime) -> Result<Dated<Soak>> {
    let begin = Instant::now();
    let database = runtime.block_on(Database::start(10_000, SAY))?;
    let machine = Machine::this(runtime.block_on(database.version())?);
    let figures = load::soak(&arguments.programs, &database.url(), arguments.minutes, SAY)?;
    runtime.block_on(database.stop())?;
    eprintln!(
        "{} answers, {:.0} a second of {:.0}  p50 {:.0} us  p99 {:.0} us  {} errors  {} processes ended  memory x {:.3}",
        figures.answers,
        figures.per_second,
        figures.top_per_second,
        figures.p50_us,
        figures.p99_us,
        figures.errors,
        figures.ended,
        figures.growth()
    );
    ensure!(figures.errors == 0, "{} requests failed", figures.errors);
    ensure!(figures.ended == 0, "{} processes ended", figures.ended);
    Ok(Dated { date: today(), seconds: begin.elapsed().as_secs(), machine, figures })
}

/// Measures how reads grow.
fn scale(arguments: &Arguments, runtime: &Runtime) -> Result<Dated<Scale>> {
    if let Err(reason) = processor::pin() {
        SAY(&format!("not bound to one processor: {reason:#}"));
    }
    let begin = Instant::now();
    let mut machine = Machine::this(String::new());
    let (figures, postgres) = scale::run(&arguments.programs, runtime, SAY)?;
    machine.postgres = postgres;
    for it in &figures.growth {
        eprintln!(
            "{:20} {:9} rows  p50 {:8.1} us  p99 {:8.1} us",
            it.name, it.rows, it.p50_us.median, it.p99_us.median
        );
    }
    Ok(Dated { date: today(), seconds: begin.elapsed().as_secs(), machine, figures })
}

fn today() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()
}

/// The subjects that can be measured, and those that cannot.
fn candidates(
    Arguments { programs, all, operations, .. }: &Arguments,
    others: Vec<peers::Peer>,
) -> Result<(Vec<Candidate>, Vec<measure::Missing>)> {
    let floors = subjects::floors(programs)?;
    let compared =
        |subject, kind| Candidate { subject, kind, operation: COMPARED, role: Role::Reader, arm64: None };
    let mut candidates: Vec<_> = floors.into_iter().map(|floor| compared(floor, Kind::Floor)).collect();
    let mut missing = Vec::new();
    let is_named = |name: &str| *all || operations.is_empty() || operations.iter().any(|it| it == name);
    for operation in api::OPERATIONS.iter().filter(|it| is_named(it.name)) {
        let Ok(subject) = subjects::operation(operation, programs) else {
            SAY(&format!("{} has not been built", operation.name));
            continue;
        };
        let (kind, role) = (Kind::Operation, operation.role);
        let arm64 = tools::checkout().join("target/lambda").join(operation.name).join("bootstrap");
        let arm64 = arm64.is_file().then_some(arm64);
        candidates.push(Candidate { subject, kind, operation: operation.name, role, arm64 });
    }
    ensure!(
        candidates.iter().any(|it| it.operation == COMPARED && it.kind == Kind::Operation),
        "{COMPARED} has not been built"
    );
    for (name, peer) in others {
        match peer {
            Ok(subject) => candidates.push(compared(subject, Kind::Peer)),
            Err(reason) => {
                SAY(&format!("{name} is left out: {reason:#}"));
                missing.push(measure::Missing { name: name.to_owned(), reason: format!("{reason:#}") });
            }
        }
    }
    Ok((candidates, missing))
}

/// Records the costs of getProduct as the baseline.
fn record(arguments: &Arguments, runtime: &Runtime) -> Result<()> {
    let valgrind = tools::valgrind(SAY)?;
    let operation = api::OPERATIONS.iter().find(|it| it.name == COMPARED).context(COMPARED)?;
    let subject = subjects::operation(operation, &arguments.programs)?;
    let database = runtime.block_on(Database::start(1_000, SAY))?;
    let url = runtime.block_on(counted_login(&database.url()))?;
    let budget = Budget::measure(&subject, &url, &valgrind)?;
    runtime.block_on(database.stop())?;
    SAY(&format!("{budget:#?}"));
    if let Ok(before) = Budget::read(&budget::file()) {
        for difference in budget.differences(&before) {
            SAY(&difference.to_string());
        }
    }
    budget.write(&budget::file())?;
    SAY("recorded: commit benches/baseline.json with the reason for the change");
    Ok(())
}
