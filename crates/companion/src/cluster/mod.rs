//! The API server: what is read from it ([`observe`](Cluster::observe)), what is written to it
//! ([`act`]), and what wakes the loop up ([`watch`]).

pub mod act;
mod client;
mod devices;
mod fault;
mod observe;
mod resource;
pub mod watch;

use std::fmt;

use k8s_openapi::NamespaceResourceScope;
use kube::{Api, Client, Resource};

pub use client::{Requests, connect};
pub use devices::EdgeDevices;
pub use fault::Fault;
pub use observe::{Surroundings, elder};
pub use resource::{Retiring, retiring};

/// The namespace of the companion and of the Edge API, on one API server.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    namespace: String,
}

impl Cluster {
    /// This namespace.
    pub fn new(client: Client, namespace: impl Into<String>) -> Self {
        Self {
            client,
            namespace: namespace.into(),
        }
    }

    /// Its name.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The connection.
    pub fn client(&self) -> &Client {
        &self.client
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}
