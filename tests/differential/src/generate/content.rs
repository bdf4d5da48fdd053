//! ConfigMaps and Secrets, and bucket claims with theirs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::{Maker, odd};

/// What there is to refer to, by purpose. An object may serve a purpose badly, in a sloppy fleet.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// ConfigMaps for pods, with their keys.
    pub(super) maps: Vec<(String, Vec<String>)>,
    /// Secrets for pods, with their keys.
    pub(super) secrets: Vec<(String, Vec<String>)>,
    pub(super) allow_lists: Vec<String>,
    pub(super) syslogs: Vec<String>,
    pub(super) s3_maps: Vec<String>,
    pub(super) s3_secrets: Vec<String>,
    pub(super) registries: Vec<String>,
    pub(super) authorities: Vec<String>,
    pub(super) claims: Vec<String>,
}

const ALLOW_LISTS: &[&str] = &[
    "names: [node_load1, up]\n",
    "names:\n- a\n- 'b c'\n",
    "names: []\n",
    "names:\n",
    "{}",
    "",
    "{\"names\": [\"json\"]}",
    "other: 1\nnames: [x, x]\n",
    "# nothing\n",
    "names: [\"1\", \"yes\"]\n",
    "---\nnames: [document]\n",
    "names: [é, \"\\u00fc\"]\n",
    "names: [1, true, 1.5, 1e3, 0x1f, 2001-01-01, yes]",
    "names: [a]\nnames: [b]\n",
    "Names: [upper]",
    "names: [null]",
    "null",
];

/// What Go makes of these is odd, or an error.
const ODD_ALLOW_LISTS: &[&str] = &[
    "names: [",
    "names: text",
    "- names",
    "text",
    "names: {a: b}",
    "\tnames: [a]",
    "names: [[a]]",
];

impl Maker<'_> {
    pub(super) fn add_contents(&mut self) {
        for index in 0..self.dice.count(1..4) {
            self.add_map(&format!("map-{index}"));
        }
        for index in 0..self.dice.count(1..4) {
            self.add_secret(&format!("secret-{index}"));
        }
        for index in 0..2 {
            self.add_allow_list(&format!("allow-{index}"));
            self.add_syslog(&format!("syslog-{index}"));
            self.add_registry(&format!("registry-{index}"));
            self.add_authority(&format!("authority-{index}"));
        }
        self.add_bucket();
        if self.dice.percent(30) {
            self.add_claim();
        }
    }

    fn map(&mut self, name: &str, data: &Map<String, Value>) -> Value {
        let mut map = self.object("v1", "ConfigMap", name);
        map["data"] = json!(data);
        map
    }

    fn secret(&mut self, name: &str, data: &Map<String, Value>) -> Value {
        let mut secret = self.object("v1", "Secret", name);
        let as_text = self.dice.percent(15);
        for (key, value) in data {
            let text = value.as_str().unwrap_or_default();
            if as_text {
                secret["stringData"][key] = json!(text);
            } else {
                secret["data"][key] = json!(STANDARD.encode(text));
            }
        }
        secret
    }

    fn add_map(&mut self, name: &str) {
        let mut data = Map::new();
        for _ in 0..self.dice.count(0..6) {
            let key = odd::key(&mut self.dice).to_owned();
            data.insert(key, json!(odd::text(&mut self.dice)));
        }
        let keys = data.keys().cloned().collect();
        let mut map = self.map(name, &data);
        if data.is_empty()
            && self.dice.percent(50)
            && let Some(map) = map.as_object_mut()
        {
            map.remove("data");
        }
        if self.dice.percent(25) {
            let bytes = [
                0,
                159,
                146,
                150,
                u8::try_from(self.dice.count(0..256)).unwrap_or_default(),
            ];
            let length = self.dice.count(0..6);
            map["binaryData"] = json!({"binary": STANDARD.encode(&bytes[..length])});
            if self.dice.percent(30) {
                let long = vec![b'x'; 100];
                map["binaryData"]["long.bin"] = json!(STANDARD.encode(long));
            }
        }
        if self.dice.percent(15) {
            map["immutable"] = json!(self.dice.percent(50));
        }
        if self.dice.percent(20) {
            map["metadata"]["labels"] = json!({"app": "x"});
            map["metadata"]["annotations"] = json!({"example.com/note": odd::text(&mut self.dice)});
        }
        self.objects.push(map);
        self.content.maps.push((name.to_owned(), keys));
    }

    fn add_secret(&mut self, name: &str) {
        let mut data = Map::new();
        for _ in 0..self.dice.count(0..5) {
            let key = odd::key(&mut self.dice).to_owned();
            data.insert(key, json!(odd::text(&mut self.dice)));
        }
        let keys = data.keys().cloned().collect();
        let mut secret = self.secret(name, &data);
        if self.dice.percent(20) {
            secret["data"]["bytes"] = json!(STANDARD.encode([0, 255, 128, 10]));
        }
        if self.dice.percent(10) {
            secret["type"] = json!("example.com/own");
        }
        if self.dice.percent(10) {
            secret["immutable"] = json!(true);
        }
        self.objects.push(secret);
        self.content.secrets.push((name.to_owned(), keys));
    }

    fn add_allow_list(&mut self, name: &str) {
        let mut data = Map::new();
        let text = if self.slip(25) {
            *self.dice.pick(ODD_ALLOW_LISTS)
        } else {
            *self.dice.pick(ALLOW_LISTS)
        };
        let key = if self.slip(8) {
            "other.yaml"
        } else {
            "metrics_list.yaml"
        };
        data.insert(key.into(), json!(text));
        let map = self.map(name, &data);
        self.objects.push(map);
        self.content.allow_lists.push(name.to_owned());
    }

    fn add_syslog(&mut self, name: &str) {
        let mut data = Map::new();
        if self.dice.percent(85) {
            data.insert(
                "Address".into(),
                json!(self.dice.pick(&["10.0.0.1:514", "", "[::1]:514"])),
            );
        }
        if self.dice.percent(70) {
            let protocol = if self.slip(15) {
                *self.dice.pick(&["TCP", "", "tls"])
            } else {
                *self.dice.pick(&["tcp", "udp"])
            };
            data.insert("Protocol".into(), json!(protocol));
        }
        if self.dice.percent(10) {
            data.insert("address".into(), json!("lower"));
        }
        let map = self.map(name, &data);
        self.objects.push(map);
        self.content.syslogs.push(name.to_owned());
    }

    fn add_registry(&mut self, name: &str) {
        let mut data = Map::new();
        if !self.slip(15) {
            let auth = *self.dice.pick(&[
                "{\"auths\":{\"r.example\":{\"auth\":\"dTpw\"}}}",
                "{\n  \"auths\": {}\n}\n",
                "",
                "not json <&> ü",
            ]);
            data.insert(".dockerconfigjson".into(), json!(auth));
        }
        data.insert("other".into(), json!("x"));
        let secret = self.secret(name, &data);
        self.objects.push(secret);
        self.content.registries.push(name.to_owned());
    }

    fn add_authority(&mut self, name: &str) {
        let mut data = Map::new();
        if !self.slip(15) {
            data.insert(
                "ca.crt".into(),
                json!("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"),
            );
        } else if self.dice.percent(50) {
            data.insert("ca.crt".into(), json!(""));
        }
        let secret = self.secret(name, &data);
        self.objects.push(secret);
        self.content.authorities.push(name.to_owned());
    }

    /// Storage failures are only logged, so that these may be wrong in a careful fleet too.
    fn add_bucket(&mut self) {
        for index in 0..2 {
            let mut data = Map::new();
            let port = if self.dice.percent(75) {
                *self.dice.pick(&["443", "9000", "0443", "65535"])
            } else {
                *self
                    .dice
                    .pick(&["", "0", "65536", "x", "+443", " 443", "4_3", "443.0"])
            };
            let fields = [
                ("BUCKET_NAME", "bucket"),
                ("BUCKET_HOST", "s3.example"),
                ("BUCKET_REGION", ""),
                ("BUCKET_PORT", port),
            ];
            for (key, value) in fields {
                if self.dice.percent(96) {
                    data.insert(key.into(), json!(value));
                }
            }
            let name = format!("bucket-{index}");
            let map = self.map(&name, &data);
            let mut keys = Map::new();
            for key in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "tls.crt"] {
                if self.dice.percent(if key == "tls.crt" { 60 } else { 96 }) {
                    keys.insert(key.into(), json!(odd::text(&mut self.dice)));
                }
            }
            let secret = self.secret(&name, &keys);
            self.objects.extend([map, secret]);
            self.content.s3_maps.push(name.clone());
            self.content.s3_secrets.push(name);
        }
    }

    fn add_claim(&mut self) {
        let name = "claim";
        let mut claim = self.object("objectbucket.io/v1alpha1", "ObjectBucketClaim", name);
        claim["spec"] =
            json!({"generateBucketName": name, "storageClassName": "openshift-storage.noobaa.io"});
        self.objects.push(claim);
        if self.dice.percent(95) {
            let mut data = Map::new();
            if self.dice.percent(90) {
                data.insert("BUCKET_NAME".into(), json!("claim-1234"));
            }
            let map = self.map(name, &data);
            self.objects.push(map);
        }
        if self.dice.percent(95) {
            let mut data = Map::new();
            for key in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
                if self.dice.percent(93) {
                    data.insert(key.into(), json!("k"));
                }
            }
            let secret = self.secret(name, &data);
            self.objects.push(secret);
        }
        self.content.claims.push(name.to_owned());
    }
}
