#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    shared::fuzz::preconditions(input);
});
