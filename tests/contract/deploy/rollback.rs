//! What `cargo xtask deploy --roll-back` does after a smoke test that failed.

use harness::{block_on, clients};
use local::stack::checkout;

use super::said;

/// Against moto's functions and botocore's stubs of CloudFormation, which moto has no aliases in.
#[test]
fn traffic_goes_back_to_the_versions_from_before() {
    block_on(async {
        let mut tests = clients::python();
        // Isolated, it does not look into the folder of its script by itself.
        let run = "import sys, unittest; sys.path.insert(0, 'tests/deploy'); unittest.main('rollback_test')";
        said(tests.args(["-c", run]).current_dir(checkout())).await;
    });
}
