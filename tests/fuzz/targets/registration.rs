//! Body of `PUT .../registration`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(registration) = flotta_fuzz::body::<contract::RegistrationInfo>(bytes) {
        flotta_fuzz::labels(registration.hardware.as_ref());
    }
});
