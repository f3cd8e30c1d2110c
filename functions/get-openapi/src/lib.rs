//! `GET /openapi.json` and `GET /docs`: the contract, for programs and for people. Open to everybody, for a browser that
//! opens a page has no credentials.

mod contract;
mod page;

use http::Method;
use percent_encoding::percent_decode_str;
use shared::{
    App, Operation, Reply, Request, Result, Role, Route,
    contract::{BadRequest, ContractRead, PageRead, Revalidation},
    http::Validators,
};

/// The operation.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "getOpenApi",
    routes: &[Route::open(Method::GET, "/openapi.json"), Route::open(Method::GET, "/docs")],
    role: Role::None,
    handler: |app, request| Box::pin(answer(app, request)),
};

async fn answer(app: &App, request: &Request) -> Result<Reply> {
    let path = request.public_path();
    let name = path.rsplit('/').next().unwrap_or_default();
    if percent_decode_str(name).eq("docs".bytes()) {
        get_docs(app, request).await
    } else {
        get_openapi(app, request).await
    }
}

/// The contract of this API
///
/// This document (OpenAPI 3.1), with the server that it was asked of.
#[utoipa::path(get, path = OPERATION.routes[0].path, params(Revalidation), responses(ContractRead, BadRequest))]
pub async fn get_openapi(_app: &App, request: &Request) -> Result<Reply> {
    // Stage or base path, and the document's name.
    let path = request.public_path();
    let (base, _) = path.rsplit_once('/').unwrap_or_default();
    let document = contract::served_from(base);
    let validators = Validators::of_document(document.as_bytes());
    // There is a type of its own (application/vnd.oai.openapi+json), which browsers would not show.
    request.revalidate(&validators, Reply::document("application/json", document))
}

/// The contract as a page
///
/// A page to read the contract on and to try calls from.
#[utoipa::path(get, path = OPERATION.routes[1].path, params(Revalidation), responses(PageRead, BadRequest))]
pub async fn get_docs(_app: &App, request: &Request) -> Result<Reply> {
    page::reply(request)
}
