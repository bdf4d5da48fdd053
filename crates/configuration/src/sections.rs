//! What a device is beside its workloads: the six sections that its set decides, or it does.

use std::collections::BTreeMap;

use contract::{
    ComponentMetricsConfiguration, DeviceConfiguration, HardwareProfile, HeartbeatConfiguration,
    LogsCollectionInformation, MetricsConfiguration, MetricsReceiverConfiguration, MetricsRetention, Mount,
    OsInformation, SyslogConfig,
};
use manifests::kinds::{self, DeviceSettings, LogCollection};

use crate::{
    fault::Trouble,
    lookup::{Objects, decoded},
    render::allow_list,
};

/// Flotta's period of heartbeats where no section says one, in seconds.
const HEARTBEAT_PERIOD: i64 = 60;
/// Flotta's default number of samples in one request to a metrics receiver.
const REQUEST_NUM_SAMPLES: i64 = 30_000;
/// Flotta's default timeout of a request to a metrics receiver, in seconds.
const RECEIVER_TIMEOUT: i64 = 10;
/// Key of a receiver's CA certificates.
const CA: &str = "ca.crt";
/// Keys of a syslog target; Flotta writes them with a capital.
const ADDRESS: &str = "Address";
const PROTOCOL: &str = "Protocol";

/// Everything but storage. `heartbeat.hardware_profile` and `mounts` are always there: the agent
/// crashes without the one and takes absence of the other for a change.
pub(crate) fn of(
    settings: &DeviceSettings,
    namespace: &str,
    objects: &Objects,
) -> Result<DeviceConfiguration, Trouble> {
    Ok(DeviceConfiguration {
        heartbeat: Some(heartbeat(settings.heartbeat.as_ref())),
        ansible_manager: None,
        metrics: Some(metrics(settings.metrics.as_ref(), namespace, objects)?),
        storage: None,
        os: settings.os_information.as_ref().map(os),
        mounts: Some(settings.mounts.iter().flatten().flatten().map(mount).collect()),
        log_collection: log_collection(settings.log_collection.as_ref(), namespace, objects)?,
    })
}

fn heartbeat(heartbeat: Option<&kinds::Heartbeat>) -> HeartbeatConfiguration {
    let profile = heartbeat.and_then(|heartbeat| heartbeat.hardware_profile.as_ref());
    HeartbeatConfiguration {
        period_seconds: heartbeat.map_or(HEARTBEAT_PERIOD, |heartbeat| heartbeat.period_seconds),
        hardware_profile: Some(
            profile.map_or_else(HardwareProfile::default, |profile| HardwareProfile {
                include: profile.include,
                scope: profile.scope.clone(),
            }),
        ),
    }
}

fn os(os: &kinds::OsInformation) -> OsInformation {
    OsInformation {
        automatically_upgrade: os.automatically_upgrade,
        commit_id: os.commit_id.clone(),
        hosted_objects_url: os.hosted_objects_url.clone(),
    }
}

fn mount(mount: &kinds::Mount) -> Mount {
    Mount {
        device: mount.device.clone(),
        directory: mount.folder.clone(),
        r#type: mount.r#type.clone(),
        options: mount.options.clone(),
    }
}

fn metrics(
    metrics: Option<&kinds::Metrics>,
    namespace: &str,
    objects: &Objects,
) -> Result<MetricsConfiguration, Trouble> {
    let receiver = metrics.and_then(|metrics| metrics.receiver_configuration.as_ref());
    let component = |component: Option<&kinds::ComponentMetrics>| {
        component
            .map(|component| {
                Ok(ComponentMetricsConfiguration {
                    interval: component.interval,
                    disabled: component.disabled,
                    allow_list: allow_list(component.allow_list.as_ref(), namespace, objects)?,
                })
            })
            .transpose()
    };
    let retention = metrics.and_then(|metrics| metrics.retention.as_ref());
    Ok(MetricsConfiguration {
        receiver: Some(self::receiver(receiver, namespace, objects)?),
        retention: retention.map(|retention| MetricsRetention {
            max_mib: retention.max_mib,
            max_hours: retention.max_hours,
        }),
        system: component(metrics.and_then(|metrics| metrics.system.as_ref()))?,
        data_transfer: component(metrics.and_then(|metrics| metrics.data_transfer.as_ref()))?,
    })
}

fn receiver(
    receiver: Option<&kinds::MetricsReceiver>,
    namespace: &str,
    objects: &Objects,
) -> Result<MetricsReceiverConfiguration, Trouble> {
    let positive = |number: Option<i64>, default| number.filter(|number| *number > 0).unwrap_or(default);
    let url = receiver.map(|receiver| receiver.url.clone()).unwrap_or_default();
    let ca = receiver
        .map(|receiver| receiver.ca_secret_name.as_str())
        .filter(|name| !name.is_empty() && url.starts_with("https"));
    let ca_cert = match ca {
        Some(name) => {
            let place = format!("{namespace}/{name}");
            let text = decoded(&objects.secret(namespace, name)?, &place, CA)?;
            if text.is_empty() {
                return Err(Trouble::new(
                    "SecretKeyEmpty",
                    format!(
                        "key {CA} of Secret {place} is empty; it has to hold the receiver's CA certificates"
                    ),
                ));
            }
            text
        }
        None => String::new(),
    };
    Ok(MetricsReceiverConfiguration {
        url,
        request_num_samples: positive(
            receiver.map(|receiver| receiver.request_num_samples),
            REQUEST_NUM_SAMPLES,
        ),
        timeout_seconds: positive(
            receiver.map(|receiver| receiver.timeout_seconds),
            RECEIVER_TIMEOUT,
        ),
        ca_cert,
    })
}

fn log_collection(
    targets: Option<&BTreeMap<String, LogCollection>>,
    namespace: &str,
    objects: &Objects,
) -> Result<BTreeMap<String, LogsCollectionInformation>, Trouble> {
    let target = |(name, target): (&String, &LogCollection)| {
        let syslog_config = match &target.syslog_config {
            Some(reference) => Some(syslog(&reference.name, namespace, objects)?),
            // The agent would crash on it, again and again.
            None if target.kind == "syslog" => {
                return Err(Trouble::new(
                    "SyslogTargetMissing",
                    format!("logCollection.{name} is of kind syslog and has no syslogConfig"),
                ));
            }
            None => None,
        };
        let target = LogsCollectionInformation {
            kind: target.kind.clone(),
            buffer_size: target.buffer_size,
            syslog_config,
        };
        Ok((name.clone(), target))
    };
    targets.into_iter().flatten().map(target).collect()
}

fn syslog(name: &str, namespace: &str, objects: &Objects) -> Result<SyslogConfig, Trouble> {
    let map = objects.config_map(namespace, name)?;
    let text = |key: &str| map.data.as_ref().and_then(|data| data.get(key)).cloned();
    let protocol = text(PROTOCOL).unwrap_or_else(|| "tcp".to_owned());
    if protocol != "tcp" && protocol != "udp" {
        return Err(Trouble::new(
            "SyslogProtocolInvalid",
            format!("{PROTOCOL} of ConfigMap {namespace}/{name} is {protocol:?}; it can be tcp or udp"),
        ));
    }
    Ok(SyslogConfig {
        address: text(ADDRESS).unwrap_or_default(),
        protocol,
    })
}
