//! Probes and hooks of containers. Admission refuses them; they are known so that it can name them.

use super::super::{INT32, INT64, Schema, Structure, TEXT, always, null, omitted, pointer};

pub(super) static EXEC_ACTION: Structure = Structure {
    name: "ExecAction",
    fields: &[omitted("command", Schema::List(&TEXT))],
};

pub(super) static HTTP_HEADER: Structure = Structure {
    name: "HTTPHeader",
    fields: &[always("name", TEXT).required(), always("value", TEXT).required()],
};

pub(super) static HTTP_GET_ACTION: Structure = Structure {
    name: "HTTPGetAction",
    fields: &[
        omitted("host", TEXT),
        omitted("httpHeaders", Schema::List(&Schema::Object(&HTTP_HEADER))),
        omitted("path", TEXT),
        always("port", Schema::IntOrString).required(),
        omitted("scheme", TEXT),
    ],
};

pub(super) static TCP_SOCKET_ACTION: Structure = Structure {
    name: "TCPSocketAction",
    fields: &[
        omitted("host", TEXT),
        always("port", Schema::IntOrString).required(),
    ],
};

pub(super) static LIFECYCLE_HANDLER: Structure = Structure {
    name: "LifecycleHandler",
    fields: &[
        pointer("exec", Schema::Object(&EXEC_ACTION)),
        pointer("httpGet", Schema::Object(&HTTP_GET_ACTION)),
        pointer("tcpSocket", Schema::Object(&TCP_SOCKET_ACTION)),
    ],
};

pub(super) static LIFECYCLE: Structure = Structure {
    name: "Lifecycle",
    fields: &[
        pointer("postStart", Schema::Object(&LIFECYCLE_HANDLER)),
        pointer("preStop", Schema::Object(&LIFECYCLE_HANDLER)),
    ],
};

pub(super) static GRPC_ACTION: Structure = Structure {
    name: "GRPCAction",
    fields: &[always("port", INT32).required(), null("service", TEXT)],
};

pub(super) static PROBE: Structure = Structure {
    name: "Probe",
    fields: &[
        pointer("exec", Schema::Object(&EXEC_ACTION)),
        omitted("failureThreshold", INT32),
        pointer("grpc", Schema::Object(&GRPC_ACTION)),
        pointer("httpGet", Schema::Object(&HTTP_GET_ACTION)),
        omitted("initialDelaySeconds", INT32),
        omitted("periodSeconds", INT32),
        omitted("successThreshold", INT32),
        pointer("tcpSocket", Schema::Object(&TCP_SOCKET_ACTION)),
        pointer("terminationGracePeriodSeconds", INT64),
        omitted("timeoutSeconds", INT32),
    ],
};
