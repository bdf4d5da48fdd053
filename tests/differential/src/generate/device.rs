//! EdgeDevices, and the sections that they share with EdgeDeviceSets.

use serde_json::{Value, json};

use super::{FLOTTA, Maker, odd, selector::LABELS};

impl Maker<'_> {
    pub(super) fn device(&mut self, id: &str) -> Value {
        let mut device = self.object(FLOTTA, "EdgeDevice", id);
        let mut labels = json!({});
        for (key, values) in LABELS {
            if self.dice.percent(60) {
                labels[key] = json!(self.dice.pick(values));
            }
        }
        if !self.sets.is_empty() && self.dice.percent(45) {
            labels["flotta/member-of"] = json!(self.dice.pick(&self.sets));
        } else if self.dice.percent(5) {
            labels["flotta/member-of"] = json!("no-such-set");
        }
        device["metadata"]["labels"] = labels;
        if self.dice.percent(85) {
            device["spec"] = self.device_spec();
        }
        if self.dice.percent(12) {
            let claims = self.content.claims.clone();
            device["status"] = json!({"dataObc": self.reference(&claims)});
        }
        device
    }

    /// Values that are their own label.
    pub(super) fn hardware(&mut self, index: usize) -> Value {
        let mut hardware = json!({
            "hostname": format!("host-{index}"),
            "disks": null, "gpus": null, "host_devices": null, "interfaces": null, "mounts": null,
        });
        if self.dice.percent(60) {
            let architecture = *self.dice.pick(&["x86_64", "aarch64"]);
            hardware["cpu"] = json!({"architecture": architecture, "model_name": "a53", "flags": []});
        }
        if self.dice.percent(40) {
            hardware["system_vendor"] =
                json!({"manufacturer": "acme", "product_name": "box", "serial_number": format!("s{index}")});
        }
        hardware
    }

    /// The spec of a device or of a set.
    pub(super) fn device_spec(&mut self) -> Value {
        let mut spec = json!({});
        if self.dice.percent(50) {
            spec["heartbeat"] = self.heartbeat();
        }
        if self.dice.percent(30) {
            spec["osInformation"] = self.some(&[
                ("automaticallyUpgrade", json!([true, false])),
                ("commitID", json!(["", "0123abc"])),
                ("hostedObjectsURL", json!(["", "https://os.example/<a>&b"])),
            ]);
        }
        if self.dice.percent(30) {
            let mounts: Vec<Value> = (0..self.dice.count(0..3)).map(|_| self.mount()).collect();
            spec["mounts"] = json!(mounts);
        }
        if self.dice.percent(30) {
            spec["storage"] = self.storage();
        }
        if self.dice.percent(40) {
            spec["metrics"] = self.device_metrics();
        }
        if self.dice.percent(25) {
            spec["logCollection"] = self.log_collection();
        }
        spec
    }

    /// Some of these fields, each with one of its values.
    fn some(&mut self, fields: &[(&str, Value)]) -> Value {
        let mut object = json!({});
        for (name, values) in fields {
            let values = values.as_array().map_or(&[][..], Vec::as_slice);
            if self.dice.percent(50) && !values.is_empty() {
                object[*name] = self.dice.pick(values).clone();
            }
        }
        object
    }

    fn heartbeat(&mut self) -> Value {
        let mut heartbeat = self.some(&[("periodSeconds", json!([1, 15, 60, 3600]))]);
        if self.dice.percent(60) {
            heartbeat["hardwareProfile"] = self.some(&[
                ("include", json!([true, false])),
                ("scope", json!(["full", "delta", "", "Other"])),
            ]);
        }
        heartbeat
    }

    fn mount(&mut self) -> Value {
        self.some(&[
            ("device", json!(["/dev/sdb1", "/dev/sdc"])),
            ("folder", json!(["/var/data", "/mnt/x y"])),
            ("type", json!(["ext4", "xfs", ""])),
            ("options", json!(["ro,noatime", ""])),
        ])
    }

    fn storage(&mut self) -> Value {
        if self.dice.percent(10) {
            return json!({});
        }
        let mut s3 = json!({});
        if self.dice.percent(15) {
            s3["createOBC"] = json!(self.dice.percent(70));
            return json!({"s3": s3});
        }
        let (maps, secrets) = (self.content.s3_maps.clone(), self.content.s3_secrets.clone());
        if self.dice.percent(93) {
            s3["configMapName"] = json!(self.reference(&maps));
        }
        if self.dice.percent(93) {
            s3["secretName"] = json!(self.reference(&secrets));
        }
        json!({"s3": s3})
    }

    fn device_metrics(&mut self) -> Value {
        let mut metrics = json!({});
        if self.dice.percent(30) {
            metrics["retention"] = self.some(&[("maxMiB", json!([0, 1, 200])), ("maxHours", json!([0, 24]))]);
        }
        for section in ["system", "dataTransfer"] {
            if self.dice.percent(35) {
                metrics[section] = self.some(&[
                    ("interval", json!([0, 1, 60, 3600])),
                    ("disabled", json!([true, false])),
                ]);
                if self.dice.percent(50) {
                    metrics[section]["allowList"] = self.allow_list();
                }
            }
        }
        if self.dice.percent(40) {
            let mut receiver = self.some(&[
                ("requestNumSamples", json!([0, -1, 1, 10000])),
                ("timeoutSeconds", json!([0, -5, 30])),
                (
                    "url",
                    json!([
                        "",
                        "http://m.example/w",
                        "https://m.example/w?a=1&b=2",
                        "httpsx",
                        "HTTPS://M"
                    ]),
                ),
            ]);
            if self.dice.percent(50) {
                let authorities = self.content.authorities.clone();
                receiver["caSecretName"] = json!(self.reference(&authorities));
            }
            metrics["receiverConfiguration"] = receiver;
        }
        metrics
    }

    /// A reference to an allow list.
    pub(super) fn allow_list(&mut self) -> Value {
        let lists = self.content.allow_lists.clone();
        json!({"name": self.reference(&lists)})
    }

    /// Keys are free text; every entry has a target, since one without crashes the agent.
    fn log_collection(&mut self) -> Value {
        let mut entries = json!({});
        for _ in 0..self.dice.count(0..3) {
            let key = if self.dice.percent(70) {
                "central".to_owned()
            } else {
                odd::text(&mut self.dice)
            };
            let mut entry = self.some(&[("bufferSize", json!([1, 12, 100]))]);
            entry["kind"] = json!("syslog");
            let targets = self.content.syslogs.clone();
            entry["syslogConfig"] = json!({"name": self.reference(&targets)});
            entries[key] = entry;
        }
        entries
    }
}
