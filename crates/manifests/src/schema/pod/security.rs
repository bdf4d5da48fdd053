//! What a pod and its containers may do.

use super::super::{INT64, Schema, Structure, TEXT, always, omitted, pointer};

pub(super) static CAPABILITIES: Structure = Structure {
    name: "Capabilities",
    fields: &[
        omitted("add", Schema::List(&TEXT)),
        omitted("drop", Schema::List(&TEXT)),
    ],
};

pub(super) static SE_LINUX_OPTIONS: Structure = Structure {
    name: "SELinuxOptions",
    fields: &[
        omitted("level", TEXT),
        omitted("role", TEXT),
        omitted("type", TEXT),
        omitted("user", TEXT),
    ],
};

pub(super) static SECCOMP_PROFILE: Structure = Structure {
    name: "SeccompProfile",
    fields: &[pointer("localhostProfile", TEXT), always("type", TEXT).required()],
};

pub(super) static WINDOWS_SECURITY_CONTEXT_OPTIONS: Structure = Structure {
    name: "WindowsSecurityContextOptions",
    fields: &[
        pointer("gmsaCredentialSpec", TEXT),
        pointer("gmsaCredentialSpecName", TEXT),
        pointer("hostProcess", Schema::Boolean),
        pointer("runAsUserName", TEXT),
    ],
};

pub(super) static SECURITY_CONTEXT: Structure = Structure {
    name: "SecurityContext",
    fields: &[
        pointer("allowPrivilegeEscalation", Schema::Boolean),
        pointer("capabilities", Schema::Object(&CAPABILITIES)),
        pointer("privileged", Schema::Boolean),
        pointer("procMount", TEXT),
        pointer("readOnlyRootFilesystem", Schema::Boolean),
        pointer("runAsGroup", INT64),
        pointer("runAsNonRoot", Schema::Boolean),
        pointer("runAsUser", INT64),
        pointer("seLinuxOptions", Schema::Object(&SE_LINUX_OPTIONS)),
        pointer("seccompProfile", Schema::Object(&SECCOMP_PROFILE)),
        pointer(
            "windowsOptions",
            Schema::Object(&WINDOWS_SECURITY_CONTEXT_OPTIONS),
        ),
    ],
};

pub(super) static SYSCTL: Structure = Structure {
    name: "Sysctl",
    fields: &[always("name", TEXT).required(), always("value", TEXT).required()],
};

pub(super) static POD_SECURITY_CONTEXT: Structure = Structure {
    name: "PodSecurityContext",
    fields: &[
        pointer("fsGroup", INT64),
        pointer("fsGroupChangePolicy", TEXT),
        pointer("runAsGroup", INT64),
        pointer("runAsNonRoot", Schema::Boolean),
        pointer("runAsUser", INT64),
        pointer("seLinuxOptions", Schema::Object(&SE_LINUX_OPTIONS)),
        pointer("seccompProfile", Schema::Object(&SECCOMP_PROFILE)),
        omitted("supplementalGroups", Schema::List(&INT64)),
        omitted("sysctls", Schema::List(&Schema::Object(&SYSCTL))),
        pointer(
            "windowsOptions",
            Schema::Object(&WINDOWS_SECURITY_CONTEXT_OPTIONS),
        ),
    ],
};
