//! The variables of an execution environment, as Lambda documents them for a custom runtime.

use std::{ffi::OsString, net::SocketAddr};

use uuid::Uuid;

use super::function::{Function, REGION};

/// The variables that a process inherits from this one; any others would make it depend on the machine.
const KEPT: [&str; 3] = ["PATH", "HOME", "RUST_BACKTRACE"];

/// The variables for one environment of `function`. The function's own come last and override the others.
pub(super) fn of(function: &Function, runtime_api: SocketAddr) -> Vec<(OsString, OsString)> {
    let region = region(function);
    let task_root = function.program.parent().map(|parent| parent.as_os_str().to_owned()).unwrap_or_default();
    let lambda = [
        ("AWS_LAMBDA_RUNTIME_API", runtime_api.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", function.name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mb.to_string()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", function.name)),
        ("AWS_LAMBDA_LOG_STREAM_NAME", format!("local/[$LATEST]{}", Uuid::now_v7().simple())),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_REGION", region.to_owned()),
        ("AWS_DEFAULT_REGION", region.to_owned()),
        ("_HANDLER", "bootstrap".to_owned()),
        ("TZ", ":UTC".to_owned()),
        ("LANG", "en_US.UTF-8".to_owned()),
        // Dummy credentials keep the SDK from looking for the machine's.
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("AWS_ACCESS_KEY_ID", "local".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
    ];
    let kept = KEPT.iter().filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?)));
    let own = function.environment.iter().map(|(name, value)| (name.into(), value.into()));
    kept.chain(lambda.map(|(name, value)| (name.into(), value.into())))
        .chain([("LAMBDA_TASK_ROOT".into(), task_root)])
        .chain(own)
        .collect()
}

/// The function's `AWS_REGION`, or the default.
pub(super) fn region(function: &Function) -> &str {
    let own = function.environment.iter().rev().find(|(name, _)| name == "AWS_REGION");
    own.map_or(REGION, |(_, region)| region.as_str())
}
