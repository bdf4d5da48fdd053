//! Volumes. Admission lets through only those of a path of the host.

use super::{
    super::{INT32, INT64, Schema, Structure, TEXT, always, null, omitted, pointer},
    LOCAL_OBJECT_REFERENCE,
    affinity::LABEL_SELECTOR,
    cloud::AWS_ELASTIC_BLOCK_STORE_VOLUME_SOURCE,
    cloud::AZURE_DISK_VOLUME_SOURCE,
    cloud::AZURE_FILE_VOLUME_SOURCE,
    cloud::CEPH_FS_VOLUME_SOURCE,
    cloud::CINDER_VOLUME_SOURCE,
    cloud::FC_VOLUME_SOURCE,
    cloud::FLEX_VOLUME_SOURCE,
    cloud::FLOCKER_VOLUME_SOURCE,
    cloud::GCE_PERSISTENT_DISK_VOLUME_SOURCE,
    cloud::GLUSTERFS_VOLUME_SOURCE,
    cloud::ISCSI_VOLUME_SOURCE,
    cloud::PHOTON_PERSISTENT_DISK_VOLUME_SOURCE,
    cloud::PORTWORX_VOLUME_SOURCE,
    cloud::QUOBYTE_VOLUME_SOURCE,
    cloud::RBD_VOLUME_SOURCE,
    cloud::SCALE_IO_VOLUME_SOURCE,
    cloud::STORAGE_OS_VOLUME_SOURCE,
    cloud::VSPHERE_VIRTUAL_DISK_VOLUME_SOURCE,
    container::OBJECT_FIELD_SELECTOR,
    container::RESOURCE_FIELD_SELECTOR,
    container::RESOURCE_REQUIREMENTS,
};

pub(super) static KEY_TO_PATH: Structure = Structure {
    name: "KeyToPath",
    fields: &[
        always("key", TEXT).required(),
        pointer("mode", INT32),
        always("path", TEXT).required(),
    ],
};

pub(super) static CONFIG_MAP_VOLUME_SOURCE: Structure = Structure {
    name: "ConfigMapVolumeSource",
    fields: &[
        pointer("defaultMode", INT32),
        omitted("items", Schema::List(&Schema::Object(&KEY_TO_PATH))),
        omitted("name", TEXT),
        pointer("optional", Schema::Boolean),
    ],
};

pub(super) static CSI_VOLUME_SOURCE: Structure = Structure {
    name: "CSIVolumeSource",
    fields: &[
        always("driver", TEXT).required(),
        pointer("fsType", TEXT),
        pointer("nodePublishSecretRef", Schema::Object(&LOCAL_OBJECT_REFERENCE)),
        pointer("readOnly", Schema::Boolean),
        omitted("volumeAttributes", Schema::Map(&TEXT)),
    ],
};

pub(super) static DOWNWARD_API_VOLUME_FILE: Structure = Structure {
    name: "DownwardAPIVolumeFile",
    fields: &[
        pointer("fieldRef", Schema::Object(&OBJECT_FIELD_SELECTOR)),
        pointer("mode", INT32),
        always("path", TEXT).required(),
        pointer("resourceFieldRef", Schema::Object(&RESOURCE_FIELD_SELECTOR)),
    ],
};

pub(super) static DOWNWARD_API_VOLUME_SOURCE: Structure = Structure {
    name: "DownwardAPIVolumeSource",
    fields: &[
        pointer("defaultMode", INT32),
        omitted("items", Schema::List(&Schema::Object(&DOWNWARD_API_VOLUME_FILE))),
    ],
};

pub(super) static EMPTY_DIR_VOLUME_SOURCE: Structure = Structure {
    name: "EmptyDirVolumeSource",
    fields: &[omitted("medium", TEXT), pointer("sizeLimit", Schema::Quantity)],
};

pub(super) static EMPTY_OBJECT_META: Structure = Structure {
    name: "EmptyObjectMeta",
    fields: &[],
};

pub(super) static TYPED_LOCAL_OBJECT_REFERENCE: Structure = Structure {
    name: "TypedLocalObjectReference",
    fields: &[
        null("apiGroup", TEXT),
        always("kind", TEXT).required(),
        always("name", TEXT).required(),
    ],
};

pub(super) static PERSISTENT_VOLUME_CLAIM_SPEC: Structure = Structure {
    name: "PersistentVolumeClaimSpec",
    fields: &[
        omitted("accessModes", Schema::List(&TEXT)),
        pointer("dataSource", Schema::Object(&TYPED_LOCAL_OBJECT_REFERENCE)),
        pointer("dataSourceRef", Schema::Object(&TYPED_LOCAL_OBJECT_REFERENCE)),
        always("resources", Schema::Object(&RESOURCE_REQUIREMENTS)),
        pointer("selector", Schema::Object(&LABEL_SELECTOR)),
        pointer("storageClassName", TEXT),
        pointer("volumeMode", TEXT),
        omitted("volumeName", TEXT),
    ],
};

pub(super) static PERSISTENT_VOLUME_CLAIM_TEMPLATE: Structure = Structure {
    name: "PersistentVolumeClaimTemplate",
    fields: &[
        always("metadata", Schema::Object(&EMPTY_OBJECT_META)),
        always("spec", Schema::Object(&PERSISTENT_VOLUME_CLAIM_SPEC)).required(),
    ],
};

pub(super) static EPHEMERAL_VOLUME_SOURCE: Structure = Structure {
    name: "EphemeralVolumeSource",
    fields: &[pointer(
        "volumeClaimTemplate",
        Schema::Object(&PERSISTENT_VOLUME_CLAIM_TEMPLATE),
    )],
};

pub(super) static GIT_REPO_VOLUME_SOURCE: Structure = Structure {
    name: "GitRepoVolumeSource",
    fields: &[
        omitted("directory", TEXT),
        always("repository", TEXT).required(),
        omitted("revision", TEXT),
    ],
};

pub(super) static HOST_PATH_VOLUME_SOURCE: Structure = Structure {
    name: "HostPathVolumeSource",
    fields: &[always("path", TEXT).required(), pointer("type", TEXT)],
};

pub(super) static NFS_VOLUME_SOURCE: Structure = Structure {
    name: "NFSVolumeSource",
    fields: &[
        always("path", TEXT).required(),
        omitted("readOnly", Schema::Boolean),
        always("server", TEXT).required(),
    ],
};

pub(super) static PERSISTENT_VOLUME_CLAIM_VOLUME_SOURCE: Structure = Structure {
    name: "PersistentVolumeClaimVolumeSource",
    fields: &[
        always("claimName", TEXT).required(),
        omitted("readOnly", Schema::Boolean),
    ],
};

pub(super) static CONFIG_MAP_PROJECTION: Structure = Structure {
    name: "ConfigMapProjection",
    fields: &[
        omitted("items", Schema::List(&Schema::Object(&KEY_TO_PATH))),
        omitted("name", TEXT),
        pointer("optional", Schema::Boolean),
    ],
};

pub(super) static DOWNWARD_API_PROJECTION: Structure = Structure {
    name: "DownwardAPIProjection",
    fields: &[omitted(
        "items",
        Schema::List(&Schema::Object(&DOWNWARD_API_VOLUME_FILE)),
    )],
};

pub(super) static SECRET_PROJECTION: Structure = Structure {
    name: "SecretProjection",
    fields: &[
        omitted("items", Schema::List(&Schema::Object(&KEY_TO_PATH))),
        omitted("name", TEXT),
        pointer("optional", Schema::Boolean),
    ],
};

pub(super) static SERVICE_ACCOUNT_TOKEN_PROJECTION: Structure = Structure {
    name: "ServiceAccountTokenProjection",
    fields: &[
        omitted("audience", TEXT),
        pointer("expirationSeconds", INT64),
        always("path", TEXT).required(),
    ],
};

pub(super) static VOLUME_PROJECTION: Structure = Structure {
    name: "VolumeProjection",
    fields: &[
        pointer("configMap", Schema::Object(&CONFIG_MAP_PROJECTION)),
        pointer("downwardAPI", Schema::Object(&DOWNWARD_API_PROJECTION)),
        pointer("secret", Schema::Object(&SECRET_PROJECTION)),
        pointer(
            "serviceAccountToken",
            Schema::Object(&SERVICE_ACCOUNT_TOKEN_PROJECTION),
        ),
    ],
};

pub(super) static PROJECTED_VOLUME_SOURCE: Structure = Structure {
    name: "ProjectedVolumeSource",
    fields: &[
        pointer("defaultMode", INT32),
        always("sources", Schema::List(&Schema::Object(&VOLUME_PROJECTION))),
    ],
};

pub(super) static SECRET_VOLUME_SOURCE: Structure = Structure {
    name: "SecretVolumeSource",
    fields: &[
        pointer("defaultMode", INT32),
        omitted("items", Schema::List(&Schema::Object(&KEY_TO_PATH))),
        pointer("optional", Schema::Boolean),
        omitted("secretName", TEXT),
    ],
};

pub(super) static VOLUME: Structure = Structure {
    name: "Volume",
    fields: &[
        pointer(
            "awsElasticBlockStore",
            Schema::Object(&AWS_ELASTIC_BLOCK_STORE_VOLUME_SOURCE),
        ),
        pointer("azureDisk", Schema::Object(&AZURE_DISK_VOLUME_SOURCE)),
        pointer("azureFile", Schema::Object(&AZURE_FILE_VOLUME_SOURCE)),
        pointer("cephfs", Schema::Object(&CEPH_FS_VOLUME_SOURCE)),
        pointer("cinder", Schema::Object(&CINDER_VOLUME_SOURCE)),
        pointer("configMap", Schema::Object(&CONFIG_MAP_VOLUME_SOURCE)),
        pointer("csi", Schema::Object(&CSI_VOLUME_SOURCE)),
        pointer("downwardAPI", Schema::Object(&DOWNWARD_API_VOLUME_SOURCE)),
        pointer("emptyDir", Schema::Object(&EMPTY_DIR_VOLUME_SOURCE)),
        pointer("ephemeral", Schema::Object(&EPHEMERAL_VOLUME_SOURCE)),
        pointer("fc", Schema::Object(&FC_VOLUME_SOURCE)),
        pointer("flexVolume", Schema::Object(&FLEX_VOLUME_SOURCE)),
        pointer("flocker", Schema::Object(&FLOCKER_VOLUME_SOURCE)),
        pointer(
            "gcePersistentDisk",
            Schema::Object(&GCE_PERSISTENT_DISK_VOLUME_SOURCE),
        ),
        pointer("gitRepo", Schema::Object(&GIT_REPO_VOLUME_SOURCE)),
        pointer("glusterfs", Schema::Object(&GLUSTERFS_VOLUME_SOURCE)),
        pointer("hostPath", Schema::Object(&HOST_PATH_VOLUME_SOURCE)),
        pointer("iscsi", Schema::Object(&ISCSI_VOLUME_SOURCE)),
        always("name", TEXT).required(),
        pointer("nfs", Schema::Object(&NFS_VOLUME_SOURCE)),
        pointer(
            "persistentVolumeClaim",
            Schema::Object(&PERSISTENT_VOLUME_CLAIM_VOLUME_SOURCE),
        ),
        pointer(
            "photonPersistentDisk",
            Schema::Object(&PHOTON_PERSISTENT_DISK_VOLUME_SOURCE),
        ),
        pointer("portworxVolume", Schema::Object(&PORTWORX_VOLUME_SOURCE)),
        pointer("projected", Schema::Object(&PROJECTED_VOLUME_SOURCE)),
        pointer("quobyte", Schema::Object(&QUOBYTE_VOLUME_SOURCE)),
        pointer("rbd", Schema::Object(&RBD_VOLUME_SOURCE)),
        pointer("scaleIO", Schema::Object(&SCALE_IO_VOLUME_SOURCE)),
        pointer("secret", Schema::Object(&SECRET_VOLUME_SOURCE)),
        pointer("storageos", Schema::Object(&STORAGE_OS_VOLUME_SOURCE)),
        pointer(
            "vsphereVolume",
            Schema::Object(&VSPHERE_VIRTUAL_DISK_VOLUME_SOURCE),
        ),
    ],
};
