//! The function that `cargo lambda new --http` generates: a greeting, without a database.

use lambda_http::{Body, Error, Request, RequestExt, Response, run, service_fn, tracing};

async fn greet(request: Request) -> Result<Response<Body>, Error> {
    let query = request.query_string_parameters();
    let name = query.first("name").unwrap_or("world");
    let response = Response::builder()
        .status(200)
        .header("content-type", "text/html")
        .body(format!("Hello {name}, this is an AWS Lambda HTTP request").into())?;
    Ok(response)
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    run(service_fn(greet)).await
}
