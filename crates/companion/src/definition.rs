//! `crd`: the CustomResourceDefinition of RemoteBackend, printed or brought to the cluster.

use std::time::Duration;

use anyhow::{Context as _, bail};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, ResourceExt as _,
    api::{Patch, PatchParams},
};
use plan::{api, names::MANAGER};
use tokio::time::{Instant, sleep};

use crate::yaml;

/// The API server serves a definition within some seconds.
const ESTABLISHED: Duration = Duration::from_secs(30);

/// As a YAML document.
pub fn text() -> anyhow::Result<String> {
    Ok(yaml::document(&api::definition())?)
}

/// Applies it, taking it over from whoever installed an older one, and waits until it is served.
pub async fn apply(client: Client) -> anyhow::Result<()> {
    let definition = api::definition();
    let name = definition.name_any();
    let api: Api<CustomResourceDefinition> = Api::all(client);
    let parameters = PatchParams::apply(MANAGER).force();
    api.patch(&name, &parameters, &Patch::Apply(&definition))
        .await
        .with_context(|| format!("CustomResourceDefinition {name} cannot be applied"))?;
    let deadline = Instant::now() + ESTABLISHED;
    while Instant::now() < deadline {
        let served = api.get(&name).await.is_ok_and(|served| is_established(&served));
        if served {
            return Ok(());
        }
        sleep(Duration::from_millis(200)).await;
    }
    bail!(
        "CustomResourceDefinition {name} was applied, but is not served within {} s; see its conditions",
        ESTABLISHED.as_secs()
    )
}

fn is_established(definition: &CustomResourceDefinition) -> bool {
    definition
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten())
        .any(|condition| condition.type_ == "Established" && condition.status == "True")
}
