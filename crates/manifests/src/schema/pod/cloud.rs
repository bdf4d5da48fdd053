//! Volumes of storage products. Admission refuses them; they are known so that it can name them.

use super::{
    super::{INT32, Schema, Structure, TEXT, always, null, omitted, pointer},
    LOCAL_OBJECT_REFERENCE,
};

pub(super) static AWS_ELASTIC_BLOCK_STORE_VOLUME_SOURCE: Structure = Structure {
    name: "AWSElasticBlockStoreVolumeSource",
    fields: &[
        omitted("fsType", TEXT),
        omitted("partition", INT32),
        omitted("readOnly", Schema::Boolean),
        always("volumeID", TEXT).required(),
    ],
};

pub(super) static AZURE_DISK_VOLUME_SOURCE: Structure = Structure {
    name: "AzureDiskVolumeSource",
    fields: &[
        pointer("cachingMode", TEXT),
        always("diskName", TEXT).required(),
        always("diskURI", TEXT).required(),
        pointer("fsType", TEXT),
        pointer("kind", TEXT),
        pointer("readOnly", Schema::Boolean),
    ],
};

pub(super) static AZURE_FILE_VOLUME_SOURCE: Structure = Structure {
    name: "AzureFileVolumeSource",
    fields: &[
        omitted("readOnly", Schema::Boolean),
        always("secretName", TEXT).required(),
        always("shareName", TEXT).required(),
    ],
};

pub(super) static CEPH_FS_VOLUME_SOURCE: Structure = Structure {
    name: "CephFSVolumeSource",
    fields: &[
        always("monitors", Schema::List(&TEXT)).required(),
        omitted("path", TEXT),
        omitted("readOnly", Schema::Boolean),
        omitted("secretFile", TEXT),
        pointer("secretRef", Schema::Object(&LOCAL_OBJECT_REFERENCE)),
        omitted("user", TEXT),
    ],
};

pub(super) static CINDER_VOLUME_SOURCE: Structure = Structure {
    name: "CinderVolumeSource",
    fields: &[
        omitted("fsType", TEXT),
        omitted("readOnly", Schema::Boolean),
        pointer("secretRef", Schema::Object(&LOCAL_OBJECT_REFERENCE)),
        always("volumeID", TEXT).required(),
    ],
};

pub(super) static FC_VOLUME_SOURCE: Structure = Structure {
    name: "FCVolumeSource",
    fields: &[
        omitted("fsType", TEXT),
        pointer("lun", INT32),
        omitted("readOnly", Schema::Boolean),
        omitted("targetWWNs", Schema::List(&TEXT)),
        omitted("wwids", Schema::List(&TEXT)),
    ],
};

pub(super) static FLEX_VOLUME_SOURCE: Structure = Structure {
    name: "FlexVolumeSource",
    fields: &[
        always("driver", TEXT).required(),
        omitted("fsType", TEXT),
        omitted("options", Schema::Map(&TEXT)),
        omitted("readOnly", Schema::Boolean),
        pointer("secretRef", Schema::Object(&LOCAL_OBJECT_REFERENCE)),
    ],
};

pub(super) static FLOCKER_VOLUME_SOURCE: Structure = Structure {
    name: "FlockerVolumeSource",
    fields: &[omitted("datasetName", TEXT), omitted("datasetUUID", TEXT)],
};

pub(super) static GCE_PERSISTENT_DISK_VOLUME_SOURCE: Structure = Structure {
    name: "GCEPersistentDiskVolumeSource",
    fields: &[
        omitted("fsType", TEXT),
        omitted("partition", INT32),
        always("pdName", TEXT).required(),
        omitted("readOnly", Schema::Boolean),
    ],
};

pub(super) static GLUSTERFS_VOLUME_SOURCE: Structure = Structure {
    name: "GlusterfsVolumeSource",
    fields: &[
        always("endpoints", TEXT).required(),
        always("path", TEXT).required(),
        omitted("readOnly", Schema::Boolean),
    ],
};

pub(super) static ISCSI_VOLUME_SOURCE: Structure = Structure {
    name: "ISCSIVolumeSource",
    fields: &[
        omitted("chapAuthDiscovery", Schema::Boolean),
        omitted("chapAuthSession", Schema::Boolean),
        omitted("fsType", TEXT),
        pointer("initiatorName", TEXT),
        always("iqn", TEXT).required(),
        omitted("iscsiInterface", TEXT),
        always("lun", INT32).required(),
        omitted("portals", Schema::List(&TEXT)),
        omitted("readOnly", Schema::Boolean),
        pointer("secretRef", Schema::Object(&LOCAL_OBJECT_REFERENCE)),
        always("targetPortal", TEXT).required(),
    ],
};

pub(super) static PHOTON_PERSISTENT_DISK_VOLUME_SOURCE: Structure = Structure {
    name: "PhotonPersistentDiskVolumeSource",
    fields: &[omitted("fsType", TEXT), always("pdID", TEXT).required()],
};

pub(super) static PORTWORX_VOLUME_SOURCE: Structure = Structure {
    name: "PortworxVolumeSource",
    fields: &[
        omitted("fsType", TEXT),
        omitted("readOnly", Schema::Boolean),
        always("volumeID", TEXT).required(),
    ],
};

pub(super) static QUOBYTE_VOLUME_SOURCE: Structure = Structure {
    name: "QuobyteVolumeSource",
    fields: &[
        omitted("group", TEXT),
        omitted("readOnly", Schema::Boolean),
        always("registry", TEXT).required(),
        omitted("tenant", TEXT),
        omitted("user", TEXT),
        always("volume", TEXT).required(),
    ],
};

pub(super) static RBD_VOLUME_SOURCE: Structure = Structure {
    name: "RBDVolumeSource",
    fields: &[
        omitted("fsType", TEXT),
        always("image", TEXT).required(),
        omitted("keyring", TEXT),
        always("monitors", Schema::List(&TEXT)).required(),
        omitted("pool", TEXT),
        omitted("readOnly", Schema::Boolean),
        pointer("secretRef", Schema::Object(&LOCAL_OBJECT_REFERENCE)),
        omitted("user", TEXT),
    ],
};

pub(super) static SCALE_IO_VOLUME_SOURCE: Structure = Structure {
    name: "ScaleIOVolumeSource",
    fields: &[
        omitted("fsType", TEXT),
        always("gateway", TEXT).required(),
        omitted("protectionDomain", TEXT),
        omitted("readOnly", Schema::Boolean),
        null("secretRef", Schema::Object(&LOCAL_OBJECT_REFERENCE)).required(),
        omitted("sslEnabled", Schema::Boolean),
        omitted("storageMode", TEXT),
        omitted("storagePool", TEXT),
        always("system", TEXT).required(),
        omitted("volumeName", TEXT),
    ],
};

pub(super) static STORAGE_OS_VOLUME_SOURCE: Structure = Structure {
    name: "StorageOSVolumeSource",
    fields: &[
        omitted("fsType", TEXT),
        omitted("readOnly", Schema::Boolean),
        pointer("secretRef", Schema::Object(&LOCAL_OBJECT_REFERENCE)),
        omitted("volumeName", TEXT),
        omitted("volumeNamespace", TEXT),
    ],
};

pub(super) static VSPHERE_VIRTUAL_DISK_VOLUME_SOURCE: Structure = Structure {
    name: "VsphereVirtualDiskVolumeSource",
    fields: &[
        omitted("fsType", TEXT),
        omitted("storagePolicyID", TEXT),
        omitted("storagePolicyName", TEXT),
        always("volumePath", TEXT).required(),
    ],
};
