//! Checks of the template by third-party tools.

use std::fs;

use harness::block_on;
use local::stack::checkout;
use serde_json::Value;

use super::{deployer, prod, said, tool};

#[test]
fn sam_validates_and_lints_it() {
    block_on(async {
        let said = said(deployer("sam").args(["validate", "--lint"])).await;
        assert!(said.contains("is a valid SAM Template"), "{said}");
    });
}

#[test]
fn cfn_lint_finds_nothing_in_it_nor_in_what_becomes_of_it() {
    block_on(async {
        said(deployer("cfn-lint").args(["--regions", "eu-central-1", "--", "template.yaml"])).await;
        let translated = tempfile::Builder::new().suffix(".json").tempfile().expect("a file");
        fs::write(translated.path(), prod().to_string()).expect("it is written");
        // The translator has replaced the reference to that parameter by its value.
        let lint = ["--regions", "eu-central-1", "--ignore-checks", "W2001", "--"];
        said(deployer("cfn-lint").args(lint).arg(translated.path())).await;
    });
}

/// CloudFormation does not support YAML anchors: SAM expands them.
#[test]
fn what_sam_uploads_has_no_anchors() {
    let program = "import sys, yaml
from samcli.yamlhelper import yaml_dump, yaml_parse
text = open('template.yaml', encoding='utf-8').read()
aliases = lambda text: sum(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text))
sent = yaml_dump(yaml_parse(text))
assert yaml_parse(sent) == yaml_parse(text)
print(aliases(text) > 100, aliases(sent))";
    block_on(async {
        assert_eq!(said(deployer("python").args(["-c", program])).await, "True 0\n");
    });
}

#[test]
fn checkov_finds_nothing_that_has_no_reason() {
    block_on(async {
        let arguments = [
            "--skip-download",
            "--quiet",
            "--framework",
            "cloudformation",
            "--output",
            "json",
            "--file",
            "template.yaml",
        ];
        let said = said(tool(tools::python::CHECKOV, "checkov").args(arguments)).await;
        let report: Value = serde_json::from_str(&said).expect("JSON");
        assert_eq!(report["summary"]["failed"], 0, "{}", report["results"]["failed_checks"]);
        assert_eq!(report["summary"]["parsing_errors"], 0);
        assert!(report["summary"]["passed"].as_u64() > Some(300), "{}", report["summary"]);
    });
    let template = fs::read_to_string(checkout().join("template.yaml")).expect("template.yaml");
    for line in template.lines().filter(|line| line.contains("{id: CKV")) {
        let reason = line.split_once("comment: '").map(|(_, reason)| reason.trim_end_matches("'}"));
        assert!(reason.is_some_and(|reason| reason.len() > 20), "a skipped check without a reason: {line}");
    }
}
