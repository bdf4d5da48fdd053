//! Where a device uploads data to. What is missing here leaves the section out, as with Flotta: the device keeps the bucket
//! it had and transfers nothing meanwhile.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use contract::{S3StorageConfiguration, StorageConfiguration};
use manifests::{
    Kind,
    kinds::{ObjectBucketClaim, Route, S3, Secret},
};

use crate::{
    fault::Trouble,
    lookup::{Objects, text, value},
};

const BUCKET_NAME: &str = "BUCKET_NAME";
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
    let place = format!("{namespace}/{}", s3.config_map_name);
    let map = objects.config_map(namespace, &s3.config_map_name)?;
    let secret = objects.secret(namespace, &s3.secret_name)?;
    let port = text(&map, &place, "BUCKET_PORT")?;
    // Go's ParseUint takes no sign.
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse::<i32>().ok();
    let port = port.filter(|port| digits && (1..=65535).contains(port));
    let bucket_port = port.ok_or_else(|| {
        Trouble::new(
            "BucketPortInvalid",
            format!("BUCKET_PORT of ConfigMap {place} is no port from 1 to 65535"),
        )
    })?;
    let at = format!("{namespace}/{}", s3.secret_name);
    Ok(S3StorageConfiguration {
        bucket_host: text(&map, &place, "BUCKET_HOST")?.to_owned(),
        bucket_port,
        bucket_name: text(&map, &place, BUCKET_NAME)?.to_owned(),
        bucket_region: text(&map, &place, "BUCKET_REGION")?.to_owned(),
        aws_access_key_id: canonical(&secret, &at, KEY_ID)?.into(),
        aws_secret_access_key: canonical(&secret, &at, KEY)?.into(),
        aws_ca_bundle: if secret.data.contains_key(CA) {
            canonical(&secret, &at, CA)?
        } else {
            String::new()
        },
    })
}

fn claimed(claim: &str, namespace: &str, objects: &Objects) -> Result<S3StorageConfiguration, Trouble> {
    let missing = |kind: Kind, namespace: &str, name: &str| {
        Trouble::new(
            "BucketClaimIncomplete",
            format!("{kind} {namespace}/{name} is missing"),
        )
    };
    objects
        .get::<ObjectBucketClaim>(Kind::ObjectBucketClaim, namespace, claim)?
        .ok_or_else(|| missing(Kind::ObjectBucketClaim, namespace, claim))?;
    let place = format!("{namespace}/{claim}");
    let map = objects.config_map(namespace, claim)?;
    let secret = objects.secret(namespace, claim)?;
    let route: Route = objects
        .get(Kind::Route, ROUTE.0, ROUTE.1)?
        .ok_or_else(|| missing(Kind::Route, ROUTE.0, ROUTE.1))?;
    let ca = objects.secret(ROUTER_CA.0, ROUTER_CA.1)?;
    Ok(S3StorageConfiguration {
        bucket_host: route.spec.host,
        bucket_port: 443,
        // Flotta does not ask for it here.
        bucket_name: text(&map, &place, BUCKET_NAME).unwrap_or_default().to_owned(),
        // Not used by this kind of storage; Flotta writes the word.
        bucket_region: "ignore".to_owned(),
        aws_access_key_id: canonical(&secret, &place, KEY_ID)?.into(),
        aws_secret_access_key: canonical(&secret, &place, KEY)?.into(),
        aws_ca_bundle: if ca.data.contains_key(CA) {
            canonical(&ca, &format!("{}/{}", ROUTER_CA.0, ROUTER_CA.1), CA)?
        } else {
            String::new()
        },
    })
}

/// A value as base64 in its one canonical form, however it was written.
fn canonical(secret: &Secret, place: &str, key: &str) -> Result<String, Trouble> {
    let value = value(secret, place, key)?;
    let bytes = STANDARD.decode(value).map_err(|_| {
        Trouble::new(
            "SecretInvalid",
            format!("key {key} of Secret {place} is not base64"),
        )
    })?;
    Ok(STANDARD.encode(bytes))
}
