//! Flotta's custom resources in an API server, and the rights that its Edge API has on them with
//! the CRD backend.
//!
//! Definitions and rights are read from Flotta's published Go module, so that a test meets what
//! users have. The two kinds that Flotta takes from elsewhere (bucket claims and OpenShift's
//! routes) come without a schema: it only reads them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http::Method;
use serde_json::{Value, json};

use crate::kubernetes::Client;
use crate::process::wait_until;

const MODULE: &str = "github.com/project-flotta/flotta-operator";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const RIGHTS: &str = "/apis/rbac.authorization.k8s.io/v1";
/// How long an API server may take to serve a new kind.
const SERVED: Duration = Duration::from_mins(1);

/// Where Go keeps the module that the Edge API was built from. Downloads it when it is not there:
/// the program may have been built long ago, with another module cache.
pub fn module_folder() -> Result<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../edge-api");
    let output = Command::new("go")
        .args(["mod", "download", "-json", MODULE])
        .current_dir(folder)
        .output()
        .context("cannot run go")?;
    let said: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("go said of {MODULE}: {}", String::from_utf8_lossy(&output.stderr)))?;
    if let Some(error) = said["Error"].as_str() {
        bail!("Go cannot download {MODULE}: {error}");
    }
    let path = said["Dir"]
        .as_str()
        .with_context(|| format!("Go does not know where {MODULE} is"))?;
    Ok(path.into())
}

/// Flotta's CustomResourceDefinitions as they are published.
pub fn definitions() -> Result<Vec<Value>> {
    let folder = module_folder()?.join("config/crd/bases");
    let mut files = fs::read_dir(&folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    files.sort();
    files
        .iter()
        .map(|file| Ok(serde_yaml::from_str(&fs::read_to_string(file)?)?))
        .collect()
}

/// Installs Flotta's kinds and the two that it reads, gives the Edge API its rights on them, and
/// waits until they are served.
pub async fn install(client: &Client) -> Result<()> {
    let mut all = definitions()?;
    all.push(open_definition(
        "objectbucket.io",
        "v1alpha1",
        "ObjectBucketClaim",
        "objectbucketclaims",
    ));
    all.push(open_definition("route.openshift.io", "v1", "Route", "routes"));
    for definition in &all {
        client.create(DEFINITIONS, definition).await?;
    }
    grant_edge_api(client).await?;
    for definition in &all {
        let name = definition["metadata"]["name"]
            .as_str()
            .context("a definition has a name")?;
        let path = format!("{DEFINITIONS}/{name}");
        wait_until(&format!("{name} to be served"), SERVED, async || {
            let answer = client.call(Method::GET, &path, None).await;
            answer.and_then(|answer| answer.json()).is_ok_and(|object| {
                let conditions = object["status"]["conditions"].as_array().cloned();
                conditions
                    .unwrap_or_default()
                    .iter()
                    .any(|condition| condition["type"] == "Established" && condition["status"] == "True")
            })
        })
        .await?;
    }
    Ok(())
}

fn open_definition(group: &str, version: &str, kind: &str, plural: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
            "versions": [{
                "name": version, "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    })
}

/// What Flotta's own manifests give the Edge API.
async fn grant_edge_api(client: &Client) -> Result<()> {
    let file = module_folder()?.join("config/rbac/edge_api_role.yaml");
    let role: Value = serde_yaml::from_str(&fs::read_to_string(file)?)?;
    let name = role["metadata"]["name"].clone();
    client.create(&format!("{RIGHTS}/clusterroles"), &role).await?;
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "edge-api"}],
    });
    client
        .create(&format!("{RIGHTS}/clusterrolebindings"), &binding)
        .await
}
