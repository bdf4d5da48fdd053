//! Whether this is the store of the crash test, which acknowledges a write before it is committed.
//!
//! A condition that this script alone sets, and no feature of cargo: a build with all features
//! would have such a store, and nobody would see it before a crash.

use std::env;

/// The variable that asks for it.
const ASKED_FOR: &str = "FLOTTA_ACKNOWLEDGES_EARLY";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={ASKED_FOR}");
    println!("cargo::rustc-check-cfg=cfg(flotta_acknowledges_early)");
    if env::var_os(ASKED_FOR).is_none_or(|value| value != "1") {
        return;
    }
    // Whatever is left over in an environment: what ships is built with this profile.
    if env::var_os("PROFILE").is_some_and(|profile| profile == "release") {
        println!(
            "cargo::error={ASKED_FOR} is set, and a server of such a build loses what it has acknowledged; unset it"
        );
        return;
    }
    println!(
        "cargo::warning=a server of this build loses what it has acknowledged, for the crash test to find out"
    );
    println!("cargo::rustc-cfg=flotta_acknowledges_early");
}
