//! A device as the Edge API sees one: what yggdrasil 0.2.98 and flotta-device-worker put on the
//! wire, step by step.
//!
//! It takes single steps and does nothing by itself, so that a test decides the order and nothing
//! waits for timers of 5, 10 or 60 s. It keeps its own record of what was acknowledged to it, to be
//! compared with the store.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::http_client::{Answer, Connection, Tls};
use crate::pki::{Identity, Key, KeyKind};

/// After this the agent gives up on an enrolment, registration, heartbeat or playbook request; the
/// request goes on.
pub const AGENT_DEADLINE: Duration = Duration::from_secs(1);
/// The path prefix that devices are provisioned with.
const PREFIX: &str = "/api/flotta-management/v1";

/// Where the Edge API is and whom a device trusts.
#[derive(Debug, Clone)]
pub struct Provisioning {
    /// The Edge API's device port.
    pub edge_api: SocketAddr,
    /// The name or address that the Edge API's certificate must carry.
    pub server_name: ServerName<'static>,
    /// The CA file that was put on the device.
    pub roots: RootCertStore,
    /// The register certificate that was put on the device.
    pub register: Identity,
}

/// The agent did not wait any longer; the request may still succeed at the other end.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {0:?}, the agent gave up")]
pub struct GaveUp(pub Duration);

/// Something the device was told had been done.
#[derive(Debug, Clone, PartialEq)]
pub enum Acknowledged {
    /// An enrolment request was recorded (200) or found approved (208).
    Enrolment {
        /// What the device saw.
        status: u16,
    },
    /// A certificate was handed out for the key with this fingerprint.
    Registration {
        /// Lower-case hex SHA-256 of the key's SubjectPublicKeyInfo.
        key: String,
    },
    /// A heartbeat with this content.
    Heartbeat(Value),
}

/// One device.
#[derive(Debug)]
pub struct Device {
    id: String,
    provisioning: Provisioning,
    certificate: Option<Identity>,
    presenting: Option<Identity>,
    key_kind: KeyKind,
    deadline: Option<Duration>,
    polls: Option<Connection>,
    posts: Posts,
    record: Vec<Acknowledged>,
}

/// yggdrasil sends one message at a time: while one is under way nothing else leaves.
#[derive(Debug)]
enum Posts {
    Closed,
    Open(Connection),
    UnderWay(JoinHandle<(Connection, Result<Answer>)>),
}

impl Device {
    /// A freshly provisioned device: it has a register certificate and nothing else.
    pub fn new(id: impl Into<String>, provisioning: Provisioning) -> Self {
        Self {
            id: id.into(),
            provisioning,
            certificate: None,
            presenting: None,
            key_kind: KeyKind::P256,
            deadline: None,
            polls: None,
            posts: Posts::Closed,
            record: Vec::new(),
        }
    }

    /// A device that was registered before and holds this certificate.
    #[must_use]
    pub fn holding(mut self, certificate: Identity) -> Self {
        self.certificate = Some(certificate);
        self
    }

    /// Gives up on a request as the agent does, for instance after [`AGENT_DEADLINE`]. Without it
    /// every answer is awaited, which keeps tests independent of the machine's speed.
    #[must_use]
    pub fn giving_up_after(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The id as this device spells it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Spells the id in another way from now on; the certificate stays.
    pub fn spell(&mut self, id: impl Into<String>) {
        self.id = id.into();
    }

    /// The certificate it was given at its last registration.
    pub fn certificate(&self) -> Option<&Identity> {
        self.certificate.as_ref()
    }

    /// Everything that was acknowledged to it, in order.
    pub fn record(&self) -> &[Acknowledged] {
        &self.record
    }

    /// Presents these certificates instead of its own until [`Device::present_own`]: a forger's
    /// view.
    pub fn present(&mut self, identity: Identity) {
        self.presenting = Some(identity);
        self.hang_up();
    }

    /// Presents its own certificate again.
    pub fn present_own(&mut self) {
        self.presenting = None;
        self.hang_up();
    }

    /// Points the device at an Edge API that came up elsewhere; its certificates stay.
    pub fn move_to(&mut self, provisioning: Provisioning) {
        self.provisioning = provisioning;
        self.hang_up();
    }

    /// Restarts the daemon: connections are gone, certificate and key stay.
    pub fn restart(&mut self) {
        self.hang_up();
    }

    fn hang_up(&mut self) {
        self.polls = None;
        self.posts = Posts::Closed;
    }

    /// `enrolment`: hardware and, if the device has that tag, the wanted namespace. 200 means wait,
    /// 208 go on.
    pub async fn enrol(&mut self, hardware: &Value, target_namespace: Option<&str>) -> Result<Answer> {
        let mut content = json!({"features": {"hardware": hardware}});
        if let Some(namespace) = target_namespace {
            content["target_namespace"] = json!(namespace);
        }
        let answer = self.post("enrolment", &content).await?;
        if matches!(answer.status, 200 | 208) {
            self.record.push(Acknowledged::Enrolment {
                status: answer.status,
            });
        }
        Ok(answer)
    }

    /// `registration`: a new key for each try with the register certificate, the same key for a
    /// renewal. The certificate in a good answer is the device's from then on.
    pub async fn register(&mut self, hardware: &Value) -> Result<Answer> {
        let key = self.key_for_registration()?;
        let answer = self.send_registration(hardware, &key).await?;
        if let Some(certificate) = issued(&answer)? {
            self.record.push(Acknowledged::Registration {
                key: key.fingerprint(),
            });
            self.certificate = Some(Identity::from_certificate(&certificate, &key)?);
            // yggdrasil watches the files and builds a new TLS client.
            self.hang_up();
        }
        Ok(answer)
    }

    /// A registration whose answer comes too late: the server has done its part, the device has no
    /// certificate from it and will make a new key next time. Returns what got lost.
    pub async fn register_losing_answer(&mut self, hardware: &Value) -> Result<Answer> {
        let key = self.key_for_registration()?;
        self.send_registration(hardware, &key).await
    }

    /// A registration with a request of the caller's choice; nothing is kept.
    pub async fn register_with_request(&mut self, hardware: &Value, request: &str) -> Result<Answer> {
        let content = json!({"hardware": hardware, "certificate_request": request});
        self.post("registration", &content).await
    }

    /// `heartbeat`.
    pub async fn heartbeat(&mut self, content: Value) -> Result<Answer> {
        let answer = self.post("heartbeat", &content).await?;
        if answer.status == 200 {
            self.record.push(Acknowledged::Heartbeat(content));
        }
        Ok(answer)
    }

    /// `ansible`: asks for playbooks.
    pub async fn playbooks(&mut self) -> Result<Answer> {
        self.post("ansible", &Value::Null).await
    }

    /// The control loop's GET: 200 and empty, or 200 with a command.
    pub async fn poll_control(&mut self) -> Result<Answer> {
        self.get("control").await
    }

    /// The data loop's GET: 200 with the configuration.
    pub async fn poll_data(&mut self) -> Result<Answer> {
        self.get("data").await
    }

    fn key_for_registration(&self) -> Result<Key> {
        match &self.certificate {
            Some(certificate) => Ok(certificate.key().clone()),
            None => Key::generate(self.key_kind),
        }
    }

    async fn send_registration(&mut self, hardware: &Value, key: &Key) -> Result<Answer> {
        let request = key.certificate_request(&self.id)?;
        self.register_with_request(hardware, &request).await
    }

    async fn get(&mut self, channel: &str) -> Result<Answer> {
        let uri = format!("{PREFIX}/{channel}/{}/in", self.id);
        let request = Request::get(uri)
            .header("host", self.host())
            .body(Full::default())?;
        let mut connection = match self.polls.take() {
            Some(connection) if !connection.is_closed() => connection,
            _ => self.connect().await?,
        };
        let answer = connection.send(request).await?;
        self.polls = Some(connection);
        Ok(answer)
    }

    /// Posts a data message with this directive.
    pub async fn post(&mut self, directive: &str, content: &Value) -> Result<Answer> {
        let request = self.message(directive, content)?;
        let mut connection = match std::mem::replace(&mut self.posts, Posts::Closed) {
            Posts::Open(connection) if !connection.is_closed() => connection,
            Posts::UnderWay(earlier) => match earlier.await {
                Ok((connection, Ok(_))) if !connection.is_closed() => connection,
                _ => self.connect().await?,
            },
            _ => self.connect().await?,
        };
        let mut sending = tokio::spawn(async move {
            let answer = connection.send(request).await;
            (connection, answer)
        });
        let (connection, answer) = if let Some(deadline) = self.deadline {
            let Ok(sent) = tokio::time::timeout(deadline, &mut sending).await else {
                self.posts = Posts::UnderWay(sending);
                return Err(GaveUp(deadline).into());
            };
            sent?
        } else {
            sending.await?
        };
        self.posts = Posts::Open(connection);
        answer
    }

    fn message(&self, directive: &str, content: &Value) -> Result<Request<Full<Bytes>>> {
        let message = json!({
            "type": "data",
            "message_id": Uuid::new_v4(),
            "version": 1,
            "sent": jiff::Timestamp::now().to_string(),
            "directive": directive,
            "content": content,
        });
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{PREFIX}/data/{}/out", self.id))
            .header("host", self.host())
            .header("content-type", "application/json");
        Ok(request.body(Full::new(Bytes::from(message.to_string())))?)
    }

    fn host(&self) -> String {
        self.provisioning.edge_api.to_string()
    }

    async fn connect(&self) -> Result<Connection> {
        let Provisioning {
            edge_api,
            server_name,
            roots,
            register,
        } = &self.provisioning;
        let identity = self
            .presenting
            .as_ref()
            .or(self.certificate.as_ref())
            .unwrap_or(register);
        let tls = Tls {
            config: identity.client_config(roots.clone(), &[])?,
            server_name: server_name.clone(),
        };
        Connection::open(*edge_api, Some(&tls)).await
    }
}

/// The certificate in the answer to a registration, if it was granted.
fn issued(answer: &Answer) -> Result<Option<String>> {
    if answer.status >= 300 {
        return Ok(None);
    }
    let body = answer.json()?;
    let certificate = body.pointer("/content/certificate").and_then(Value::as_str);
    Ok(Some(
        certificate
            .context("a granted registration carries a certificate")?
            .to_owned(),
    ))
}

/// Whether a control poll was answered with the command to disconnect.
pub fn is_disconnect(answer: &Answer) -> bool {
    answer.status == 200
        && answer.json().is_ok_and(|message| {
            message["type"] == "command" && message.pointer("/content/command") == Some(&json!("disconnect"))
        })
}

/// Hardware with the parts that the current agent really fills in.
pub fn hardware(hostname: &str) -> Value {
    json!({
        "cpu": {"architecture": "x86_64", "model_name": "Intel(R) Core(TM) i7-6820HQ CPU @ 2.70GHz", "flags": []},
        "hostname": hostname,
        "disks": null,
        "gpus": null,
        "host_devices": [{"path": "/dev/null", "device_type": "char", "uid": 0, "gid": 0, "major": 1, "minor": 3}],
        "interfaces": [{"flags": [], "ipv4_addresses": ["192.168.122.61/24"], "ipv6_addresses": []}],
        "mounts": [{"device": "/dev/vda2", "directory": "/", "type": "xfs", "options": "(rw,relatime)"}],
        "system_vendor": {"manufacturer": "Red Hat", "product_name": "KVM", "serial_number": format!("serial-{hostname}")},
    })
}

/// A heartbeat without anything to tell: what the agent sends when nothing happened.
pub fn quiet_heartbeat() -> Value {
    json!({
        "status": "up",
        "version": "",
        "workloads": null,
        "playbook-executions": null,
        "events": null,
        "upgrade": {"current_commit_ID": "unknown"},
    })
}

/// A heartbeat that carries one event; `reason` is what a test finds it by.
pub fn heartbeat_with_event(kind: &str, reason: &str, message: &str) -> Value {
    let mut heartbeat = quiet_heartbeat();
    heartbeat["events"] = json!([{"type": kind, "reason": reason, "message": message}]);
    heartbeat
}
