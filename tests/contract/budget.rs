//! The cost of a request to getProduct and of its start must not grow unnoticed: instructions, memory and size are
//! compared with a recorded baseline. Times are not, since they depend on the machine's load.

use anyhow::anyhow;
use benches::{
    budget::{self, Budget, TOLERANCE_PERCENT},
    database, subjects,
};
use harness::{empty_database, leave_out};
use local::stack::programs;
use tools::Valgrind;

const WHAT: &str = "the cost of getProduct";
const SAY: tools::Say<'static> = &|line| eprintln!("· {line}");

/// Installs Valgrind; fails on other processors than the baseline's.
fn counter() -> anyhow::Result<Valgrind> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(anyhow!("the baseline is for Linux on x86-64"));
    }
    tools::valgrind(SAY)
}

#[test]
fn get_product_costs_no_more_than_its_baseline() {
    let valgrind = match counter() {
        Ok(valgrind) => valgrind,
        Err(reason) => return leave_out(WHAT, &reason),
    };
    // Usually done already by `cargo xtask test`.
    let status = tools::release_build([subjects::COMPARED]).status().expect("cargo runs");
    assert!(status.success(), "{} is not built: {status}", subjects::COMPARED);
    let folder = programs().expect("a folder").with_file_name("release");
    let operation = api::OPERATIONS
        .iter()
        .find(|operation| operation.name == subjects::COMPARED)
        .expect("the operation exists");
    let subject = subjects::operation(operation, &folder).expect("a program");

    let mut measured = None;
    empty_database(async |url| {
        migrate::migrate(url).await.expect("the schema");
        database::fill(url, 1_000).await.expect("a catalogue");
        let login = database::counted_login(url).await.expect("a login");
        measured = Some(Budget::measure(&subject, &login, &valgrind).expect("figures"));
    });
    let measured = measured.expect("figures");
    let baseline = Budget::read(&budget::file()).expect("a baseline");
    let (excesses, savings): (Vec<_>, Vec<_>) =
        measured.differences(&baseline).into_iter().partition(budget::Difference::is_excess);
    for saving in savings {
        eprintln!("· {saving}: `cargo xtask bench --record` updates the baseline");
    }
    assert!(
        excesses.is_empty(),
        "getProduct exceeds benches/baseline.json by more than {} %:\n{}`cargo xtask bench --record` records \
         what it costs now: a baseline changes only with its reason in the commit",
        TOLERANCE_PERCENT,
        excesses.iter().map(|excess| format!("- {excess}\n")).collect::<String>()
    );
}
