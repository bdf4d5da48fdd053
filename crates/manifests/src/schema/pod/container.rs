//! Containers: what they run, see, offer and take.

use super::{
    super::{DefaultValue, INT32, Schema, Structure, TEXT, always, omitted, pointer},
    probe::LIFECYCLE,
    probe::PROBE,
    security::SECURITY_CONTEXT,
};

pub(super) static CONFIG_MAP_KEY_SELECTOR: Structure = Structure {
    name: "ConfigMapKeySelector",
    fields: &[
        always("key", TEXT).required(),
        omitted("name", TEXT),
        pointer("optional", Schema::Boolean),
    ],
};

pub(super) static OBJECT_FIELD_SELECTOR: Structure = Structure {
    name: "ObjectFieldSelector",
    fields: &[omitted("apiVersion", TEXT), always("fieldPath", TEXT).required()],
};

pub(super) static RESOURCE_FIELD_SELECTOR: Structure = Structure {
    name: "ResourceFieldSelector",
    fields: &[
        omitted("containerName", TEXT),
        always("divisor", Schema::Quantity),
        always("resource", TEXT).required(),
    ],
};

pub(super) static SECRET_KEY_SELECTOR: Structure = Structure {
    name: "SecretKeySelector",
    fields: &[
        always("key", TEXT).required(),
        omitted("name", TEXT),
        pointer("optional", Schema::Boolean),
    ],
};

pub(super) static ENV_VAR_SOURCE: Structure = Structure {
    name: "EnvVarSource",
    fields: &[
        pointer("configMapKeyRef", Schema::Object(&CONFIG_MAP_KEY_SELECTOR)),
        pointer("fieldRef", Schema::Object(&OBJECT_FIELD_SELECTOR)),
        pointer("resourceFieldRef", Schema::Object(&RESOURCE_FIELD_SELECTOR)),
        pointer("secretKeyRef", Schema::Object(&SECRET_KEY_SELECTOR)),
    ],
};

pub(super) static ENV_VAR: Structure = Structure {
    name: "EnvVar",
    fields: &[
        always("name", TEXT).required(),
        omitted("value", TEXT),
        pointer("valueFrom", Schema::Object(&ENV_VAR_SOURCE)),
    ],
};

pub(super) static CONFIG_MAP_ENV_SOURCE: Structure = Structure {
    name: "ConfigMapEnvSource",
    fields: &[omitted("name", TEXT), pointer("optional", Schema::Boolean)],
};

pub(super) static SECRET_ENV_SOURCE: Structure = Structure {
    name: "SecretEnvSource",
    fields: &[omitted("name", TEXT), pointer("optional", Schema::Boolean)],
};

pub(super) static ENV_FROM_SOURCE: Structure = Structure {
    name: "EnvFromSource",
    fields: &[
        pointer("configMapRef", Schema::Object(&CONFIG_MAP_ENV_SOURCE)),
        omitted("prefix", TEXT),
        pointer("secretRef", Schema::Object(&SECRET_ENV_SOURCE)),
    ],
};

pub(super) static CONTAINER_PORT: Structure = Structure {
    name: "ContainerPort",
    fields: &[
        always("containerPort", INT32).required(),
        omitted("hostIP", TEXT),
        omitted("hostPort", INT32),
        omitted("name", TEXT),
        omitted("protocol", TEXT).default(DefaultValue::Text("TCP")),
    ],
};

pub(super) static RESOURCE_REQUIREMENTS: Structure = Structure {
    name: "ResourceRequirements",
    fields: &[
        omitted("limits", Schema::Map(&Schema::Quantity)),
        omitted("requests", Schema::Map(&Schema::Quantity)),
    ],
};

pub(super) static VOLUME_DEVICE: Structure = Structure {
    name: "VolumeDevice",
    fields: &[
        always("devicePath", TEXT).required(),
        always("name", TEXT).required(),
    ],
};

pub(super) static VOLUME_MOUNT: Structure = Structure {
    name: "VolumeMount",
    fields: &[
        always("mountPath", TEXT).required(),
        pointer("mountPropagation", TEXT),
        always("name", TEXT).required(),
        omitted("readOnly", Schema::Boolean),
        omitted("subPath", TEXT),
        omitted("subPathExpr", TEXT),
    ],
};

pub(super) static CONTAINER: Structure = Structure {
    name: "Container",
    fields: &[
        omitted("args", Schema::List(&TEXT)),
        omitted("command", Schema::List(&TEXT)),
        omitted("env", Schema::List(&Schema::Object(&ENV_VAR))),
        omitted("envFrom", Schema::List(&Schema::Object(&ENV_FROM_SOURCE))),
        omitted("image", TEXT),
        omitted("imagePullPolicy", TEXT),
        pointer("lifecycle", Schema::Object(&LIFECYCLE)),
        pointer("livenessProbe", Schema::Object(&PROBE)),
        always("name", TEXT).required(),
        omitted(
            "ports",
            Schema::KeyedList(&Schema::Object(&CONTAINER_PORT), &["containerPort", "protocol"]),
        ),
        pointer("readinessProbe", Schema::Object(&PROBE)),
        always("resources", Schema::Object(&RESOURCE_REQUIREMENTS)),
        pointer("securityContext", Schema::Object(&SECURITY_CONTEXT)),
        pointer("startupProbe", Schema::Object(&PROBE)),
        omitted("stdin", Schema::Boolean),
        omitted("stdinOnce", Schema::Boolean),
        omitted("terminationMessagePath", TEXT),
        omitted("terminationMessagePolicy", TEXT),
        omitted("tty", Schema::Boolean),
        omitted("volumeDevices", Schema::List(&Schema::Object(&VOLUME_DEVICE))),
        omitted("volumeMounts", Schema::List(&Schema::Object(&VOLUME_MOUNT))),
        omitted("workingDir", TEXT),
    ],
};

pub(super) static EPHEMERAL_CONTAINER: Structure = Structure {
    name: "EphemeralContainer",
    fields: &[
        omitted("args", Schema::List(&TEXT)),
        omitted("command", Schema::List(&TEXT)),
        omitted("env", Schema::List(&Schema::Object(&ENV_VAR))),
        omitted("envFrom", Schema::List(&Schema::Object(&ENV_FROM_SOURCE))),
        omitted("image", TEXT),
        omitted("imagePullPolicy", TEXT),
        pointer("lifecycle", Schema::Object(&LIFECYCLE)),
        pointer("livenessProbe", Schema::Object(&PROBE)),
        always("name", TEXT).required(),
        omitted(
            "ports",
            Schema::KeyedList(&Schema::Object(&CONTAINER_PORT), &["containerPort", "protocol"]),
        ),
        pointer("readinessProbe", Schema::Object(&PROBE)),
        always("resources", Schema::Object(&RESOURCE_REQUIREMENTS)),
        pointer("securityContext", Schema::Object(&SECURITY_CONTEXT)),
        pointer("startupProbe", Schema::Object(&PROBE)),
        omitted("stdin", Schema::Boolean),
        omitted("stdinOnce", Schema::Boolean),
        omitted("targetContainerName", TEXT),
        omitted("terminationMessagePath", TEXT),
        omitted("terminationMessagePolicy", TEXT),
        omitted("tty", Schema::Boolean),
        omitted("volumeDevices", Schema::List(&Schema::Object(&VOLUME_DEVICE))),
        omitted("volumeMounts", Schema::List(&Schema::Object(&VOLUME_MOUNT))),
        omitted("workingDir", TEXT),
    ],
};
