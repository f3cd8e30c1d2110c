//! A function that `lambda_runtime` itself serves, for the operations' own client of the Runtime API to be held against: it
//! answers what has a method and fails for everything else.

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
