//! Fleets on Flotta's own backend and on ours, side by side, and the difference between what
//! devices get.
//!
//! | Question | Module |
//! |---|---|
//! | What is a case, and how is one made from a seed? | [`fleet`], [`mod@generate`], [`dice`] |
//! | What should a device run, and what can it not be given? | [`selection`], [`broken`], [`trigger`] |
//! | How are the two sides set up and asked? | [`flotta`], [`ours`], [`in_process`], [`pool`] |
//! | How does an agent look at an answer, and where do two differ? | [`agent`], [`compare`], [`excuses`] |
//! | Was it right? | [`judge`], [`play`], [`run`], [`report`], [`shrink`] |
//! | Does ours follow changes? | [`change`] |
//! | What becomes of a folder with an object that ours refuses? | [`refusal`] |
//! | Are objects read, and workloads selected, as there? | [`admission`], [`operator`], [`strict`] |

pub mod admission;
pub mod agent;
pub mod broken;
pub mod change;
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
pub mod refusal;
pub mod report;
pub mod run;
pub mod selection;
pub mod shrink;
pub mod strict;
pub mod trigger;
mod yaml;
