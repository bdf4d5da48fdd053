//! Body of `PUT .../heartbeat`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some(beat) = flotta_fuzz::body::<contract::Heartbeat>(bytes) else {
        return;
    };
    flotta_fuzz::labels(beat.hardware.as_ref());
    for status in beat.workloads.into_iter().flatten() {
        let time = status.last_data_upload;
        assert!(!time.is_zero() || time.to_timestamp().is_none());
        assert_eq!(time.to_string().parse(), Ok(time));
    }
});
