//! As much of DER (X.690) as is written here by hand: around parts whose exact octets matter,
//! because they are signed or compared. Everything else is written by `x509-cert`.

/// Tag of a SEQUENCE.
pub(crate) const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;
const NO_UNUSED_BITS: &[u8] = &[0];

/// The one DER form of something signed, be it a certificate or a request for one: what is signed,
/// the content of the signature's AlgorithmIdentifier, the signature.
pub(crate) fn signed(content: &[u8], algorithm: &[u8], signature: &[u8]) -> Vec<u8> {
    let algorithm = element(SEQUENCE, &[algorithm]);
    let signature = element(BIT_STRING, &[NO_UNUSED_BITS, signature]);
    element(SEQUENCE, &[content, &algorithm, &signature])
}

/// Tag, length and content (X.690, 8.1).
pub(crate) fn element(tag: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let octets: Vec<u8> = content
        .len()
        .to_be_bytes()
        .into_iter()
        .skip_while(|&octet| octet == 0)
        .collect();
    let mut element = vec![tag];
    match octets[..] {
        [] => element.push(0),
        [short @ 0..0x80] => element.push(short),
        // The number of octets, with the bit that says so.
        _ => element.extend(u8::try_from(octets.len()).map(|count| 0x80 | count)),
    }
    if content.len() >= 0x80 {
        element.extend(octets);
    }
    element.extend(content);
    element
}
