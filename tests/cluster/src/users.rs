//! A cluster that the user names by KUBECONFIG: reached through kubectl, which knows every way to
//! log in.
//!
//! Nothing of the node is touched there: scenarios that restart components or signal processes do
//! not run on it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use testkit::kubernetes::Client;
use testkit::net::free_port;

/// What connects this machine with the user's cluster; ends with it.
#[derive(Debug)]
pub(crate) struct Users {
    kubeconfig: PathBuf,
    kubectl: PathBuf,
    proxy: Child,
    client: Client,
    forwards: Mutex<BTreeMap<String, (SocketAddr, Child)>>,
}

impl Users {
    pub(crate) fn connect(kubeconfig: &Path, kubectl: &Path) -> Result<Self> {
        let mut command = kubectl_command(kubectl, kubeconfig);
        let mut proxy = command
            .args(["proxy", "--port=0"])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let output = proxy.stdout.take().context("kubectl proxy has an output")?;
        BufReader::new(output).read_line(&mut line)?;
        let address = line.trim().rsplit(' ').next().unwrap_or_default();
        let Ok(address) = address.parse() else {
            proxy.kill()?;
            bail!("kubectl cannot reach the cluster of {}", kubeconfig.display());
        };
        Ok(Self {
            kubeconfig: kubeconfig.to_owned(),
            kubectl: kubectl.to_owned(),
            proxy,
            client: Client::behind_proxy(address),
            forwards: Mutex::default(),
        })
    }

    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// A local port that leads to a Service, for as long as this value lives. kubectl's own
    /// forwarding ends with the pod that it led to; a loop around it leads to the next one.
    pub(crate) fn forward(&self, service: &str, port: &str) -> Result<SocketAddr> {
        let mut forwards = self.forwards.lock().unwrap_or_else(PoisonError::into_inner);
        let key = format!("{service}:{port}");
        if let Some((address, _)) = forwards.get(&key) {
            return Ok(*address);
        }
        let local = free_port()?;
        let again = "trap 'kill $! 2>/dev/null' EXIT; while :; do \"$0\" --namespace=flotta port-forward \"service/$1\" \"$2\" & wait $!; sleep 0.2; done";
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig=TERM", "--", "bash", "-c", again])
            .arg(&self.kubectl)
            .args([service, &format!("{local}:{port}")])
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let address = SocketAddr::from(([127, 0, 0, 1], local));
        forwards.insert(key, (address, command.spawn()?));
        Ok(address)
    }
}

impl Drop for Users {
    fn drop(&mut self) {
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
        let forwards = self.forwards.get_mut().unwrap_or_else(PoisonError::into_inner);
        for (_, child) in forwards.values_mut() {
            // SIGTERM and not SIGKILL, so that the loop ends what it has started.
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
    }
}

fn kubectl_command(kubectl: &Path, kubeconfig: &Path) -> Command {
    let mut command = Command::new(kubectl);
    command.env("KUBECONFIG", kubeconfig).stdin(Stdio::null());
    command
}
