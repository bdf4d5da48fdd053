//! Each question of `decide` stands on those below it.

use std::path::Path;

#[test]
fn no_questions_import_each_other_in_a_circle() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/decide");
    assert_eq!(testkit::imports::circle(&folder).unwrap(), None);
}
