//! One simulated device: the steps of yggdrasil and the Flotta agent, as they reach the server
//! through an Edge API.
//!
//! Quicker than a real one where that makes a first look nicer: it enrols every 5 s instead of 10
//! and reports every 10 s instead of 60.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use testkit::caller::Caller;
use testkit::device::{hardware, quiet_heartbeat};
use testkit::http_client::Answer;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::record::{Record, Stage};
use crate::server::Administrator;

/// Both polls of a running device.
const POLL_EVERY: Duration = Duration::from_secs(5);
/// More than the span in which the server takes the same heartbeat for a copy.
const REPORT_EVERY: Duration = Duration::from_secs(10);
/// What is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// When a device that was told to disconnect is restarted: after the silence by which a server
/// recognises a restart.
const RESTART_AFTER: Duration = Duration::from_secs(35);
/// The reason of the event in each report.
pub(crate) const REPORT_REASON: &str = "SelfTest";

/// What the example tells with a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Story {
    /// It joins and runs.
    Ordinary,
    /// At the first start an administrator removes it once it runs; it comes back and waits for a
    /// person.
    Removed,
    /// It believes to be enrolled, and the store does not know it.
    Unknown,
}

/// Counts over all devices.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Requests that were answered, whatever the answer.
    pub(crate) answered: AtomicU64,
    /// Requests without an answer.
    pub(crate) unanswered: AtomicU64,
}

/// A device and its way to the server.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) record: Record,
    pub(crate) story: Story,
    pub(crate) caller: Caller,
    pub(crate) administrator: Administrator,
    pub(crate) counts: Arc<Counts>,
    next_report: Instant,
    without_configuration: bool,
    /// Names of its workloads.
    runs: Vec<String>,
    said: String,
}

impl Device {
    pub(crate) fn new(
        record: Record,
        story: Story,
        caller: Caller,
        administrator: Administrator,
        counts: Arc<Counts>,
    ) -> Self {
        let next_report = Instant::now() + REPORT_EVERY;
        Self {
            record,
            story,
            caller,
            administrator,
            counts,
            next_report,
            without_configuration: false,
            runs: Vec::new(),
            said: String::new(),
        }
    }

    /// Lives until told to stop; the step under way is finished. Returns its record.
    pub(crate) async fn live(mut self, mut stop: watch::Receiver<bool>) -> Result<Record> {
        loop {
            let pause = match self.step().await {
                Ok(pause) => pause,
                Err(error) => {
                    self.counts.unanswered.fetch_add(1, Ordering::Relaxed);
                    self.say(&format!("got no usable answer and will try again ({error:#})"));
                    RETRY
                }
            };
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.record.save()?;
        Ok(self.record)
    }

    /// Does what comes next and says how long to wait afterwards.
    async fn step(&mut self) -> Result<Duration> {
        match self.record.stage {
            Stage::Enrolling => self.enrol().await,
            Stage::Registering => self.register().await,
            Stage::Running => self.run().await,
            Stage::Disconnected => {
                self.say("its daemon is restarted: it wants to join again");
                self.enter(Stage::Enrolling)?;
                Ok(Duration::ZERO)
            }
        }
    }

    async fn enrol(&mut self) -> Result<Duration> {
        let wants = self.record.wants.clone();
        let body = json!({"features": {"hardware": hardware(&self.record.id)}, "target_namespace": wants});
        let answer = self.caller.enrol(&wants, &self.record.id, &body).await;
        let answer = self.answered(answer)?;
        match answer.status {
            200 => {
                self.say("is approved and registers");
                self.enter(Stage::Registering)?;
                Ok(Duration::ZERO)
            }
            201 if self.said.is_empty() => {
                self.say("enrols; its request is recorded and it asks again");
                Ok(Duration::from_secs(1))
            }
            201 => {
                self.say("waits for approval");
                Ok(RETRY)
            }
            _ => unexpected("the enrolment", &answer),
        }
    }

    async fn register(&mut self) -> Result<Duration> {
        let asked = self
            .record
            .namespace
            .clone()
            .unwrap_or_else(|| "default".to_owned());
        let answer = self.caller.registration_status(&asked, &self.record.id).await;
        let status = self.answered(answer)?.json()?;
        let namespace = status["namespace"]
            .as_str()
            .context("a status names a namespace")?
            .to_owned();

        let request = self.record.key()?.certificate_request(&self.record.id)?;
        let body = json!({"hardware": hardware(&self.record.id), "certificate_request": request});
        let answer = self.caller.register(&namespace, &self.record.id, &body).await;
        let answer = self.answered(answer)?;
        if answer.status != 200 {
            return unexpected("the registration", &answer);
        }
        self.say(&format!(
            "has its certificate for namespace {namespace}; it polls and reports from now on"
        ));
        self.record.namespace = Some(namespace);
        self.record.registered = true;
        self.enter(Stage::Running)?;
        Ok(Duration::ZERO)
    }

    async fn run(&mut self) -> Result<Duration> {
        let namespace = self
            .record
            .namespace
            .clone()
            .unwrap_or_else(|| "default".to_owned());
        let answer = self.caller.registration_status(&namespace, &self.record.id).await;
        let status = self.answered(answer)?;
        if status.status == 200 && status.json()?["status"] == "unregistered" {
            return self.disconnect();
        }
        let answer = self.caller.configuration(&namespace, &self.record.id).await;
        let configuration = self.answered(answer)?;
        match configuration.status {
            200 if self.story == Story::Removed => return self.be_removed().await,
            200 => {
                let released = std::mem::take(&mut self.without_configuration);
                self.apply(&configuration.json()?["device-configuration"], released);
            }
            409 => {
                self.without_configuration = true;
                self.say("was adopted and goes on with what it has until its configuration is released");
            }
            _ => {
                self.without_configuration = true;
                self.say(&format!(
                    "runs and is refused on every call: {}",
                    message(&configuration)
                ));
                return Ok(POLL_EVERY);
            }
        }
        if Instant::now() >= self.next_report {
            self.report(&namespace, &configuration).await?;
        }
        Ok(POLL_EVERY)
    }

    /// Takes a configuration over, as the agent does: what it lists runs, and nothing else.
    fn apply(&mut self, configuration: &Value, released: bool) {
        let workloads = configuration["workloads"].as_array().into_iter().flatten();
        let runs: Vec<String> = workloads
            .filter_map(|workload| workload["name"].as_str().map(str::to_owned))
            .collect();
        if released || runs != self.runs {
            let list = if runs.is_empty() {
                "no workload".to_owned()
            } else {
                runs.join(", ")
            };
            self.say(&format!("gets its configuration and runs {list}"));
        }
        self.runs = runs;
    }

    /// Runs the playbooks that it is offered; each once, as long as the device is not started anew.
    async fn play(&mut self, namespace: &str) -> Result<()> {
        let answer = self.caller.playbooks(namespace, &self.record.id).await;
        let answer = self.answered(answer)?;
        if answer.status != 200 {
            return Ok(());
        }
        for offered in answer.json()?.as_array().into_iter().flatten() {
            let name = offered["name"].as_str().unwrap_or_default().to_owned();
            if !self.record.played.contains(&name) {
                self.say(&format!("runs playbook {name}"));
                self.record.played.push(name);
            }
        }
        Ok(())
    }

    async fn report(&mut self, namespace: &str, configuration: &Answer) -> Result<()> {
        let mut beat = quiet_heartbeat();
        beat["events"] =
            json!([{"type": "info", "reason": REPORT_REASON, "message": "the self-test passed"}]);
        if configuration.status == 200 {
            beat["version"] = configuration.json()?["device-configuration"]["version"].clone();
            beat["workloads"] = self.runs.iter().map(|name| entry(name, "Running")).collect();
        }
        self.play(namespace).await?;
        if !self.record.played.is_empty() {
            beat["playbook-executions"] = self
                .record
                .played
                .iter()
                .map(|name| entry(name, "SuccessfullyCompleted"))
                .collect();
        }
        let answer = self.caller.heartbeat(namespace, &self.record.id, &beat).await;
        let answer = self.answered(answer)?;
        if answer.status != 200 {
            return unexpected("the heartbeat", &answer);
        }
        self.next_report = Instant::now() + REPORT_EVERY;
        self.record.reports += 1;
        self.record.reported = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        self.record.save()
    }

    /// The server has said that the device was deleted.
    fn disconnect(&mut self) -> Result<Duration> {
        self.say("was deleted and told to disconnect: it removes its workloads and falls silent");
        self.enter(Stage::Disconnected)?;
        Ok(RESTART_AFTER)
    }

    /// The story of [`Story::Removed`], up to the point where the device wants to join again.
    async fn be_removed(&mut self) -> Result<Duration> {
        self.story = Story::Ordinary;
        let (administrator, id) = (self.administrator.clone(), self.record.id.clone());
        tokio::task::spawn_blocking(move || administrator.device(&["delete", &id])).await??;
        let namespace = self.record.namespace.clone().unwrap_or_default();
        let answer = self.caller.registration_status(&namespace, &self.record.id).await;
        if self.answered(answer)?.json()?["status"] != "unregistered" {
            bail!("it was deleted and not told so");
        }
        self.say("was removed by an administrator, was told to disconnect, and comes back");
        self.enter(Stage::Enrolling)?;
        Ok(Duration::ZERO)
    }

    fn enter(&mut self, stage: Stage) -> Result<()> {
        self.record.stage = stage;
        self.record.save()
    }

    fn answered(&self, answer: Result<Answer>) -> Result<Answer> {
        let answer = answer?;
        self.counts.answered.fetch_add(1, Ordering::Relaxed);
        Ok(answer)
    }

    /// Says something about the device, unless it was the last thing said.
    fn say(&mut self, text: &str) {
        if self.said != text {
            println!("  {:<13} {text}", self.record.id);
            text.clone_into(&mut self.said);
        }
    }
}

/// A workload or playbook in a heartbeat.
fn entry(name: &str, status: &str) -> Value {
    json!({"name": name, "status": status, "last_data_upload": "0001-01-01T00:00:00.000Z"})
}

fn message(answer: &Answer) -> String {
    let body = answer.json().unwrap_or(Value::Null);
    let said = body["message"].as_str().unwrap_or("no reason given");
    format!("{} {said}", answer.status)
}

fn unexpected<T>(what: &str, answer: &Answer) -> Result<T> {
    bail!("{what} was answered {}", message(answer))
}
