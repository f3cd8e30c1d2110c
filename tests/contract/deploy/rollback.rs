//! What `cargo xtask deploy --roll-back` does after a smoke test that failed.

use harness::block_on;

use super::unit_tests;

/// Against moto's functions and botocore's stubs of CloudFormation, which moto has no aliases in.
#[test]
fn traffic_goes_back_to_the_versions_from_before() {
    block_on(unit_tests("rollback_test"));
}
