//! The register: every operation of the API, in the order of the documentation. The router, the contract and all
//! generated files come from this list.

use shared::Operation;

/// Every operation.
pub static OPERATIONS: &[&Operation] = &[
    &list_products::OPERATION,
    &search_products::OPERATION,
    &create_product::OPERATION,
    &get_product::OPERATION,
    &replace_product::OPERATION,
    &patch_product::OPERATION,
    &delete_product::OPERATION,
    &list_artisans::OPERATION,
    &search_artisans::OPERATION,
    &create_artisan::OPERATION,
    &get_artisan::OPERATION,
    &patch_artisan::OPERATION,
    &delete_artisan::OPERATION,
    &list_artisan_products::OPERATION,
    &get_health::OPERATION,
];
