//! A function that misbehaves on request: it panics, stalls, crashes, or writes although it may only read. It is served
//! like any other function, by the binary `misbehave`.

use http::Method;
use shared::{
    App, Operation, Problem, Request, Response, Result, Role, Route,
    db::{Repeat, Statement, Type},
};

/// The operation.
pub static OPERATION: Operation = Operation {
    name: "misbehave",
    id: "misbehave",
    routes: &[Route::new(Method::GET, "/misbehave/{how}"), Route::new(Method::POST, "/misbehave/{how}")],
    role: Role::Reader,
    handler: |app, request| Box::pin(misbehave(app, request)),
};

async fn misbehave(app: &App, request: &Request) -> Result<Response> {
    match request.path_parameter::<String>("how")?.as_str() {
        #[expect(clippy::panic, reason = "the purpose of this function")]
        "panic" => panic!("sesame"),
        "stall" => {
            tracing::info!("stalling");
            std::future::pending().await
        }
        // A panic in a task that the request does not wait for: only the log has it.
        "panic-aside" => {
            let aside = tokio::spawn(async {
                #[expect(clippy::panic, reason = "the purpose of this function")]
                {
                    panic!("sesame")
                }
            });
            let _: std::result::Result<(), _> = aside.await;
        }
        "abort" => std::process::abort(),
        "fail" => {
            let cause = std::io::Error::other("the kiln is cold");
            return Err(Problem::internal(cause));
        }
        "log" => {
            tracing::info!(level = "mine", caller = "mine", letters = "\"\n\u{1b}", "a \"line\"\nof two");
            tracing::debug!("a line for those who look closely");
        }
        "query-for-ever" => {
            app.database.read("select pg_sleep(60)::text", &[]).await?;
        }
        // The database's message quotes the value if the body is not a number.
        "cast" => {
            let text = String::from_utf8_lossy(request.body()).into_owned();
            app.database.read("select $1::text::integer", &[(&text, Type::TEXT)]).await?;
        }
        "write" => {
            let statement =
                Statement { sql: "delete from products", parameters: &[], repeat: Repeat::Unsafe };
            app.database.write(statement).await?;
        }
        _ => {}
    }
    Ok(Response::no_content())
}
