//! How much of a chain of certificates that a stranger presents is looked at.
//!
//! Finding a path through certificates of one name takes time that grows with the factorial of
//! their number, and the stranger pays nothing for it: 36 of them, 10 KiB, cost two seconds of a
//! processor. So their number and length are compared before anything of them is read. That a
//! certificate in front is a known one is no reason to look further: certificates are public.

/// Most certificates of a chain: a leaf, its issuers, and a root that need not be there.
pub const MOST_CERTIFICATES: usize = 4;

/// Most bytes of a chain. Four certificates of 4096-bit RSA keys have half of that.
pub const MOST_BYTES: usize = 16 * 1024;

/// A chain that is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the chain has {certificates} certificates and {bytes} bytes, and at most {MOST_CERTIFICATES} and {MOST_BYTES} are looked \
     at; leave out those that are not needed to reach the CA"
)]
pub struct ChainTooLong {
    /// How many certificates there are.
    pub certificates: usize,
    /// How many bytes they have.
    pub bytes: usize,
}

/// Whether a chain is short enough to be looked at; takes the certificates undecoded, leaf
/// included.
pub fn is_bounded<'a>(chain: impl IntoIterator<Item = &'a [u8]>) -> Result<(), ChainTooLong> {
    let (certificates, bytes) = chain
        .into_iter()
        .fold((0, 0), |(certificates, bytes), certificate| {
            (certificates + 1, bytes + certificate.len())
        });
    if certificates > MOST_CERTIFICATES || bytes > MOST_BYTES {
        return Err(ChainTooLong { certificates, bytes });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_bounded_in_number_and_in_bytes() {
        let chain = |lengths: &[usize]| {
            let certificates: Vec<_> = lengths.iter().map(|length| vec![0; *length]).collect();
            is_bounded(certificates.iter().map(Vec::as_slice))
        };
        assert_eq!(chain(&[MOST_BYTES - 3, 1, 1, 1]), Ok(()));
        let too_many = ChainTooLong {
            certificates: 5,
            bytes: 5,
        };
        assert_eq!(chain(&[1; 5]), Err(too_many));
        let too_long = ChainTooLong {
            certificates: 2,
            bytes: MOST_BYTES + 1,
        };
        assert_eq!(chain(&[MOST_BYTES, 1]), Err(too_long));
    }
}
