//! `GET /v1/changes`: lists the changes of all resources, for those who keep a copy of the catalogue in step.

use http::Method;
use shared::{
    App, Operation, Request, Response, Result, Role, Route,
    contract::{
        Fed, IntoParams, Paging, Revalidation,
        openapi::{
            ObjectBuilder,
            path::{Parameter, ParameterIn},
            schema::{SchemaType, Type},
        },
        query,
    },
    history::HistoryEntry,
    resource::Following,
};

/// The operation's declaration.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "listChanges",
    routes: &[Route::new(Method::GET, "/v1/changes")],
    role: Role::Reader,
    handler: |app, request| Box::pin(list_changes(app, request)),
};

/// The query parameter for changes of one kind of resource.
struct OfResource;

impl IntoParams for OfResource {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let name = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
        let name = name.enum_values(Some(domain::names())).build();
        vec![query("resource", "Only changes of resources of this kind.", name)]
    }
}

/// List the changes of all resources
///
/// Lists every change that was made to any resource, in an order that has the changes of a resource one after
/// the other. No change that was committed is missed, and none that was rolled back is listed: a page ends
/// before the changes that are still being made, and is empty if there are none before. There is always a
/// `next_cursor`: ask with it again for what has changed since.
#[utoipa::path(
    get,
    path = OPERATION.routes[0].path,
    params(OfResource, Following, Paging, Revalidation),
    responses(Fed<HistoryEntry>),
)]
pub async fn list_changes(app: &App, request: &Request) -> Result<Response> {
    app.changes(request, &OPERATION, &domain::names()).await
}
