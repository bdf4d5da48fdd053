//! Fleets on Flotta's own backend and on ours, side by side, and the difference between what devices get.

pub mod admission;
pub mod agent;
pub mod broken;
pub mod compare;
pub mod dice;
pub mod excuses;
pub mod fleet;
pub mod flotta;
pub mod generate;
pub mod in_process;
pub mod judge;
pub mod operator;
pub mod ours;
pub mod play;
pub mod pool;
pub mod report;
pub mod run;
pub mod selection;
pub mod shrink;
pub mod trigger;
mod yaml;
