//! The readers of PEM of crate `pki`, by their files: the crate itself would bring the build of a C
//! library with it.

#[allow(dead_code, reason = "keys have faults that are not looked at here")]
#[path = "../../../crates/pki/src/pem/fault.rs"]
mod fault;
#[path = "../../../crates/pki/src/pem/go.rs"]
mod go;
#[path = "../../../crates/pki/src/pem/strict.rs"]
mod strict;

/// Any file is read to its end, what is wrong with it is told by the number of the block, and of a
/// file with which nothing is wrong Go reads the same blocks.
///
/// # Panics
/// If it is not so.
pub fn agrees_with_go(file: &[u8]) {
    let blocks = strict::blocks(file);
    for (index, block) in blocks.iter().enumerate() {
        let number = match block {
            Ok(block) => block.number,
            Err(fault::PemError::Malformed { block, reason, .. }) => {
                assert!(!reason.remedy().is_empty());
                *block
            }
            Err(fault::PemError::Encrypted) => continue,
            Err(other) => panic!("{other}"),
        };
        assert_eq!(number, index + 1);
    }
    let in_go: Vec<_> = go::blocks(file).collect();
    assert!(in_go.len() <= file.len());
    if let Ok(blocks) = blocks.into_iter().collect::<Result<Vec<_>, _>>() {
        assert_eq!(blocks.len(), in_go.len());
        for (block, in_go) in blocks.iter().zip(in_go) {
            assert_eq!(block.label.as_bytes(), in_go.label);
            assert_eq!(block.content, in_go.content);
            assert!(!in_go.headers && block.line > 0);
        }
    }
}
