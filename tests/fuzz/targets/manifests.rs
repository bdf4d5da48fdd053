//! What users write: any text is read or refused, and what was read is read again as it is.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    let first = manifests::read(text, "first");
    assert_eq!(first.objects.len(), first.places.len());
    for object in first.objects {
        let second = manifests::read(&object.manifest().to_string(), "second");
        assert_eq!(second.faults, []);
        assert_eq!(second.warnings, []);
        assert_eq!(second.objects, [object]);
    }
});
