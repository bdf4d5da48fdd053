//! One object of each kind, with its defaults, as it is kept.

#[test]
fn every_kind_as_it_is_kept() {
    let reading = flotta_manifests::read(include_str!("every_kind.yaml"), "every_kind.yaml");
    assert_eq!(reading.faults, []);
    assert_eq!(reading.warnings, []);
    assert_eq!(reading.objects.len(), flotta_manifests::Kind::ALL.len());
    insta::assert_json_snapshot!(reading.objects);
}
