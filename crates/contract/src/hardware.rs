//! `HardwareInfo`: what a device says about itself at enrolment, at registration and in some
//! heartbeats.
//!
//! All of it is free text and plain numbers from the device. Flotta's current agent fills in the
//! processor's architecture and model, the system vendor, the host name, mounts, host devices and
//! the interfaces that have an address; other agents may send the rest.

use crate::absent::wire_objects;

wire_objects! {
    /// A device's hardware, or a part of it: a heartbeat may carry only what changed.
    pub struct HardwareInfo {
        /// Host name.
        hostname: String,
        /// How the device booted.
        boot: Option<Boot>,
        /// Processor.
        cpu: Option<Cpu>,
        /// Main memory.
        memory: Option<Memory>,
        /// Maker of the machine.
        system_vendor: Option<SystemVendor>,
        /// Disks.
        disks: Option<Vec<Disk>>,
        /// Graphics processors.
        gpus: Option<Vec<Gpu>>,
        /// Network interfaces.
        interfaces: Option<Vec<Interface>>,
        /// Device nodes of the host.
        host_devices: Option<Vec<HostDevice>>,
        /// File systems mounted on the device.
        mounts: Option<Vec<Mount>>,
    }

    /// How the device booted.
    pub struct Boot {
        /// Boot mode, for example `uefi`.
        current_boot_mode: String,
        /// Interface that it booted from over the network.
        pxe_interface: String,
    }

    /// A processor.
    pub struct Cpu {
        /// Architecture, for example `x86_64`.
        architecture: String,
        /// Model, for example `Intel(R) Core(TM) i7-6820HQ CPU @ 2.70GHz`.
        model_name: String,
        /// Number of processors.
        count: i64,
        /// Frequency in MHz.
        frequency: f64,
        /// Feature flags.
        flags: Option<Vec<String>>,
    }

    /// Main memory.
    pub struct Memory {
        /// Installed, in bytes.
        physical_bytes: i64,
        /// Usable by the operating system, in bytes.
        usable_bytes: i64,
    }

    /// Maker of the machine, as its firmware tells; the agent writes `unknown` where it does not.
    pub struct SystemVendor {
        /// Manufacturer.
        manufacturer: String,
        /// Product.
        product_name: String,
        /// Serial number.
        serial_number: String,
        /// Whether the machine is a virtual one.
        r#virtual: bool,
    }

    /// A disk.
    pub struct Disk {
        /// Identifier that stays the same over restarts.
        id: String,
        /// Name below `/dev/disk/by-id`.
        by_id: String,
        /// Name below `/dev/disk/by-path`.
        by_path: String,
        /// Kind of drive, for example `SSD`.
        drive_type: String,
        /// Host, channel, target and LUN.
        hctl: String,
        /// Model.
        model: String,
        /// Name, for example `sda`.
        name: String,
        /// Path of the device node.
        path: String,
        /// Serial number.
        serial: String,
        /// Report of the drive's self-monitoring.
        smart: String,
        /// Vendor.
        vendor: String,
        /// World wide name.
        wwn: String,
        /// Size in bytes.
        size_bytes: i64,
        /// Whether it can be booted from.
        bootable: bool,
        /// Whether the device was installed from it.
        is_installation_media: bool,
        /// Measured speed.
        io_perf: Option<IoPerf>,
    }

    /// Measured speed of a disk.
    pub struct IoPerf {
        /// 99th percentile of a synced write, in ms.
        sync_duration: i64,
    }

    /// A graphics processor.
    pub struct Gpu {
        /// Address on the bus.
        address: String,
        /// Identifier of the product.
        device_id: String,
        /// Name of the product.
        name: String,
        /// Name of the vendor.
        vendor: String,
        /// Identifier of the vendor.
        vendor_id: String,
    }

    /// A network interface.
    pub struct Interface {
        /// Name, for example `eth0`.
        name: String,
        /// Name that the firmware gives it.
        biosdevname: String,
        /// DHCP client identifier.
        client_id: String,
        /// Hardware address.
        mac_address: String,
        /// Product.
        product: String,
        /// Vendor.
        vendor: String,
        /// Maximum transmission unit in bytes.
        mtu: i64,
        /// Speed in Mbit/s; -1 when unknown.
        speed_mbps: i64,
        /// Whether a link is up.
        has_carrier: bool,
        /// Flags, for example `up`.
        flags: Option<Vec<String>>,
        /// IPv4 addresses in CIDR form.
        ipv4_addresses: Option<Vec<String>>,
        /// IPv6 addresses in CIDR form.
        ipv6_addresses: Option<Vec<String>>,
    }

    /// A device node of the host.
    pub struct HostDevice {
        /// Path, for example `/dev/loop0`.
        path: String,
        /// `block` or `char`.
        device_type: String,
        /// Numeric owner.
        uid: i64,
        /// Numeric group.
        gid: i64,
        /// Major device number.
        major: i64,
        /// Minor device number.
        minor: i64,
    }

    /// A mount: one that the device has, or one that its configuration asks for.
    pub struct Mount {
        /// What is mounted, for example `/dev/sda1`.
        device: String,
        /// Where.
        directory: String,
        /// File system type.
        r#type: String,
        /// Options; the agent reports them in parentheses, `(rw,relatime)`.
        options: String,
    }
}
