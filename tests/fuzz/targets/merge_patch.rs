#![no_main]

use shared::resource::{Resource, laws};

struct Patch<'a>(&'a [u8]);

impl domain::Visitor for Patch<'_> {
    fn visit<T: Resource>(&mut self) {
        laws::merge_patch::<T>(self.0);
    }
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    domain::visit(&mut Patch(input));
});
