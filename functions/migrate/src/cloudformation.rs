//! `migrate` as a Lambda function: the custom resource of a stack, also invoked on a schedule. CloudFormation
//! waits up to an hour for a response at the URL in its event: it gets one whatever happens, as long as the
//! process runs.

use std::{
    panic::AssertUnwindSafe,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result, bail};
use futures_util::FutureExt;
use lambda_runtime::{Context, LambdaEvent, service_fn};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::{
    app::DatabaseConfig,
    telemetry::{self, Cause, Invocation, Settings},
};
use tokio::time::timeout;

use crate::{embedded, forget_with, migrate_with, response};

/// How long to try to connect.
const PATIENCE: Duration = Duration::from_secs(90);

/// The physical resource id, which never changes: otherwise CloudFormation would delete the previous
/// resource.
const SCHEMA: &str = concat!(project::name!(), "-schema");

/// The maximum length of the reason, in characters: a response may have 4,096 bytes.
const REASON_CHARACTERS: usize = 800;

/// A CloudFormation event. Missing members are empty: the rest may suffice for a response.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Event {
    request_type: String,
    #[serde(rename = "ResponseURL")]
    response_url: String,
    stack_id: String,
    request_id: String,
    logical_resource_id: String,
    physical_resource_id: String,
}

impl Default for Event {
    fn default() -> Self {
        let none = String::new;
        Self {
            request_type: none(),
            response_url: none(),
            stack_id: none(),
            request_id: none(),
            logical_resource_id: none(),
            physical_resource_id: SCHEMA.to_owned(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    status: &'a str,
    reason: String,
    physical_resource_id: &'a str,
    stack_id: &'a str,
    request_id: &'a str,
    logical_resource_id: &'a str,
    data: Value,
}

/// Serves as a Lambda function until the environment ends.
pub fn serve() -> ExitCode {
    let settings = Settings::from_env().unwrap_or_default();
    telemetry::init(&settings, "migrate");
    let is_cold = AtomicBool::new(true);
    let served = tokio::runtime::Builder::new_current_thread().enable_all().build().map(|runtime| {
        runtime.block_on(lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
            let is_cold = is_cold.swap(false, Ordering::Relaxed);
            let invocation = Invocation::begin(&settings, "migrate", &event.context, None, is_cold, None);
            let answer = Arc::clone(&invocation).run(answer(event)).await;
            invocation.end(answer.is_err());
            answer.map_err(|error| lambda_runtime::Error::from(Cause(error.as_ref()).to_string()))
        })))
    });
    match served.map_err(Into::into).flatten() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the function cannot run");
            ExitCode::FAILURE
        }
    }
}

/// Handles an event and responds to CloudFormation. An event without a URL comes from the schedule or from an
/// operator, and the result is returned to the sender.
async fn answer(LambdaEvent { payload, context }: LambdaEvent<Value>) -> Result<Value> {
    if payload.get("ResponseURL").is_none() {
        return match payload.get("action") {
            None => Ok(json!({ "applied": guarded(&context, migrating()).await? })),
            Some(action) if action == "forget" => {
                let forgotten = guarded(&context, forgetting()).await?;
                tracing::info!(forgotten, "forgot what has expired");
                Ok(json!({ "forgotten": forgotten }))
            }
            Some(other) => bail!("action is {other}; it can be \"forget\""),
        };
    }
    let event = Event::deserialize(payload).context("not a CloudFormation event")?;
    let outcome = match event.request_type.as_str() {
        "Create" | "Update" => guarded(&context, migrating()).await,
        // The schema stays with the database, or is deleted with it.
        "Delete" => Ok(Vec::new()),
        other => Err(anyhow::anyhow!("RequestType is {other:?}")),
    };
    let (status, reason, applied) = match outcome {
        Ok(applied) => {
            tracing::info!(request_type = event.request_type, applied = applied.join(", "), "migrated");
            ("SUCCESS", String::new(), applied)
        }
        Err(error) => {
            let cause = Cause(error.as_ref()).to_string();
            tracing::error!(request_type = event.request_type, cause, "the migration failed");
            ("FAILED", cause.chars().take(REASON_CHARACTERS).collect(), Vec::new())
        }
    };
    let answer = Answer {
        status,
        reason,
        physical_resource_id: &event.physical_resource_id,
        stack_id: &event.stack_id,
        request_id: &event.request_id,
        logical_resource_id: &event.logical_resource_id,
        data: json!({ "Applied": applied.join(", ") }),
    };
    response::put(&event.response_url, &serde_json::to_vec(&answer)?).await?;
    Ok(json!({ "status": status }))
}

async fn migrating() -> Result<Vec<String>> {
    migrate_with(DatabaseConfig::from_env()?, PATIENCE, &embedded()).await
}

async fn forgetting() -> Result<u64> {
    forget_with(DatabaseConfig::from_env()?, PATIENCE).await
}

/// The result of `work`; a panic is an error, and so is a time-out.
async fn guarded<T>(context: &Context, work: impl Future<Output = Result<T>>) -> Result<T> {
    let left = time_left(context);
    match timeout(left, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => bail!("the migration panicked; see its log"),
        Err(_) => bail!(
            "the migration did not end within {} s; what was committed stays, and the next run continues",
            left.as_secs()
        ),
    }
}

/// The time until the response must be sent.
fn time_left(context: &Context) -> Duration {
    let deadline = SystemTime::UNIX_EPOCH + Duration::from_millis(context.deadline);
    let left = deadline.duration_since(SystemTime::now()).unwrap_or_default();
    left.saturating_sub(response::LIMIT).max(left / 2)
}
