//! Files of certificates.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    flotta_fuzz::pem::agrees_with_go(bytes);
});
