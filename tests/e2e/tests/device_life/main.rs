//! A device's life through the real Edge API over mutual TLS, on both stores: every answer that the
//! device sees, and what the store holds afterwards.

mod deletion;
mod enrolment;
mod heartbeats;
mod identity;
mod playbooks;
mod polls;
mod registration;
