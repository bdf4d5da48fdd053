//! Body of `POST .../enrolment`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(enrolment) = flotta_fuzz::body::<contract::EnrolmentInfo>(bytes) {
        flotta_fuzz::labels(enrolment.features.and_then(|features| features.hardware).as_ref());
    }
});
