//! What there is for graphics on the PCI bus, with or without a driver. Linux tells; elsewhere the list is empty.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;

use serde::Serialize;

/// Of PCI's classes, the one of displays.
const DISPLAY: &str = "0x03";

/// What there is.
#[derive(Serialize)]
pub struct Hardware {
    pub controllers: Vec<Controller>,
    /// Devices of the kernel's that drivers compute through.
    pub render_nodes: Vec<RenderNode>,
}

/// A graphics card, or what stands for one in a virtual machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Controller {
    /// Its place on the bus.
    pub address: String,
    /// Vendor and device, as PCI numbers them.
    pub id: String,
    pub vendor: Vendor,
    /// The kernel's driver that has it.
    pub kernel_driver: Option<String>,
}

/// Who made it, of those who make GPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Vendor {
    Nvidia,
    Amd,
    Intel,
    /// A virtual machine's, which may lead to a real one.
    Virtio,
    /// One that only shows a picture, as a rule.
    Other,
}

/// `/dev/dri/renderD128`, and whether this user may open it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RenderNode {
    pub file: String,
    pub may_be_opened: bool,
}

impl Hardware {
    /// Of this machine.
    pub fn here() -> Hardware {
        Hardware {
            controllers: names("/sys/bus/pci/devices")
                .iter()
                .filter_map(|address| controller(address))
                .collect(),
            render_nodes: render_nodes(),
        }
    }
}

impl Vendor {
    fn of(id: &str) -> Vendor {
        match id {
            "0x10de" => Vendor::Nvidia,
            "0x1002" => Vendor::Amd,
            "0x8086" => Vendor::Intel,
            "0x1af4" => Vendor::Virtio,
            _ => Vendor::Other,
        }
    }

    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Vendor::Nvidia => "NVIDIA",
            Vendor::Amd => "AMD",
            Vendor::Intel => "Intel",
            Vendor::Virtio => "virtio",
            Vendor::Other => "other",
        }
    }
}

fn controller(address: &str) -> Option<Controller> {
    let folder = Path::new("/sys/bus/pci/devices").join(address);
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok().map(|text| text.trim().to_owned());
    read("class").filter(|class| class.starts_with(DISPLAY))?;
    let (vendor, device) = (read("vendor")?, read("device")?);
    let driver = fs::read_link(folder.join("driver")).ok();
    Some(Controller {
        address: address.to_owned(),
        vendor: Vendor::of(&vendor),
        id: format!("{}:{}", vendor.trim_start_matches("0x"), device.trim_start_matches("0x")),
        kernel_driver: driver.and_then(|link| Some(link.file_name()?.to_string_lossy().into_owned())),
    })
}

fn render_nodes() -> Vec<RenderNode> {
    let names = names("/dev/dri");
    let nodes = names.iter().filter(|name| name.starts_with("renderD")).map(|name| {
        let file = format!("/dev/dri/{name}");
        let opened = OpenOptions::new().read(true).write(true).open(&file);
        let is_refused = opened.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
        RenderNode { file, may_be_opened: !is_refused }
    });
    nodes.collect()
}

fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
