//! What operations answer, by the names of the document's components.

use std::{collections::BTreeMap, marker::PhantomData};

use utoipa::{
    IntoResponses, ToSchema,
    openapi::{Ref, RefOr, Response},
};

type Responses = BTreeMap<String, RefOr<Response>>;

fn responses<const N: usize>(components: [(&str, &str); N]) -> Responses {
    let reference = |(status, name): (&str, &str)| (status.to_owned(), Ref::from_response_name(name).into());
    components.into_iter().map(reference).collect()
}

/// 200 with one `T` and its validators, or 304, or 412.
#[derive(Debug)]
pub struct Read<T>(PhantomData<T>);

impl<T: ToSchema> IntoResponses for Read<T> {
    fn responses() -> Responses {
        responses([("200", &T::name()), ("304", "NotModified"), ("412", "PreconditionFailed")])
    }
}

/// 200 with a page of `T`, or 304, or 412.
#[derive(Debug)]
pub struct Listed<T>(PhantomData<T>);

impl<T: ToSchema> IntoResponses for Listed<T> {
    fn responses() -> Responses {
        responses([
            ("200", &format!("{}Page", T::name())),
            ("304", "NotModified"),
            ("400", "BadRequest"),
            ("412", "PreconditionFailed"),
        ])
    }
}

/// 201 with a new `T`, or the refusals of its `Idempotency-Key` and of its body.
#[derive(Debug)]
pub struct Created<T>(PhantomData<T>);

impl<T: ToSchema> IntoResponses for Created<T> {
    fn responses() -> Responses {
        let mut all = responses([
            ("201", &format!("{}Created", T::name())),
            ("409", "RequestInProgress"),
            ("412", "NothingToMatch"),
        ]);
        all.extend(BadRequestBody::responses());
        all.extend(responses([("422", "InvalidBodyOrKey")]));
        all
    }
}

/// 200 with the changed `T`, or the refusals of its conditions and of its body.
#[derive(Debug)]
pub struct Changed<T>(PhantomData<T>);

impl<T: ToSchema> IntoResponses for Changed<T> {
    fn responses() -> Responses {
        let mut all = responses([
            ("200", &T::name()),
            ("404", "NotFound"),
            ("412", "PreconditionFailed"),
            ("428", "PreconditionRequired"),
        ]);
        all.extend(BadRequestBody::responses());
        all
    }
}

/// Makes a type that stands for components of the document.
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
    /// 204, or the refusals of the conditions.
    Deleted: [
        ("204", "Deleted"),
        ("404", "NotFound"),
        ("412", "PreconditionFailed"),
        ("428", "PreconditionRequired"),
    ];
    /// 400: parameters or headers are malformed.
    BadRequest: [("400", "BadRequest")];
    /// 400, 413, 415 and 422: what may be wrong with a request that has a body.
    BadRequestBody: [
        ("400", "BadRequest"),
        ("413", "BodyTooLarge"),
        ("415", "UnsupportedMediaType"),
        ("422", "InvalidBody"),
    ];
    /// 200 or 503: what was checked.
    Checked: [("200", "Health"), ("503", "Unhealthy")];
    /// 200 with this very document, or 304, or 412.
    ContractRead: [("200", "Contract"), ("304", "NotModified"), ("412", "PreconditionFailed")];
    /// 200 with the page that shows it, or 304, or 412.
    PageRead: [("200", "Documentation"), ("304", "NotModified"), ("412", "PreconditionFailed")];
    /// 404.
    NotFound: [("404", "NotFound")];
    /// 409: the state of things does not allow it.
    Conflict: [("409", "Conflict")];
}
