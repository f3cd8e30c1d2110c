//! The section about the local environment under load.

use super::{
    measured_on,
    table::{grouped, number, ratio, table},
};
use crate::{
    load::{Load, Soak},
    results::Dated,
};

pub(super) fn section(part: &Dated<Load>) -> String {
    let Dated { date, seconds, machine, figures } = part;
    let mut page = "\n## Load\n\n".to_owned();
    page += &measured_on(date, *seconds, machine);
    page += "\nClients that send one `getProduct` after another to the local environment: its gateway, at most ten processes of the \
             function, PostgreSQL and the clients share all processors, so this shows where the local environment is full, and \
             nothing of AWS, which would start more processes on other machines.\n";
    let rows: Vec<_> = figures
        .clients
        .iter()
        .map(|it| {
            vec![
                it.clients.to_string(),
                grouped(it.per_second),
                number(it.p50_us),
                number(it.p99_us),
                it.errors.to_string(),
            ]
        })
        .collect();
    page += &table(&["clients", "answers per second", "p50, us", "p99, us", "other than 200"], &rows);
    page += "\nFour clients that get one of 10,000 products by Zipf's law (the n-th most wanted one is read 1/n times as often as \
             the first), without a cache and with one:\n";
    let rows: Vec<_> = figures
        .cached
        .iter()
        .map(|it| {
            vec![
                (if it.has_cache { "with a cache" } else { "without" }).to_owned(),
                grouped(it.per_second),
                number(it.p50_us),
                number(it.p99_us),
                format!("{:.1} %", 100.0 * it.hits),
                it.errors.to_string(),
            ]
        })
        .collect();
    page + &table(&["", "answers per second", "p50, us", "p99, us", "hits", "other than 200"], &rows)
}

pub(super) fn soak(part: &Dated<Soak>) -> String {
    let Dated { date, seconds, machine, figures } = part;
    let mut page = "\n## Soak\n\n".to_owned();
    page += &measured_on(date, *seconds, machine);
    let Soak { minutes, top_per_second, per_second, answers, errors, p50_us, p99_us, ended, memory } =
        figures;
    #[expect(clippy::cast_precision_loss, reason = "no client sends 2^52 requests")]
    let sent = grouped(*answers as f64);
    let processes = memory.last().map_or(0, |it| it.processes);
    page += &format!(
        "\nAll operations mixed, one of ten requests a write, for {minutes} min from four clients at half the rate that the local \
         environment bears ({} a second of {}):\n\n\
         - {sent} answers, of which {errors} were not what they should be; p50 {} us, p99 {} us, from when a request was due;\n\
         - {processes} processes at the end, {ended} of those that were there at the begin had ended;\n\
         - memory of a process in the last quarter: {} of that in the second.\n",
        grouped(*per_second),
        grouped(*top_per_second),
        number(*p50_us),
        number(*p99_us),
        ratio(figures.growth(), 1.0),
    );
    page
}
