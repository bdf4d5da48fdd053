//! What goes wrong around the server while devices work through the real Edge API: the store is
//! away or full, certificates change, strangers call, the server is told to stop, a second server
//! works on the same store.

mod callers;
mod disk;
mod material;
mod outage;
mod stopping;
mod two_servers;

use testkit::server::Settings;

/// No event may be pushed out by another: comparisons want to see all of them.
fn keeping_all_events(settings: Settings) -> Settings {
    settings.flags([
        "--events-per-device",
        "100000",
        "--event-bytes-per-device",
        "64MiB",
    ])
}
