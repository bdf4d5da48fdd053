//! Where a pod may run.

use super::super::{INT32, INT64, Schema, Structure, TEXT, always, omitted, pointer};

pub(super) static NODE_SELECTOR_REQUIREMENT: Structure = Structure {
    name: "NodeSelectorRequirement",
    fields: &[
        always("key", TEXT).required(),
        always("operator", TEXT).required(),
        omitted("values", Schema::List(&TEXT)),
    ],
};

pub(super) static NODE_SELECTOR_TERM: Structure = Structure {
    name: "NodeSelectorTerm",
    fields: &[
        omitted(
            "matchExpressions",
            Schema::List(&Schema::Object(&NODE_SELECTOR_REQUIREMENT)),
        ),
        omitted(
            "matchFields",
            Schema::List(&Schema::Object(&NODE_SELECTOR_REQUIREMENT)),
        ),
    ],
};

pub(super) static PREFERRED_SCHEDULING_TERM: Structure = Structure {
    name: "PreferredSchedulingTerm",
    fields: &[
        always("preference", Schema::Object(&NODE_SELECTOR_TERM)).required(),
        always("weight", INT32).required(),
    ],
};

pub(super) static NODE_SELECTOR: Structure = Structure {
    name: "NodeSelector",
    fields: &[always(
        "nodeSelectorTerms",
        Schema::List(&Schema::Object(&NODE_SELECTOR_TERM)),
    )
    .required()],
};

pub(super) static NODE_AFFINITY: Structure = Structure {
    name: "NodeAffinity",
    fields: &[
        omitted(
            "preferredDuringSchedulingIgnoredDuringExecution",
            Schema::List(&Schema::Object(&PREFERRED_SCHEDULING_TERM)),
        ),
        pointer(
            "requiredDuringSchedulingIgnoredDuringExecution",
            Schema::Object(&NODE_SELECTOR),
        ),
    ],
};

pub(super) static LABEL_SELECTOR_REQUIREMENT: Structure = Structure {
    name: "LabelSelectorRequirement",
    fields: &[
        always("key", TEXT).required(),
        always("operator", TEXT).required(),
        omitted("values", Schema::List(&TEXT)),
    ],
};

pub(in crate::schema) static LABEL_SELECTOR: Structure = Structure {
    name: "LabelSelector",
    fields: &[
        omitted(
            "matchExpressions",
            Schema::List(&Schema::Object(&LABEL_SELECTOR_REQUIREMENT)),
        ),
        omitted("matchLabels", Schema::Map(&TEXT)),
    ],
};

pub(super) static POD_AFFINITY_TERM: Structure = Structure {
    name: "PodAffinityTerm",
    fields: &[
        pointer("labelSelector", Schema::Object(&LABEL_SELECTOR)),
        pointer("namespaceSelector", Schema::Object(&LABEL_SELECTOR)),
        omitted("namespaces", Schema::List(&TEXT)),
        always("topologyKey", TEXT).required(),
    ],
};

pub(super) static WEIGHTED_POD_AFFINITY_TERM: Structure = Structure {
    name: "WeightedPodAffinityTerm",
    fields: &[
        always("podAffinityTerm", Schema::Object(&POD_AFFINITY_TERM)).required(),
        always("weight", INT32).required(),
    ],
};

pub(super) static POD_AFFINITY: Structure = Structure {
    name: "PodAffinity",
    fields: &[
        omitted(
            "preferredDuringSchedulingIgnoredDuringExecution",
            Schema::List(&Schema::Object(&WEIGHTED_POD_AFFINITY_TERM)),
        ),
        omitted(
            "requiredDuringSchedulingIgnoredDuringExecution",
            Schema::List(&Schema::Object(&POD_AFFINITY_TERM)),
        ),
    ],
};

pub(super) static POD_ANTI_AFFINITY: Structure = Structure {
    name: "PodAntiAffinity",
    fields: &[
        omitted(
            "preferredDuringSchedulingIgnoredDuringExecution",
            Schema::List(&Schema::Object(&WEIGHTED_POD_AFFINITY_TERM)),
        ),
        omitted(
            "requiredDuringSchedulingIgnoredDuringExecution",
            Schema::List(&Schema::Object(&POD_AFFINITY_TERM)),
        ),
    ],
};

pub(super) static AFFINITY: Structure = Structure {
    name: "Affinity",
    fields: &[
        pointer("nodeAffinity", Schema::Object(&NODE_AFFINITY)),
        pointer("podAffinity", Schema::Object(&POD_AFFINITY)),
        pointer("podAntiAffinity", Schema::Object(&POD_ANTI_AFFINITY)),
    ],
};

pub(super) static TOLERATION: Structure = Structure {
    name: "Toleration",
    fields: &[
        omitted("effect", TEXT),
        omitted("key", TEXT),
        omitted("operator", TEXT),
        pointer("tolerationSeconds", INT64),
        omitted("value", TEXT),
    ],
};

pub(super) static TOPOLOGY_SPREAD_CONSTRAINT: Structure = Structure {
    name: "TopologySpreadConstraint",
    fields: &[
        pointer("labelSelector", Schema::Object(&LABEL_SELECTOR)),
        always("maxSkew", INT32).required(),
        always("topologyKey", TEXT).required(),
        always("whenUnsatisfiable", TEXT).required(),
    ],
};
