//! A Kubernetes API server without a node: etcd and kube-apiserver as processes of this machine,
//! with RBAC.
//!
//! Enough for whatever talks to the API and runs no pod; ready in about a second. The real thing
//! rather than a scripted server, since the Edge API's own Kubernetes client is part of what is
//! tested.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use http::Method;
use rustls::pki_types::ServerName;
use serde_json::json;
use tempfile::TempDir;

use crate::http_client::Tls;
use crate::kubernetes::Client;
use crate::net::free_port;
use crate::pki::{Authority, Key, KeyKind, Profile, anonymous_client_config};
use crate::process::{Process, Program, Signal};
use crate::{peers, process};

/// The administrator's token and the Edge API's; they live as long as the temporary folder of one
/// test run.
const ADMIN_TOKEN: &str = "administrator-of-a-test";
const EDGE_API_TOKEN: &str = "edge-api-of-a-test";
/// The user the Edge API's token stands for.
const EDGE_API_USER: &str = "edge-api";
/// The companion's token.
const COMPANION_TOKEN: &str = "companion-of-a-test";

/// The user the companion's token stands for: without any right, until a test gives it some.
pub const COMPANION_USER: &str = "companion";

/// A running control plane, stopped and deleted when dropped.
#[derive(Debug)]
pub struct ControlPlane {
    // Fields are dropped in order: the API server before its store, the processes before their
    // folder.
    apiserver: Process,
    _etcd: Process,
    client: Client,
    address: SocketAddr,
    tls: Tls,
    kubeconfig: PathBuf,
    admin_kubeconfig: PathBuf,
    _folder: TempDir,
}

impl ControlPlane {
    /// Starts one, with the namespace `flotta` and an account for the Edge API that has the rights
    /// Flotta gives it.
    pub async fn start() -> Result<Self> {
        let program = peers::kubernetes()?;
        let folder = tempfile::Builder::new()
            .prefix("flotta-control-plane-")
            .tempdir()?;
        let path = folder.path();

        let etcd_url = format!("http://127.0.0.1:{}", free_port()?);
        let etcd = start_etcd(&program, path, &etcd_url)?;

        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let authority = Authority::new(KeyKind::P256)?;
        write_credentials(path, &authority)?;
        let mut apiserver = start_apiserver(&program, path, &etcd_url, address.port())?;

        let tls = Tls {
            config: anonymous_client_config(authority.roots()?, &[])?,
            server_name: ServerName::from(address.ip()),
        };
        let client = Client::new(address, tls.clone(), ADMIN_TOKEN);
        let ready = async || {
            let answer = client.call(Method::GET, "/readyz", None).await;
            answer.is_ok_and(|answer| answer.status == 200)
        };
        apiserver
            .wait_until("it is ready", Duration::from_mins(1), ready)
            .await?;
        client.create_namespace("flotta").await?;
        grant_edge_api(&client).await?;

        let kubeconfig = path.join("edge-api.kubeconfig");
        fs::write(&kubeconfig, kubeconfig_text(address, path, EDGE_API_TOKEN))?;
        let admin_kubeconfig = path.join("admin.kubeconfig");
        fs::write(&admin_kubeconfig, kubeconfig_text(address, path, ADMIN_TOKEN))?;
        Ok(Self {
            apiserver,
            _etcd: etcd,
            client,
            address,
            tls,
            kubeconfig,
            admin_kubeconfig,
            _folder: folder,
        })
    }

    /// A client with all rights.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Where the API server is, and how it is spoken to: for a client, or a proxy, of the test's
    /// own.
    pub fn address(&self) -> (SocketAddr, Tls) {
        (self.address, self.tls.clone())
    }

    /// The administrator's bearer token.
    pub fn admin_token(&self) -> &'static str {
        ADMIN_TOKEN
    }

    /// The bearer token of [`COMPANION_USER`].
    pub fn companion_token(&self) -> &'static str {
        COMPANION_TOKEN
    }

    /// A kubeconfig with all rights, for the operator.
    pub fn admin_kubeconfig(&self) -> &Path {
        &self.admin_kubeconfig
    }

    /// A kubeconfig with the rights of the Edge API.
    pub fn edge_api_kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The end of the API server's log, for messages.
    pub fn log_tail(&self) -> String {
        self.apiserver.log_tail(20)
    }
}

fn start_etcd(program: &Path, folder: &Path, url: &str) -> Result<Process> {
    let peer_url = format!("http://127.0.0.1:{}", free_port()?);
    Program::new("etcd", program)
        .arg("etcd")
        .args(["--name", "test", "--log-level", "warn", "--data-dir"])
        .arg(folder.join("etcd"))
        // What is written here is thrown away: no reason to wait for the disk.
        .arg("--unsafe-no-fsync")
        .args(["--listen-client-urls", url, "--advertise-client-urls", url])
        .args([
            "--listen-peer-urls",
            &peer_url,
            "--initial-advertise-peer-urls",
            &peer_url,
        ])
        .args(["--initial-cluster", &format!("test={peer_url}")])
        .stop_with(Signal::KILL, Duration::from_secs(5))
        .start(folder)
        .context("etcd")
}

fn start_apiserver(program: &Path, folder: &Path, etcd_url: &str, port: u16) -> Result<process::Process> {
    let file = |name: &str| folder.join(name).display().to_string();
    Program::new("kube-apiserver", program)
        .arg("kube-apiserver")
        .arg(format!("--etcd-servers={etcd_url}"))
        .args(["--bind-address=127.0.0.1", &format!("--secure-port={port}")])
        // There is no node to reach the server, so nobody needs its address in the Service
        // `kubernetes`.
        .args(["--endpoint-reconciler-type=none", "--advertise-address=127.0.0.1"])
        .arg(format!("--tls-cert-file={}", file("apiserver.crt")))
        .arg(format!("--tls-private-key-file={}", file("apiserver.key")))
        .arg(format!("--token-auth-file={}", file("tokens")))
        .args([
            "--authorization-mode=RBAC",
            "--anonymous-auth=false",
            "--profiling=false",
        ])
        .arg("--service-account-issuer=https://kubernetes.default.svc")
        .arg(format!(
            "--service-account-key-file={}",
            file("service-account.key")
        ))
        .arg(format!(
            "--service-account-signing-key-file={}",
            file("service-account.key")
        ))
        .args([
            "--service-cluster-ip-range=10.96.0.0/24",
            "--disable-admission-plugins=ServiceAccount",
        ])
        .stop_with(Signal::KILL, Duration::from_secs(5))
        .start(folder)
        .context("kube-apiserver")
}

fn write_credentials(folder: &Path, authority: &Authority) -> Result<()> {
    let server = authority.issue(&Profile::server(&["localhost", "127.0.0.1"])?)?;
    fs::write(folder.join("ca.crt"), authority.pem())?;
    fs::write(folder.join("apiserver.crt"), server.certificate_pem())?;
    fs::write(folder.join("apiserver.key"), server.key().pkcs8_pem())?;
    fs::write(
        folder.join("service-account.key"),
        Key::generate(KeyKind::P256)?.traditional_pem()?,
    )?;
    let tokens = format!(
        "{ADMIN_TOKEN},admin,1,system:masters\n{EDGE_API_TOKEN},{EDGE_API_USER},2\n\
         {COMPANION_TOKEN},{COMPANION_USER},3\n"
    );
    fs::write(folder.join("tokens"), tokens)?;
    Ok(())
}

/// The rights that Flotta's own manifests give the Edge API, as far as it uses them with a remote
/// backend: it lists and watches Secrets cluster-wide and creates them, and may write events. No
/// update, patch or delete.
async fn grant_edge_api(client: &Client) -> Result<()> {
    const GROUP: &str = "rbac.authorization.k8s.io";
    let role = json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": "ClusterRole", "metadata": {"name": EDGE_API_USER},
        "rules": [
            {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "get", "list", "watch"]},
            {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
        ],
    });
    let binding = json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": EDGE_API_USER},
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": EDGE_API_USER},
        "subjects": [{"apiGroup": GROUP, "kind": "User", "name": EDGE_API_USER}],
    });
    client
        .create(&format!("/apis/{GROUP}/v1/clusterroles"), &role)
        .await?;
    client
        .create(&format!("/apis/{GROUP}/v1/clusterrolebindings"), &binding)
        .await
}

fn kubeconfig_text(address: SocketAddr, folder: &Path, token: &str) -> String {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {
            "server": format!("https://{address}"), "certificate-authority": folder.join("ca.crt"),
        }}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    });
    // A kubeconfig is YAML, and every JSON text is YAML.
    config.to_string()
}
