//! What the catalogue is about: its resources, each described once. Everything else follows from these descriptions, as
//! [`shared::resource`] says.

#![warn(missing_docs)]

pub mod artisan;
pub mod product;

use artisan::Artisan;
use product::Product;
use shared::resource::Resource;

/// Does the same with every resource.
pub trait Visitor {
    /// Does it with `T`.
    fn visit<T: Resource>(&mut self);
}

/// Shows `visitor` every resource.
pub fn visit(visitor: &mut impl Visitor) {
    visitor.visit::<Artisan>();
    visitor.visit::<Product>();
}

#[cfg(test)]
mod tests;
