//! A function that does what a function should not: panic, stall, write where it may only read. Served like any
//! other, as the binary `misbehave`.

use http::Method;
use shared::{App, Operation, Reply, Request, Result, Role, Route, db::Repeat};

/// The operation.
pub static OPERATION: Operation = Operation {
    name: "misbehave",
    id: "misbehave",
    routes: &[Route::new(Method::GET, "/misbehave/{how}")],
    role: Role::Reader,
    handler: |app, request| Box::pin(misbehave(app, request)),
};

async fn misbehave(app: &App, request: &Request) -> Result<Reply> {
    match request.path_parameter::<String>("how")?.as_str() {
        #[expect(clippy::panic, reason = "the purpose of this function")]
        "panic" => panic!("sesame"),
        "stall" => {
            tracing::info!("stalling");
            std::future::pending().await
        }
        "write" => {
            app.database.write("delete from products", &[], Repeat::Unsafe).await?;
        }
        _ => {}
    }
    Ok(Reply::no_content())
}
