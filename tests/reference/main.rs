//! A function served by `lambda_runtime`, as a reference for the operations' own Runtime API client. It responds to
//! events that have a method and fails for everything else.

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
        if event.payload["httpMethod"].is_string() {
            return Ok(json!({"statusCode": 200}));
        }
        Err(Diagnostic {
            error_type: "NotAnApiGatewayEvent".to_owned(),
            error_message: "no method".to_owned(),
        })
    }))
    .await
}
