//! The server's clock was ahead once: what is counted and shown afterwards, without a restart and
//! with one.

use fleet::{Connectivity, Policy};
use serde_json::json;

use super::{count, key, world::Fleet};

const TWO_DAYS: i64 = 2 * 24 * 3600;

#[tokio::test]
async fn a_clock_that_was_ahead_holds_nothing_up() {
    for restarts in [false, true] {
        let mut fleet = Fleet::new(Policy::default()).await;
        for expected in [201, 200] {
            assert_eq!(fleet.enrol("default", "dev-1").await, expected);
        }
        assert_eq!(fleet.register("default", "dev-1", &key()).await.0, 200);
        let beat = json!({"status": "up", "version": "", "events": [{"type": "warn", "reason": "Failed", "message": "m"}]});
        fleet.pass(TWO_DAYS);
        assert_eq!(fleet.configuration("default", "dev-1").await.0, 200);
        assert_eq!(fleet.heartbeat("default", "dev-1", &beat).await, 200);
        fleet.service().attend(true).await.unwrap();
        fleet.pass(-TWO_DAYS);
        if restarts {
            fleet.restart().await;
        }
        fleet.service().attend(true).await.unwrap();
        fleet
            .service()
            .store()
            .prune(fleet.service().now())
            .await
            .unwrap();
        for expected in 2..5 {
            assert_eq!(fleet.heartbeat("default", "dev-1", &beat).await, 200);
            assert_eq!(count(&fleet.show("dev-1").await, "Failed"), expected);
            fleet.pass(60);
        }
        fleet.service().attend(true).await.unwrap();
        assert_eq!(fleet.show("dev-1").await.connectivity, Some(Connectivity::Online));
        let at_work = async |seconds: i64| {
            for _ in 0..seconds / 2 {
                fleet.pass(2);
                fleet.service().attend(true).await.unwrap();
            }
            fleet.show("dev-1").await.connectivity
        };
        assert_eq!(at_work(300).await, Some(Connectivity::Silent));
        assert_eq!(fleet.listed().await[0].connectivity, Some(Connectivity::Silent));
    }
}
