//! The devices of the custom resources.

use std::collections::BTreeSet;

use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams},
};

use super::{Cluster, Fault};
use crate::rights;

/// So many at once: a page is some hundred kilobytes.
const PAGE: u32 = 500;

/// Ids of all EdgeDevices, in lower case as devices are called by the Edge API.
pub type EdgeDevices = BTreeSet<String>;

impl Cluster {
    /// All EdgeDevices of the cluster. Only a cluster without that kind of resource has none for
    /// sure; what may not be read is an error and never zero.
    pub async fn edge_devices(&self) -> Result<EdgeDevices, Fault> {
        let kind = GroupVersionKind::gvk(rights::FLOTTA_GROUP, "v1alpha1", "EdgeDevice");
        let resource = ApiResource::from_gvk_with_plural(&kind, "edgedevices");
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        let mut devices = EdgeDevices::new();
        let mut parameters = ListParams::default().limit(PAGE);
        loop {
            let page = match api.list_metadata(&parameters).await {
                Ok(page) => page,
                Err(error) => match Fault::new(rights::edge_devices(), error) {
                    fault if fault.is_gone() && devices.is_empty() => return Ok(devices),
                    fault => return Err(fault),
                },
            };
            devices.extend(
                page.items
                    .into_iter()
                    .filter_map(|device| device.metadata.name)
                    .map(|name| name.to_lowercase()),
            );
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => parameters = parameters.continue_token(&token),
                None => return Ok(devices),
            }
        }
    }
}
