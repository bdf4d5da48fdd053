//! Where a device uploads data to. What is missing here leaves the section out, as with Flotta: the
//! device keeps the bucket it had and transfers nothing meanwhile.
//!
//! Values of Secrets go out as they are kept: base64, which admission takes in its one canonical
//! form only.

use contract::{S3StorageConfiguration, StorageConfiguration};
use manifests::{
    Kind,
    kinds::{ConfigMap, ObjectBucketClaim, Route, S3, Secret},
};

use crate::{
    fault::{Trouble, Troubles},
    lookup::{Objects, text, value},
};

const BUCKET_NAME: &str = "BUCKET_NAME";
const BUCKET_PORT: &str = "BUCKET_PORT";
const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const KEY: &str = "AWS_SECRET_ACCESS_KEY";
const CA: &str = "tls.crt";

/// Where OpenShift's object storage is reached.
const ROUTE: (&str, &str) = ("openshift-storage", "s3");
/// The CA of that route.
const ROUTER_CA: (&str, &str) = ("openshift-ingress-operator", "router-ca");

/// The storage of a device: its bucket claim before anything else, else the effective `storage.s3`.
pub(crate) fn of(
    claim: &str,
    s3: Option<&S3>,
    namespace: &str,
    objects: &Objects,
) -> Result<Option<StorageConfiguration>, Trouble> {
    let bucket = if claim.is_empty() {
        match s3.filter(|s3| !s3.config_map_name.is_empty() || !s3.secret_name.is_empty()) {
            Some(s3) => external(s3, namespace, objects)?,
            None if s3.is_some_and(|s3| s3.create_obc) => {
                return Err(Trouble::new(
                    "NoBucketClaim",
                    "createOBC is true and no claim is given, and this server creates none; create an ObjectBucketClaim and put \
                     its name into status.dataObc of the EdgeDevice",
                ));
            }
            None => return Ok(None),
        }
    } else {
        claimed(claim, namespace, objects)?
    };
    Ok(Some(StorageConfiguration { s3: Some(bucket) }))
}

fn external(s3: &S3, namespace: &str, objects: &Objects) -> Result<S3StorageConfiguration, Trouble> {
    let mut troubles = Troubles::default();
    let map = troubles.note(objects.config_map(namespace, &s3.config_map_name));
    let secret = troubles.note(objects.secret(namespace, &s3.secret_name));
    troubles.none()?;
    let map_place = format!("{namespace}/{}", s3.config_map_name);
    let secret_place = format!("{namespace}/{}", s3.secret_name);
    Ok(S3StorageConfiguration {
        bucket_host: text(&map, &map_place, "BUCKET_HOST")?.to_owned(),
        bucket_port: port(&map, &map_place)?,
        bucket_name: text(&map, &map_place, BUCKET_NAME)?.to_owned(),
        bucket_region: text(&map, &map_place, "BUCKET_REGION")?.to_owned(),
        aws_access_key_id: value(&secret, &secret_place, KEY_ID)?.into(),
        aws_secret_access_key: value(&secret, &secret_place, KEY)?.into(),
        aws_ca_bundle: ca(&secret),
    })
}

fn claimed(claim: &str, namespace: &str, objects: &Objects) -> Result<S3StorageConfiguration, Trouble> {
    let mut troubles = Troubles::default();
    troubles.note(objects.required::<ObjectBucketClaim>(Kind::ObjectBucketClaim, namespace, claim));
    let map = troubles.note(objects.config_map(namespace, claim));
    let secret = troubles.note(objects.secret(namespace, claim));
    let route: Route = troubles.note(objects.required(Kind::Route, ROUTE.0, ROUTE.1));
    let router_ca = troubles.note(objects.secret(ROUTER_CA.0, ROUTER_CA.1));
    troubles.none()?;
    let place = format!("{namespace}/{claim}");
    Ok(S3StorageConfiguration {
        bucket_host: route.spec.host,
        bucket_port: 443,
        // Flotta does not ask for it here.
        bucket_name: text(&map, &place, BUCKET_NAME).unwrap_or_default().to_owned(),
        // Not used by this kind of storage; Flotta writes the word.
        bucket_region: "ignore".to_owned(),
        aws_access_key_id: value(&secret, &place, KEY_ID)?.into(),
        aws_secret_access_key: value(&secret, &place, KEY)?.into(),
        aws_ca_bundle: ca(&router_ca),
    })
}

/// As Go's `ParseUint` reads it, which takes no sign.
fn port(map: &ConfigMap, place: &str) -> Result<i32, Trouble> {
    let written = text(map, place, BUCKET_PORT)?;
    let unsigned = written.bytes().all(|byte| byte.is_ascii_digit());
    let port = written.parse().ok();
    port.filter(|port| unsigned && (1..=65_535).contains(port))
        .ok_or_else(|| {
            let message = format!("{BUCKET_PORT} of ConfigMap {place} is no port from 1 to 65535");
            Trouble::new("BucketPortInvalid", message)
        })
}

fn ca(secret: &Secret) -> String {
    secret.data.get(CA).cloned().unwrap_or_default()
}
