//! A log line that could come with every connection, at most once a second.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Shortest time between two lines.
const SPAN: Duration = Duration::from_secs(1);

/// When a line was written last, and how many were not since.
#[derive(Debug, Default)]
pub(super) struct Quiet(Mutex<(Option<Instant>, u64)>);

impl Quiet {
    /// Whether a line may be written now, and if so how many were left out before it.
    pub(super) fn left_out(&self) -> Option<u64> {
        let now = Instant::now();
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.0.is_some_and(|last| now - last < SPAN) {
            state.1 += 1;
            return None;
        }
        let left_out = state.1;
        *state = (Some(now), 0);
        Some(left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_a_line_a_second() {
        let quiet = Quiet::default();
        assert_eq!(quiet.left_out(), Some(0));
        assert_eq!((quiet.left_out(), quiet.left_out()), (None, None));
        tokio::time::advance(SPAN).await;
        assert_eq!(quiet.left_out(), Some(2));
        assert_eq!(quiet.left_out(), None);
    }
}
