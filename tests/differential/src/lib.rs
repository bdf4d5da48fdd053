//! Fleets on Flotta's own backend and on ours, side by side, and the difference between what devices get.

pub mod dice;
pub mod fleet;
pub mod generate;
pub mod selection;
pub mod agent;
pub mod broken;
pub mod compare;
pub mod flotta;
pub mod pool;
pub mod excuses;
pub mod judge;
pub mod ours;
pub mod plain_env;
pub mod play;
pub mod report;
pub mod shrink;
