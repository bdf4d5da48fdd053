//! EdgeConfig and PlaybookExecution.

use super::structure;
use crate::schema::{INT64, Schema, Structure, TEXT, pointer};

structure!(pub(super) EDGE_CONFIG, "EdgeConfig",
    [
        pointer("spec", Schema::Object(&EDGE_CONFIG_SPEC)),
        pointer("status", Schema::Ignored),
    ]
);

structure!(
    EDGE_CONFIG_SPEC,
    "EdgeConfigSpec",
    [pointer("edgePlaybook", Schema::Object(&EDGE_PLAYBOOK)),]
);

structure!(
    EDGE_PLAYBOOK,
    "EdgePlaybookSpec",
    [
        pointer("playbooks", Schema::NonEmptyList(&Schema::Object(&PLAYBOOK))),
        pointer("user", TEXT),
    ]
);

structure!(
    PLAYBOOK,
    "Playbook",
    [
        pointer("ansibleOptions", Schema::Object(&ANSIBLE_OPTIONS)),
        pointer("content", Schema::Base64).required(),
        pointer("executionStrategy", TEXT),
        pointer(
            "privilegeEscalationOptions",
            Schema::Object(&PRIVILEGE_ESCALATION)
        ),
        pointer("requiredPrivilegeLevel", Schema::Object(&PRIVILEGE_LEVEL)),
        pointer("timeoutSeconds", INT64),
    ]
);

structure!(
    ANSIBLE_OPTIONS,
    "AnsibleOptions",
    [pointer("check", Schema::Boolean)]
);

structure!(
    PRIVILEGE_ESCALATION,
    "PrivilegeEscalationOptions",
    [
        pointer("become", Schema::Boolean),
        pointer("becomeMethod", Schema::Text(&["sudo", "su"])),
        pointer("becomeUser", TEXT),
    ]
);

structure!(
    PRIVILEGE_LEVEL,
    "RequiredPrivilegeLevel",
    [
        pointer("capAdd", Schema::List(&INT64)),
        pointer("capDrop", Schema::List(&INT64)),
    ]
);

structure!(pub(super) PLAYBOOK_EXECUTION, "PlaybookExecution",
    [
        pointer("spec", Schema::Object(&PLAYBOOK_EXECUTION_SPEC)),
        pointer("status", Schema::Ignored),
    ]
);

structure!(
    PLAYBOOK_EXECUTION_SPEC,
    "PlaybookExecutionSpec",
    [
        pointer("executionAttempt", Schema::Integer(0, i64::MAX)),
        pointer("playbook", Schema::Object(&PLAYBOOK)),
    ]
);
