//! Every field set, so that every name on the wire is in a file.

use contract::*;

use crate::{golden, map, text};

#[test]
fn enrolment() {
    golden(
        "full_enrolment",
        &EnrolmentInfo {
            features: Some(Features {
                hardware: Some(hardware()),
                model_name: text("model"),
            }),
            target_namespace: Some(text("factory")),
        },
    );
}

#[test]
fn registration() {
    golden(
        "full_registration",
        &RegistrationInfo {
            certificate_request: text(
                "-----BEGIN CERTIFICATE REQUEST-----\nMIH=\n-----END CERTIFICATE REQUEST-----\n",
            ),
            hardware: Some(hardware()),
        },
    );
}

#[test]
fn heartbeat() {
    golden(
        "full_heartbeat",
        &Heartbeat {
            status: text("up"),
            version: text("1234"),
            workloads: Some(vec![
                WorkloadStatus {
                    name: text("nginx"),
                    status: text("Running"),
                    last_data_upload: "2026-10-06T13:32:29.5+02:00".parse().unwrap(),
                },
                WorkloadStatus {
                    name: text("new"),
                    status: text("Created"),
                    ..WorkloadStatus::default()
                },
            ]),
            playbook_executions: Some(vec![PlaybookExecutionStatus {
                name: text("update"),
                status: text("SuccessfullyCompleted"),
                last_data_upload: DateTime::ZERO,
            }]),
            hardware: Some(hardware()),
            events: Some(vec![EventInfo {
                r#type: text("warn"),
                reason: text("Failed"),
                message: text("cannot pull image"),
            }]),
            upgrade: Some(UpgradeStatus {
                current_commit_id: text("unknown"),
                last_upgrade_status: text("succeeded"),
                last_upgrade_time: text("2022-05-06 13:19:24 +0000 UTC"),
            }),
        },
    );
}

#[test]
fn registration_status() {
    golden(
        "full_registration_status",
        &RegistrationStatus {
            status: text(RegistrationStatus::REGISTERED),
            namespace: text("factory"),
            message: text("welcome"),
        },
    );
}

#[test]
fn error() {
    golden(
        "full_error",
        &ErrorMessage {
            message: text("there is no such device"),
        },
    );
}

#[test]
fn configuration() {
    golden(
        "full_configuration",
        &DeviceConfigurationEnvelope {
            device_configuration: DeviceConfigurationMessage {
                device_id: text("edge-1"),
                version: text("v1"),
                configuration: Some(settings()),
                workloads: vec![workload()],
                secrets: vec![Secret {
                    name: text("login"),
                    data: r#"{"user":"YWRtaW4="}"#.into(),
                }],
                workloads_monitoring_interval: 15,
            },
            message: text("for a person"),
        },
    );
}

#[test]
fn playbooks() {
    golden(
        "full_playbooks",
        &vec![PlaybookExecution {
            name: text("update"),
            ansible_playbook_string: text("- hosts: all\n  tasks: []\n"),
            last_data_upload: "2026-10-06T13:32:29Z".parse().unwrap(),
        }],
    );
}

#[test]
fn envelopes() {
    golden(
        "full_message",
        &Message {
            r#type: text("data"),
            message_id: text("3c2e"),
            response_to: text("1f0b"),
            version: 1,
            sent: "2026-10-06T13:32:29.123Z".parse().unwrap(),
            directive: text("registration"),
            metadata: Some(serde_json::json!({})),
            content: Some(serde_json::json!({ "certificate_request": "..." })),
        },
    );
    golden(
        "full_message_response",
        &MessageResponse {
            message_id: text("3c2e"),
            directive: text("registration"),
            content: Some(
                serde_json::to_value(RegistrationResponse {
                    certificate: text("-----BEGIN..."),
                })
                .unwrap(),
            ),
            metadata: Some(serde_json::json!({ "message-id": "3c2e" })),
        },
    );
    golden(
        "full_command",
        &Command {
            command: text(Command::DISCONNECT),
            arguments: None,
        },
    );
}

fn hardware() -> HardwareInfo {
    HardwareInfo {
        hostname: text("edge-1"),
        boot: Some(Boot {
            current_boot_mode: text("uefi"),
            pxe_interface: text("eth0"),
        }),
        cpu: Some(Cpu {
            architecture: text("x86_64"),
            model_name: text("Intel(R) Core(TM) i7-6820HQ CPU @ 2.70GHz"),
            count: 8,
            frequency: 3600.5,
            flags: Some(vec![text("fpu"), text("sse")]),
        }),
        memory: Some(Memory {
            physical_bytes: 17_179_869_184,
            usable_bytes: 16_000_000_000,
        }),
        system_vendor: Some(SystemVendor {
            manufacturer: text("unknown"),
            product_name: text("KVM"),
            serial_number: text("42"),
            r#virtual: true,
        }),
        disks: Some(vec![disk()]),
        gpus: Some(vec![Gpu {
            address: text("0000:00:02.0"),
            device_id: text("0116"),
            name: text("HD Graphics 3000"),
            vendor: text("Intel"),
            vendor_id: text("8086"),
        }]),
        interfaces: Some(vec![interface()]),
        host_devices: Some(vec![HostDevice {
            path: text("/dev/loop0"),
            device_type: text("block"),
            uid: 1000,
            gid: 6,
            major: 7,
            minor: 1,
        }]),
        mounts: Some(vec![mount()]),
    }
}

fn disk() -> Disk {
    Disk {
        id: text("wwn-0x5000"),
        by_id: text("/dev/disk/by-id/wwn-0x5000"),
        by_path: text("/dev/disk/by-path/pci-0000:00:17.0-ata-1"),
        drive_type: text("SSD"),
        hctl: text("0:0:0:0"),
        model: text("MODEL"),
        name: text("sda"),
        path: text("/dev/sda"),
        serial: text("S1"),
        smart: text("{}"),
        vendor: text("ATA"),
        wwn: text("0x5000"),
        size_bytes: 512_110_190_592,
        bootable: true,
        is_installation_media: true,
        io_perf: Some(IoPerf { sync_duration: 2 }),
    }
}

fn interface() -> Interface {
    Interface {
        name: text("eth0"),
        biosdevname: text("em1"),
        client_id: text("ff:00"),
        mac_address: text("52:54:00:12:34:56"),
        product: text("0x0001"),
        vendor: text("0x1af4"),
        mtu: 1500,
        speed_mbps: -1,
        has_carrier: true,
        flags: Some(vec![text("up")]),
        ipv4_addresses: Some(vec![text("192.0.2.7/24")]),
        ipv6_addresses: Some(vec![text("2001:db8::7/64")]),
    }
}

fn mount() -> Mount {
    Mount {
        device: text("/dev/sdb1"),
        directory: text("/data"),
        r#type: text("ext4"),
        options: text("(rw,relatime)"),
    }
}

fn settings() -> DeviceConfiguration {
    let allow_list = || {
        Some(MetricsAllowList {
            names: Some(vec![text("node_cpu_seconds_total")]),
        })
    };
    DeviceConfiguration {
        heartbeat: Some(HeartbeatConfiguration {
            period_seconds: 60,
            hardware_profile: Some(HardwareProfile {
                include: true,
                scope: text("delta"),
            }),
        }),
        ansible_manager: Some(AnsibleManagerConfiguration { period_seconds: 30 }),
        metrics: Some(MetricsConfiguration {
            receiver: Some(MetricsReceiverConfiguration {
                url: text("https://metrics.example/api/v1/receive"),
                request_num_samples: 30_000,
                timeout_seconds: 10,
                ca_cert: text("-----BEGIN CERTIFICATE-----\n"),
            }),
            retention: Some(MetricsRetention {
                max_mib: 200,
                max_hours: 24,
            }),
            system: Some(ComponentMetricsConfiguration {
                interval: 60,
                disabled: true,
                allow_list: allow_list(),
            }),
            data_transfer: Some(ComponentMetricsConfiguration {
                interval: 30,
                disabled: true,
                allow_list: allow_list(),
            }),
        }),
        storage: Some(StorageConfiguration {
            s3: Some(S3StorageConfiguration {
                bucket_host: text("s3.example"),
                bucket_port: 443,
                bucket_name: text("edge-1"),
                bucket_region: text("eu"),
                aws_access_key_id: "aWQ=".into(),
                aws_secret_access_key: "a2V5".into(),
                aws_ca_bundle: text("Y2E="),
            }),
        }),
        os: Some(OsInformation {
            automatically_upgrade: true,
            commit_id: text("abcd"),
            hosted_objects_url: text("https://os.example"),
        }),
        mounts: Some(vec![mount()]),
        log_collection: map([(
            "syslog",
            LogsCollectionInformation {
                kind: text("syslog"),
                buffer_size: 12,
                syslog_config: Some(SyslogConfig {
                    address: text("192.0.2.1:514"),
                    protocol: text("udp"),
                }),
            },
        )]),
    }
}

fn workload() -> Workload {
    Workload {
        name: text("nginx"),
        namespace: text("factory"),
        labels: map([("app", text("nginx"))]),
        annotations: map([("note", text("x"))]),
        specification: text("containers:\n- name: nginx\n  image: nginx\n"),
        data: Some(DataConfiguration {
            ingress: Some(vec![DataPath {
                source: text("in"),
                target: text("/in"),
            }]),
            egress: Some(vec![DataPath {
                source: text("/out"),
                target: text("out"),
            }]),
        }),
        image_registries: Some(ImageRegistries {
            auth_file: r#"{"auths":{}}"#.into(),
        }),
        metrics: Some(WorkloadMetrics {
            path: text("/metrics"),
            port: 9090,
            interval: 60,
            allow_list: Some(MetricsAllowList {
                names: Some(Vec::new()),
            }),
            containers: map([(
                "nginx",
                ContainerMetrics {
                    disabled: true,
                    path: text("/m"),
                    port: 8080,
                },
            )]),
        }),
        configmaps: vec![text("apiVersion: v1\nkind: ConfigMap\n")],
        log_collection: text("syslog"),
    }
}
