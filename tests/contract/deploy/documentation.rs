//! What the documentation says of the stack: every command is one that its tool takes, and nothing that alarms or stops a
//! deployment is left unexplained.

use std::fs;

use api::OPERATIONS;
use harness::block_on;
use local::stack::{checkout, programs};

use super::{deployer, logical_id, prod, resources, said};

#[test]
fn every_command_exists() {
    block_on(async {
        let mut check = deployer("python");
        check.arg("tests/deploy/commands.py").arg(programs().expect("programs"));
        let folders = ["", "docs", "docs/decisions", "local", "shared"].map(|folder| checkout().join(folder));
        let pages = folders.iter().flat_map(|folder| fs::read_dir(folder).expect("a folder"));
        let pages = pages.map(|entry| entry.expect("an entry").path());
        let pages: Vec<_> = pages.filter(|page| page.extension().is_some_and(|it| it == "md")).collect();
        assert!(pages.len() >= 20, "{pages:?}");
        check.args(pages);
        let said = said(&mut check).await;
        assert!(said.ends_with(" commands, 0 of them wrong\n"), "{said}");
    });
}

#[test]
fn a_command_that_does_not_exist_is_found() {
    block_on(async {
        let mut tests = deployer("python");
        said(tests.arg("tests/deploy/commands_test.py").arg(programs().expect("programs"))).await;
    });
}

#[test]
fn every_alarm_is_explained() {
    let page = fs::read_to_string(checkout().join("docs/deploy.md")).expect("docs/deploy.md");
    let of_operations: Vec<_> =
        OPERATIONS.iter().map(|operation| format!("{}Alarm", logical_id(operation))).collect();
    let alarms = resources(prod(), "AWS::CloudWatch::Alarm");
    let others: Vec<_> = alarms.keys().filter(|id| !of_operations.iter().any(|other| other == *id)).collect();
    assert!(others.len() > 5 && others.len() < alarms.len() - 5, "{others:?}");
    for alarm in others {
        assert!(page.contains(&format!("`{alarm}`")), "docs/deploy.md does not say what {alarm} means");
    }
}
