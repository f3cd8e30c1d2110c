//! The register: every operation of the API, in the order of the documentation. The router, the contract and
//! all generated files are derived from this list.

pub mod changes;
pub mod document;
pub mod generated;
pub mod samples;

use shared::Operation;
use utoipa::OpenApi;

/// Registers operations by the names of their crates and handlers: `crate::{handler}`, or `crate::{handler,
/// other}` for an operation with several documented handlers.
macro_rules! register {
    ($($operation:ident::{$($handler:ident),+ $(,)?}),+ $(,)?) => {
        /// Every operation of the API.
        pub static OPERATIONS: &[&Operation] = &[$(&$operation::OPERATION),+];

        /// The declarations in the attributes of the handlers.
        #[derive(OpenApi)]
        #[openapi(paths($($($operation::$handler),+),+))]
        struct Declared;
    };
}

register! {
    list_products::{list_products},
    search_products::{search_products},
    create_product::{create_product},
    get_product::{get_product},
    replace_product::{replace_product},
    patch_product::{patch_product},
    delete_product::{delete_product},
    list_product_history::{list_product_history},
    list_artisans::{list_artisans},
    search_artisans::{search_artisans},
    create_artisan::{create_artisan},
    get_artisan::{get_artisan},
    patch_artisan::{patch_artisan},
    delete_artisan::{delete_artisan},
    list_artisan_products::{list_artisan_products},
    list_artisan_history::{list_artisan_history},
    list_changes::{list_changes},
    get_health::{get_health},
    get_openapi::{get_openapi, get_docs},
}
