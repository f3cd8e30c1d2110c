//! `GET /openapi.json` and `GET /docs`: the API contract, for programs and for people. Public, because a
//! browser that opens a page has no credentials.

mod contract;
mod page;

use http::Method;
use percent_encoding::percent_decode_str;
use shared::{
    App, Operation, Request, Response, Result, Role, Route,
    contract::{BadRequest, ContractRead, PageRead, Revalidation},
    http::Validators,
};

/// The operation's declaration.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "getOpenApi",
    routes: &[Route::open(Method::GET, "/openapi.json"), Route::open(Method::GET, "/docs")],
    role: Role::None,
    handler: |app, request| Box::pin(dispatch(app, request)),
};

async fn dispatch(app: &App, request: &Request) -> Result<Response> {
    let path = request.public_path();
    let name = path.rsplit('/').next().unwrap_or_default();
    if percent_decode_str(name).eq("docs".bytes()) {
        get_docs(app, request).await
    } else {
        get_openapi(app, request).await
    }
}

/// Get the API contract
///
/// Returns this document (OpenAPI 3.1), with the requested server as its server URL.
#[utoipa::path(get, path = OPERATION.routes[0].path, params(Revalidation), responses(ContractRead, BadRequest))]
pub async fn get_openapi(_app: &App, request: &Request) -> Result<Response> {
    // The stage or base path, and the document's name.
    let path = request.public_path();
    let (base, _) = path.rsplit_once('/').unwrap_or_default();
    let document = contract::served_from(base);
    let validators = Validators::of_document(document.as_bytes());
    // Its own media type, application/vnd.oai.openapi+json, would not be displayed by browsers.
    request.revalidate(&validators, Response::document("application/json", document))
}

/// Get the documentation page
///
/// Returns an HTML page with the API contract, on which you can try out calls.
#[utoipa::path(get, path = OPERATION.routes[1].path, params(Revalidation), responses(PageRead, BadRequest))]
pub async fn get_docs(_app: &App, request: &Request) -> Result<Response> {
    page::respond(request)
}
