//! `cargo xtask test`: installs everything that the tests need, then runs all tests.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use anyhow::{Result, bail};
use tools::{DEPLOYED_POSTGRES, POSTGRES_VERSIONS, python};

use crate::deploy::Profile;

/// How long each fuzz target runs; a plain `cargo test` runs it for a second.
const FUZZ_SECONDS: &str = "60";

/// What the names of fuzz tests begin with.
const FUZZ_TESTS: &str = "fuzz::tests::";

/// The modules of tests/contract that a single PostgreSQL is enough for: each other one costs minutes and shows nothing new.
const INDEPENDENT_OF_POSTGRES: [&str; 25] = [
    "access_log",
    "adopt",
    "browser",
    "budget",
    "cache",
    "callers",
    "cdk",
    "checkout",
    "cognito",
    "cors",
    "delivery",
    "deploy",
    "docs",
    "documentation",
    "fork",
    "gateway",
    "iam",
    "limits",
    "modules",
    "openapi",
    "pages",
    "runtime_api",
    "telemetry",
    "typescript",
    "watch",
];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Also run the long variants of tests, which take minutes
    #[arg(long)]
    large: bool,
    /// Major version of the PostgreSQL that the tests run against; the stack deploys the default
    #[arg(long, default_value = DEPLOYED_POSTGRES, value_parser = POSTGRES_VERSIONS)]
    postgres: String,
    /// Run only the black-box tests in tests/contract
    #[arg(long)]
    contract: bool,
    /// Arguments for the test binaries, such as the name of a test or --nocapture
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    filters: Vec<OsString>,
}

pub(crate) fn run(Arguments { large, postgres, contract, filters }: Arguments) -> Result<()> {
    set_up(&postgres)?;
    // The binaries for the tests that start the local environment. They need a separate build, since the tests enable
    // further features of some crates.
    crate::run(tools::cargo().args(["build", "--workspace", "--bins"]))?;
    // One build of everything: the black-box tests run its binaries.
    crate::run(tools::cargo().args(["build", "--workspace", "--all-targets"]))?;
    let is_deployed = postgres == DEPLOYED_POSTGRES;
    let is_whole = filters.is_empty() && is_deployed && !contract;
    if is_whole {
        fuzz_while_building()?;
    }
    // Without the functions' binaries, whose tests are in their libraries.
    let targets: &[_] =
        if contract { &["--test", "contract"] } else { &["--lib", "--bin", "xtask", "--test", "*"] };
    let mut test = tests(targets);
    test.args(filters);
    if is_whole {
        test.args(["--skip", FUZZ_TESTS]);
    }
    if !is_deployed {
        test.args(
            INDEPENDENT_OF_POSTGRES.iter().flat_map(|module| ["--skip".to_owned(), format!("{module}::")]),
        );
    }
    if large {
        test.arg("--include-ignored").env("TEST_LARGE", "1");
    }
    tools::choose_postgres(&mut test, &postgres);
    let skipped = SkippedChecks::begin()?;
    test.env("TEST_LEFT_OUT", &skipped.file);
    crate::run(&mut test)?;
    skipped.report()
}

/// `cargo test` for `targets`, to which arguments for their binaries can be added.
fn tests(targets: &[&str]) -> Command {
    let mut test = tools::cargo();
    test.args(["test", "--workspace", "--no-fail-fast"]).args(targets).arg("--");
    if env::var_os("FUZZ_SECONDS").is_none() {
        test.env("FUZZ_SECONDS", FUZZ_SECONDS);
    }
    test
}

/// Fuzzes, which takes the same time on any machine, and meanwhile builds a function as for deployment, and for this
/// machine, on which its costs are counted. Otherwise the tests that need them would build them while others wait.
fn fuzz_while_building() -> Result<()> {
    thread::scope(|scope| {
        let fuzzing = scope.spawn(|| crate::run(tests(&["--lib"]).arg(FUZZ_TESTS)));
        crate::run(&mut crate::deploy::build(Profile::Unlisted, ["get-product"])?)?;
        crate::run(&mut tools::release_build(["get-product"]))?;
        fuzzing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Installs everything but Rust, Python and Node.js, in pinned versions.
fn set_up(postgres: &str) -> Result<()> {
    let say = crate::SAY;
    let node_modules = |folder: &str| tools::node_modules(&tools::checkout().join(folder), say);
    tools::postgres(postgres, say)?;
    tools::valkey(&tools::folder(), say)?;
    for environment in python::LISTED {
        environment.install(say)?;
    }
    tools::chromium(say)?;
    if let Err(reason) = tools::valgrind(say) {
        say(&format!("{reason:#}"));
    }
    ["tests/delivery", "tests/openapi", "tests/typescript", "cdk"].into_iter().try_for_each(node_modules)?;
    tools::arm64_target(say)?;
    if let Err(reason) = tools::arm64_emulator(say) {
        say(&format!("{reason:#}"));
    }
    Ok(())
}

/// The file with a line for each check that tests had to skip on this machine.
struct SkippedChecks {
    file: PathBuf,
}

impl SkippedChecks {
    fn begin() -> Result<Self> {
        let file = tools::checkout().join(".local/left-out.txt");
        fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
        fs::write(&file, "")?;
        Ok(Self { file })
    }

    /// Prints the lines at the end of the run. Fails in CI if there are any, since a CI machine must have everything.
    fn report(&self) -> Result<()> {
        let lines = fs::read_to_string(&self.file)?;
        for line in lines.lines() {
            eprintln!("· left out: {line}");
        }
        if !lines.is_empty() && env::var_os("CI").is_some_and(|ci| !ci.is_empty()) {
            bail!("tests were left out, which must not happen in CI");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_that_is_skipped_exists() {
        let modules = fs::read_to_string(tools::checkout().join("tests/contract/main.rs")).unwrap();
        for module in INDEPENDENT_OF_POSTGRES {
            assert!(modules.contains(&format!("\nmod {module};\n")), "{module}");
        }
    }
}
