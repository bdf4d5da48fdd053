//! Waiting for what a cluster comes to.

use std::time::Duration;

use anyhow::Result;
use testkit::process::wait_at_pace;

/// Between two looks. Each is a request to kube-apiserver or to the Edge API, and the machine is
/// busy with what is waited for.
const PACE: Duration = Duration::from_millis(100);

/// Waits until `look` finds a value; `what` completes "gave up waiting for ...".
pub async fn wait_for<T, F, Fut>(what: &str, deadline: Duration, look: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    wait_at_pace(PACE, what, deadline, look).await
}
