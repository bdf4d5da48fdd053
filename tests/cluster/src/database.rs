//! A PostgreSQL beside a throwaway cluster, as a user has one: pods reach it over TLS, by a
//! password that is in a Secret.
//!
//! It is a process in the cluster's network and not a pod: no image of it is to be had without a
//! registry.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::time::Duration;

use crate::patience::wait_for;
use anyhow::{Result, ensure};
use serde_json::json;
use testkit::pki::{Authority, KeyKind, Profile};
use testkit::postgres::Postgres;
use uuid::Uuid;

use crate::Cluster;
use crate::chart::Chart;
use crate::flotta::create_secret;
use crate::throwaway::API;

/// Where pods reach the node.
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(API.0[0], API.0[1], API.0[2], API.0[3]));
const SECRET: &str = "fleet-database";
const CA: &str = "fleet-database-ca";

/// A running database `fleet`; ends when dropped.
#[derive(Debug)]
pub struct Database {
    postgres: Postgres,
    password: String,
    ca: String,
}

impl Database {
    /// Starts it: user `fleet` may log in from pods, with a password and over TLS alone.
    pub async fn start(cluster: &Cluster) -> Result<Self> {
        ensure!(
            cluster.is_throwaway(),
            "a database beside the cluster needs a throwaway one: pods of another cannot reach this machine"
        );
        let postgres = Postgres::start_also_at(&[ADDRESS]).await?;
        let password = Uuid::new_v4().simple().to_string();
        postgres.sql(
            "postgres",
            &format!("CREATE ROLE fleet LOGIN PASSWORD '{password}'"),
        )?;
        postgres.sql("postgres", "CREATE DATABASE fleet OWNER fleet")?;

        let authority = Authority::new(KeyKind::P256)?;
        let identity = authority.issue(&Profile::server(&[&ADDRESS.to_string()])?)?;
        let data = postgres.data();
        let owner = fs::metadata(&data)?;
        for (name, content) in [
            ("server.crt", identity.certificate_pem()),
            ("server.key", identity.key().pkcs8_pem()),
        ] {
            let path = data.join(name);
            fs::write(&path, content)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
            chown(&path, Some(owner.uid()), Some(owner.gid()))?;
        }
        let mut rules = OpenOptions::new().append(true).open(data.join("pg_hba.conf"))?;
        writeln!(rules, "hostssl fleet fleet 10.244.0.0/24 scram-sha-256")?;
        postgres.sql("postgres", "ALTER SYSTEM SET ssl = on")?;
        postgres.sql("postgres", "SELECT pg_reload_conf()")?;
        wait_for("PostgreSQL to offer TLS", Duration::from_secs(10), async || {
            (postgres.sql("postgres", "SHOW ssl").ok()? == "on").then_some(())
        })
        .await?;
        Ok(Self {
            postgres,
            password,
            ca: authority.pem(),
        })
    }

    /// Makes the Secret and the ConfigMap that the chart is told of.
    pub async fn make_known(&self, cluster: &Cluster) -> Result<()> {
        create_secret(cluster, SECRET, json!({"password": self.password})).await?;
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": CA, "namespace": "flotta"},
            "data": {"ca.crt": self.ca},
        });
        cluster
            .client()
            .create("/api/v1/namespaces/flotta/configmaps", &map)
            .await
    }

    /// The chart with two servers on it.
    pub fn chart(&self) -> Chart {
        let url = format!("postgres://fleet@{ADDRESS}:{}/fleet", self.postgres.port());
        Chart::default()
            .set("store.kind=postgres")
            .set(format!("store.postgres.url={url}"))
            .set(format!("store.postgres.existingSecret={SECRET}"))
            .set(format!("store.postgres.caConfigMap={CA}"))
            .set("networkPolicy.enabled=true")
            .set(format!("networkPolicy.postgresPort={}", self.postgres.port()))
            .set("server.replicas=2")
    }

    /// Where its sessions come from, one address a line.
    pub fn sessions(&self) -> Result<String> {
        let statement =
            "SELECT DISTINCT client_addr FROM pg_stat_activity WHERE usename = 'fleet' ORDER BY 1";
        self.postgres.sql("postgres", statement)
    }
}
