//! A Kubernetes with Flotta on it, for tests that need pods, and the parts that such tests are made
//! of.
//!
//! The scripts in this folder bring a throwaway node up and take it down; a [`Cluster`] holds one
//! for as long as a test runs, or reaches one of the user's. Order of use: [`Cluster`] ->
//! [`flotta::Flotta::deploy`] -> [`backend`] or [`chart`] -> devices ([`watcher`]) -> what people
//! and machines do to it ([`hands`], [`faults`]) -> what must hold.

pub mod backend;
pub mod chart;
mod cluster;
pub mod connections;
pub mod database;
pub mod faults;
pub mod flotta;
pub mod gate;
pub mod hands;
mod image;
pub mod patience;
pub mod remote_backend;
mod script;
mod throwaway;
pub mod timeline;
mod users;
pub mod watcher;

pub use cluster::{Cluster, Helm};
pub use image::Image;
pub use script::place;
