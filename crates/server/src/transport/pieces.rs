//! The body of an answer: pieces that many answers may share.
//!
//! A device's configuration is put together of texts that all devices with the same workload share.
//! Copied for each caller, they would be held once for each connection whose other end does not
//! read; so pieces stay as they are, and hyper is given as much of them as its buffer takes.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, SizeHint};

/// hyper copies what it is given into the buffer of the connection; no more than this at a time.
const PORTION: usize = 16 * 1024;

/// Bytes in order, none of the pieces empty.
#[derive(Clone, Debug, Default)]
pub struct Pieces(VecDeque<Bytes>);

impl Pieces {
    /// How many bytes they are.
    pub fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All in one, which is a copy where there are several.
    pub fn whole(&self) -> Bytes {
        if let (Some(only), 1) = (self.0.front(), self.0.len()) {
            return only.clone();
        }
        let mut whole = BytesMut::with_capacity(self.len());
        self.0.iter().for_each(|piece| whole.extend_from_slice(piece));
        whole.freeze()
    }
}

impl FromIterator<Bytes> for Pieces {
    fn from_iter<I: IntoIterator<Item = Bytes>>(pieces: I) -> Self {
        Self(pieces.into_iter().filter(|piece| !piece.is_empty()).collect())
    }
}

impl<T: Into<Bytes>> From<T> for Pieces {
    fn from(whole: T) -> Self {
        Self::from_iter([whole.into()])
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let portion = match self.0.front_mut() {
            None => return Poll::Ready(None),
            Some(piece) if piece.len() > PORTION => Some(piece.split_to(PORTION)),
            Some(_) => self.0.pop_front(),
        };
        Poll::Ready(portion.map(|portion| Ok(Frame::data(portion))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn pieces_come_in_order_and_no_portion_is_large() {
        let large: Vec<u8> = (0..40_000u32).map(|number| number.to_le_bytes()[0]).collect();
        let pieces: Pieces = [&b"["[..], b"", &large, b"]"]
            .into_iter()
            .map(Bytes::copy_from_slice)
            .collect();
        let whole = pieces.whole();
        assert_eq!((whole.len(), pieces.len()), (40_002, 40_002));
        assert!(whole.starts_with(b"[\0\x01") && whole.ends_with(b"]"));
        let (mut body, mut came) = (pieces, Vec::new());
        while let Some(frame) = body.frame().await {
            let portion = frame.unwrap().into_data().unwrap();
            assert!(!portion.is_empty() && portion.len() <= PORTION);
            came.extend_from_slice(&portion);
            assert_eq!(body.size_hint().exact(), Some((whole.len() - came.len()) as u64));
        }
        assert_eq!(came, whole);
        assert!(Pieces::from("").is_end_stream());
    }
}
