//! The responses of operations, by the names of the document's components.

use std::{collections::BTreeMap, marker::PhantomData};

use serde_json::json;
use utoipa::{
    IntoResponses,
    openapi::{Ref, RefOr, Response, ResponseBuilder, extensions::Extensions},
};

use super::Component;

/// The extension by which a response adds its content to the document: `answer` (`one`, `created`, `page` or `feed`),
/// and the component's name, schemas, example and collection.
pub const CONTENT: &str = "x-content";

type Responses = BTreeMap<String, RefOr<Response>>;

fn responses<const N: usize>(components: [(&str, &str); N]) -> Responses {
    let reference = |(status, name): (&str, &str)| (status.to_owned(), Ref::from_response_name(name).into());
    components.into_iter().map(reference).collect()
}

/// A response with `T` in the given form.
fn answer<T: Component>(answer: &str) -> RefOr<Response> {
    let component = json!({
        "answer": answer,
        "name": T::name(),
        "schemas": T::schemas(),
        "example": T::example(),
        "collection": T::COLLECTION,
    });
    ResponseBuilder::new()
        .extensions(Some(Extensions::builder().add(CONTENT, component).build()))
        .build()
        .into()
}

/// `all` plus `response` for `status`.
fn with(mut all: Responses, status: &str, response: RefOr<Response>) -> Responses {
    all.insert(status.to_owned(), response);
    all
}

/// 200 with one `T` and its validators, or 304, or 412.
#[derive(Debug)]
pub struct Read<T>(PhantomData<T>);

impl<T: Component> IntoResponses for Read<T> {
    fn responses() -> Responses {
        with(responses([("304", "NotModified"), ("412", "PreconditionFailed")]), "200", answer::<T>("one"))
    }
}

/// 200 with a page of `T` in the given form, or the errors of its query and preconditions.
fn page<T: Component>(form: &str) -> Responses {
    let refusals = [("304", "NotModified"), ("400", "BadRequest"), ("412", "PreconditionFailed")];
    with(responses(refusals), "200", answer::<T>(form))
}

/// 200 with a page of `T`, or 304, or 412.
#[derive(Debug)]
pub struct Listed<T>(PhantomData<T>);

impl<T: Component> IntoResponses for Listed<T> {
    fn responses() -> Responses {
        page::<T>("page")
    }
}

/// 200 with a page of a feed of `T`, which has no last page, or 304, or 412.
#[derive(Debug)]
pub struct Fed<T>(PhantomData<T>);

impl<T: Component> IntoResponses for Fed<T> {
    fn responses() -> Responses {
        page::<T>("feed")
    }
}

/// 201 with a new `T`, or the errors of its `Idempotency-Key` and body.
#[derive(Debug)]
pub struct Created<T>(PhantomData<T>);

impl<T: Component> IntoResponses for Created<T> {
    fn responses() -> Responses {
        let mut all = responses([("409", "RequestInProgress"), ("412", "NothingToMatch")]);
        all.extend(BadRequestBody::responses());
        all.extend(responses([("422", "InvalidBodyOrKey")]));
        with(all, "201", answer::<T>("created"))
    }
}

/// 200 with the changed `T`, or the errors of its preconditions and body.
#[derive(Debug)]
pub struct Changed<T>(PhantomData<T>);

impl<T: Component> IntoResponses for Changed<T> {
    fn responses() -> Responses {
        let refusals = [("404", "NotFound"), ("412", "PreconditionFailed"), ("428", "PreconditionRequired")];
        let mut all = responses(refusals);
        all.extend(BadRequestBody::responses());
        with(all, "200", answer::<T>("one"))
    }
}

/// 200 with one `T` that is not the representation of a resource, such as the result of an action: no
/// precondition applies to it.
#[derive(Debug)]
pub struct Answered<T>(PhantomData<T>);

impl<T: Component> IntoResponses for Answered<T> {
    fn responses() -> Responses {
        with(responses([("400", "BadRequest")]), "200", answer::<T>("one"))
    }
}

/// Declares types that refer to components of the document.
macro_rules! named {
    ($($(#[$documentation:meta])* $name:ident: [$(($status:literal, $component:literal)),+ $(,)?];)+) => {
        $(
            $(#[$documentation])*
            #[derive(Debug)]
            pub struct $name;

            impl IntoResponses for $name {
                fn responses() -> Responses {
                    responses([$(($status, $component)),+])
                }
            }
        )+
    };
}

named! {
    /// 204, or the errors of the preconditions.
    Deleted: [
        ("204", "Deleted"),
        ("404", "NotFound"),
        ("412", "PreconditionFailed"),
        ("428", "PreconditionRequired"),
    ];
    /// 400: malformed parameters or headers.
    BadRequest: [("400", "BadRequest")];
    /// 400, 413, 415 and 422: the errors of a request with a body.
    BadRequestBody: [
        ("400", "BadRequest"),
        ("413", "BodyTooLarge"),
        ("415", "UnsupportedMediaType"),
        ("422", "InvalidBody"),
    ];
    /// 200 or 503: the result of the health checks.
    Checked: [("200", "Health"), ("503", "Unhealthy")];
    /// 200 with the OpenAPI document, or 304, or 412.
    ContractRead: [("200", "Contract"), ("304", "NotModified"), ("412", "PreconditionFailed")];
    /// 200 with the documentation page, or 304, or 412.
    PageRead: [("200", "Documentation"), ("304", "NotModified"), ("412", "PreconditionFailed")];
    /// 404: the resource does not exist.
    NotFound: [("404", "NotFound")];
    /// 409: the request conflicts with the current state.
    Conflict: [("409", "Conflict")];
}
