//! What the companion decides, in a cluster in memory: lives of a switch, told step by step, and lives in which anything
//! happens at any time.

mod back;
mod contest;
mod crashes;
mod merge;
mod steady;
mod switch;
mod world;
