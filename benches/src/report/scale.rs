//! The section about reads with larger tables.

use super::{
    measured_on,
    table::{grouped, number, ratio, table},
};
use crate::{results::Dated, scale::Scale};

pub(super) fn section(part: &Dated<Scale>) -> String {
    let Dated { date, seconds, machine, figures } = part;
    let mut page = "\n## Growth\n\n".to_owned();
    page += &measured_on(date, *seconds, machine);
    page += "\nThe sample request of each operation, warm and back to back, with tables of different sizes: p50 in us, and p99 after \
             it. The last column compares the largest table with the smallest.\n";
    let mut sizes: Vec<_> = figures.growth.iter().map(|it| it.rows).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let mut names: Vec<_> = figures.growth.iter().map(|it| it.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let rows: Vec<_> = names
        .into_iter()
        .map(|name| {
            let find = |rows: &u32| figures.growth.iter().find(|it| it.name == name && it.rows == *rows);
            let found: Vec<_> = sizes.iter().map(find).collect();
            let cells = found.iter().map(|it| {
                let cell = |it: &&crate::scale::ReadLatency| {
                    format!("{}; {}", number(it.p50_us.median), number(it.p99_us.median))
                };
                it.as_ref().map_or_else(|| "-".to_owned(), cell)
            });
            let ends = found.first().copied().flatten().zip(found.last().copied().flatten());
            let growth = ends.map_or_else(
                || "-".to_owned(),
                |(first, last)| ratio(last.p50_us.median, first.p50_us.median),
            );
            [format!("`{name}`")].into_iter().chain(cells).chain([growth]).collect()
        })
        .collect();
    let heads: Vec<_> = sizes.iter().map(|size| format!("{} rows", grouped(f64::from(*size)))).collect();
    let head: Vec<_> = [""].into_iter().chain(heads.iter().map(String::as_str)).chain(["growth"]).collect();
    page + &table(&head, &rows)
}
