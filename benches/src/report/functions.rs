//! The section about subjects with one request at a time: tables, goals and plots.

use std::path::Path;

use anyhow::Result;

use super::{
    measured_on,
    plot::{self, Bar},
    table::{grouped, number, ratio, table},
};
use crate::{
    measure::{Kind, Measured, PAUSE},
    results::{Dated, Functions},
    subjects::COMPARED,
};

const FLOOR: &str = "floor-prepared";
const UNNAMED: &str = "floor-unnamed";
const RIVAL: &str = "fastapi-mangum";

pub(super) fn section(part: &Dated<Functions>, plots: &Path) -> Result<String> {
    let Dated { date, seconds, machine, figures } = part;
    let (operations, compared): (Vec<_>, Vec<_>) =
        figures.measured.iter().partition(|it| it.kind == Kind::Operation && it.name != COMPARED);
    let mut page = "\n## One request at a time\n\n".to_owned();
    page += &measured_on(date, *seconds, machine);
    page += &method(figures);
    page += "\n### Goals\n";
    page += &goals(&figures.measured);
    page += "\n### getProduct beside others\n\n\
             Every subject sends the same statement and gives the same answer, which the driver checks; a subject whose name ends \
             with `hello` has no database, and shows what its library costs. Medians of the rounds; after ± half the distance \
             between the quarters of the rounds.\n";
    page += &times(&compared);
    page += &plot(&compared, plots)?;
    page += "\nPercentiles of all warm requests of a round, as medians of the rounds, in us:\n";
    page += &percentiles(&compared);
    page += "\nWhat they are:\n\n";
    for it in &compared {
        page += &format!("- `{}`: {}\n", it.name, it.about);
    }
    for missing in &figures.missing {
        // A reason may contain all the output of a program.
        let reason = missing.reason.lines().next().unwrap_or_default();
        page += &format!("- `{}` is missing: {reason}\n", missing.name);
    }
    if !figures.instructions.is_empty() {
        page += &instructions(figures);
    }
    if !operations.is_empty() {
        page += "\n### Every operation\n\nThe same for each operation of this API, with fewer requests a round.\n";
        page += &times(&operations);
    }
    Ok(page)
}

fn method(figures: &Functions) -> String {
    let processor = match &figures.processor {
        Ok(number) => format!("all bound to processor {number}"),
        Err(reason) => format!("not bound to one processor ({reason})"),
    };
    format!(
        "
How: a driver stands in for Lambda's Runtime API. It is one thread that polls its sockets and keeps its buffers; logs of the
subject go to a file. Driver, subject and PostgreSQL run side by side, {processor}. The table has {products} products.
In each round every subject runs once, one after another, so that what disturbs the machine for a while disturbs all of them:
the driver starts it, hands out an event as soon as it asks for one (start to first answer), then others to warm it up, then
a series in which the next event is there when it asks (back to back), then one with a pause of {pause} ms before each event.
The time of a request is that from writing the event until the whole response is read. Processor time is what the kernel has
counted (`schedstat`) for all threads of the subject over the series back to back, the log lines included.
Programs of this project are built as they are deployed, but for x86-64.
`floor-prepared` is the least that a request costs: bare sockets and six system calls, no logs, no metrics, no checks.
`floor-unnamed` sends the statement with each request, which is what it takes to share connections behind RDS Proxy, and so
the price of that.
",
        products = grouped(f64::from(figures.products)),
        pause = PAUSE.as_millis(),
    )
}

/// A goal: a figure and its limit.
struct Goal {
    what: &'static str,
    of: fn(&Measured) -> f64,
    floor: Option<f64>,
    rival: Option<f64>,
    /// The limit, in the unit of `of`.
    most: Option<f64>,
}

pub(super) const MIB: f64 = 1024.0 * 1024.0;

const GOALS: [Goal; 6] = [
    Goal {
        what: "warm p50 back to back, us",
        of: |it| it.hot.p50_us.median,
        floor: Some(2.0),
        rival: Some(8.0),
        most: None,
    },
    Goal {
        what: "warm p50 3 ms apart, us",
        of: |it| it.paced.p50_us.median,
        floor: Some(1.6),
        rival: Some(6.0),
        most: None,
    },
    Goal {
        what: "start to first answer, ms",
        of: |it| it.start_to_answer_ms.median,
        floor: Some(1.2),
        rival: Some(90.0),
        most: None,
    },
    Goal {
        what: "processor time per warm request, us",
        of: |it| it.processor_us.median,
        floor: None,
        rival: None,
        most: Some(80.0),
    },
    Goal {
        what: "peak memory, MiB",
        of: |it| it.peak_memory_bytes.median / MIB,
        floor: None,
        rival: Some(10.0),
        most: Some(5.0),
    },
    Goal { what: "zip, x86-64, MB", of: |it| zip_mb(it), floor: None, rival: None, most: Some(3.1) },
];

#[expect(clippy::cast_precision_loss, reason = "no zip has 2^52 bytes")]
pub(super) fn zip_mb(it: &Measured) -> f64 {
    it.size.zip_bytes as f64 / 1e6
}

fn goals(measured: &[Measured]) -> String {
    let find = |name: &str| measured.iter().find(|it| it.name == name);
    let Some(own) = find(COMPARED) else { return String::new() };
    let rows: Vec<_> = GOALS
        .iter()
        .map(|Goal { what, of, floor, rival, most }| {
            let value = of(own);
            let cell = |name: &str| find(name).map_or_else(|| "-".to_owned(), |it| number(of(it)));
            let against = |name: &str| find(name).map(of).filter(|value| *value > 0.0);
            let mut goals = Vec::new();
            if let Some(most) = most {
                goals.push(verdict(value <= *most, format!("at most {most}")));
            }
            if let (Some(goal), Some(floor)) = (floor, against(FLOOR)) {
                goals.push(verdict(
                    value / floor <= *goal,
                    format!("at most {goal} x the floor: {}", ratio(value, floor)),
                ));
            }
            if let (Some(goal), Some(rival)) = (rival, against(RIVAL)) {
                goals.push(verdict(
                    rival / value >= *goal,
                    format!("at least {goal} x ahead: {}", ratio(rival, value)),
                ));
            }
            vec![(*what).to_owned(), cell(FLOOR), cell(UNNAMED), number(value), cell(RIVAL), goals.join("; ")]
        })
        .collect();
    table(&["", FLOOR, UNNAMED, COMPARED, RIVAL, "goals"], &rows)
}

fn verdict(is_met: bool, goal: String) -> String {
    format!("{goal} ({})", if is_met { "met" } else { "missed" })
}

fn times(measured: &[&Measured]) -> String {
    let rows: Vec<_> = measured
        .iter()
        .map(|it| {
            let noise = |figure: &crate::statistics::Figure| {
                format!("{} ± {:.0} %", number(figure.median), 50.0 * figure.noise())
            };
            vec![
                format!("`{}`", it.name),
                number(it.start_to_next_ms.median),
                noise(&it.start_to_answer_ms),
                noise(&it.hot.p50_us),
                noise(&it.paced.p50_us),
                noise(&it.processor_us),
                number(it.peak_memory_bytes.median / MIB),
                #[expect(clippy::cast_precision_loss, reason = "no program has 2^52 bytes")]
                number(it.size.bytes as f64 / 1e6),
                zips(it),
            ]
        })
        .collect();
    let head = [
        "",
        "start to first `next`, ms",
        "start to first answer, ms",
        "p50 back to back, us",
        "p50 3 ms apart, us",
        "processor time per request, us",
        "peak memory, MiB",
        "unpacked, MB",
        "zip, MB",
    ];
    table(&head, &rows)
}

#[expect(clippy::cast_precision_loss, reason = "no zip has 2^52 bytes")]
fn zips(it: &Measured) -> String {
    let own = number(zip_mb(it));
    it.arm64_zip_bytes
        .map_or_else(|| own.clone(), |bytes| format!("{own}; arm64 {}", number(bytes as f64 / 1e6)))
}

fn percentiles(measured: &[&Measured]) -> String {
    let rows: Vec<_> = measured
        .iter()
        .map(|it| {
            let of = [it.hot, it.paced].map(|it| [it.p50_us, it.p90_us, it.p99_us]);
            let cells = of.as_flattened().iter().map(|figure| number(figure.median));
            [format!("`{}`", it.name)].into_iter().chain(cells).collect()
        })
        .collect();
    let head = ["", "back to back p50", "p90", "p99", "3 ms apart p50", "p90", "p99"];
    table(&head, &rows)
}

fn instructions(figures: &Functions) -> String {
    #[expect(clippy::cast_precision_loss, reason = "no count is near 2^52")]
    let rows: Vec<_> = figures
        .instructions
        .iter()
        .map(|(name, it)| {
            vec![format!("`{name}`"), grouped(it.per_request as f64), grouped(it.per_start as f64)]
        })
        .collect();
    "\n### Instructions\n\n\
     As callgrind counts them, without the kernel's. On an idle and on a busy machine they differ by less than 0.5 %, so `cargo \
     xtask test` holds them, memory and the zip to `benches/baseline.json`. The login that is used here proves its password with \
     one hash instead of 4,096, which would be most of what a start executes.\n"
        .to_owned()
        + &table(&["", "per warm request", "per start, with the first answer"], &rows)
}

fn plot(measured: &[&Measured], folder: &Path) -> Result<String> {
    type Value = fn(&Measured) -> f64;
    let plots: [(&str, &str, Value); 4] = [
        ("start", "Start to first answer, ms", |it| it.start_to_answer_ms.median),
        ("hot", "Warm request back to back, p50, us", |it| it.hot.p50_us.median),
        ("paced", "Warm request 3 ms apart, p50, us", |it| it.paced.p50_us.median),
        ("memory", "Peak memory, MiB", |it| it.peak_memory_bytes.median / MIB),
    ];
    let mut page = String::new();
    for (name, title, value) in plots {
        let bars: Vec<_> = measured
            .iter()
            .map(|it| Bar { name: &it.name, value: value(it), is_own: it.kind == Kind::Operation })
            .collect();
        plot::bars(&folder.join(format!("{name}.svg")), title, &bars)?;
        page += &format!("\n![{title}](benchmarks/{name}.svg)\n");
    }
    Ok(page)
}
