//! The resources of the catalogue, each described once. Everything else is derived from these descriptions;
//! see [`mod@shared::resource`].

#![warn(missing_docs)]

pub mod artisan;
pub mod product;

use artisan::Artisan;
use product::Product;
use shared::resource::Resource;

/// Visits every resource with its type.
pub trait Visitor {
    /// Visits the resource `T`.
    fn visit<T: Resource>(&mut self);
}

/// Calls `visitor` for every resource.
pub fn visit(visitor: &mut impl Visitor) {
    visitor.visit::<Artisan>();
    visitor.visit::<Product>();
}

/// The names of all resources, such as `product`.
pub fn names() -> Vec<&'static str> {
    struct Names(Vec<&'static str>);
    impl Visitor for Names {
        fn visit<T: Resource>(&mut self) {
            self.0.push(T::NAME);
        }
    }
    let mut names = Names(Vec::new());
    visit(&mut names);
    names.0
}

#[cfg(test)]
mod tests;
