//! What to install or change where there is a GPU that cannot be used, or one that computes wrong.

use super::hardware::{Controller, Vendor};
use super::verdict::Facts;

/// Distributions by how they call their packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Debian,
    Ubuntu,
    Fedora,
    Arch,
    Suse,
    Other,
}

/// One thing to do in each line; nothing where all is well.
pub fn advice(facts: &Facts<'_>) -> Vec<String> {
    let mut lines = wrong_gpus(facts);
    if !facts.has_gpu() {
        lines.extend(no_gpu(facts));
    }
    lines
}

fn wrong_gpus(facts: &Facts<'_>) -> Vec<String> {
    let mut lines = vec![];
    for examined in facts.examined.iter().filter(|examined| examined.is_wrong() || examined.failure.is_some())
    {
        let Some(adapter) = facts.adapter_of(examined) else {
            lines.push("the processor itself computes otherwise than where Fathom was made".to_owned());
            continue;
        };
        let driver = if adapter.driver.is_empty() { "its driver" } else { &adapter.driver };
        lines.push(format!(
            "update the driver of {} (now: {driver}); until then use --device cpu, or FATHOM_DEVICE=cpu",
            adapter.name
        ));
    }
    if !lines.is_empty() {
        lines.push("please send what `fathom doctor --json` says with a bug report".to_owned());
    }
    lines
}

fn no_gpu(facts: &Facts<'_>) -> Vec<String> {
    let Some(vulkan) = facts.vulkan else {
        return vec![elsewhere().to_owned()];
    };
    let family = Family::of(&facts.machine.family);
    let mut lines = vec![];
    let is_whole = !vulkan.manifests.is_empty() && vulkan.n_whole() == vulkan.manifests.len();
    if let Some(name) = vulkan.overridden_by.filter(|_| !is_whole) {
        let value = facts.variables.get(name).map_or("", String::as_str);
        lines.push(format!("the variable {name} names drivers that are not there ({value}): unset it"));
    }
    if vulkan.loader.is_none() {
        lines.push(format!("Vulkan's loader is missing: {}", family.loader()));
    }
    let gpus: Vec<&Controller> =
        facts.hardware.controllers.iter().filter(|controller| controller.vendor != Vendor::Other).collect();
    for controller in &gpus {
        lines.push(for_controller(controller, family));
    }
    let refused = facts.hardware.render_nodes.iter().find(|node| !node.may_be_opened);
    if let Some(node) = refused {
        lines.push(format!(
            "you may not open {}: `sudo usermod -aG render,video $USER`, then log in again",
            node.file
        ));
    }
    let is_nvidia = gpus.iter().any(|controller| controller.vendor == Vendor::Nvidia);
    if is_nvidia && facts.variables.get("NVIDIA_DRIVER_CAPABILITIES").is_some_and(|has| lacks_graphics(has)) {
        lines.push(
            "this container was given the GPU without Vulkan: start it with NVIDIA_DRIVER_CAPABILITIES=all"
                .to_owned(),
        );
    }
    if !gpus.is_empty() && facts.hardware.render_nodes.is_empty() && !is_nvidia {
        lines.push(
            "the kernel shows no /dev/dri/renderD*: in a container pass it in with --device /dev/dri"
                .to_owned(),
        );
    }
    if facts.machine.kernel.as_deref().is_some_and(|kernel| kernel.contains("microsoft")) {
        lines.push(format!("WSL reaches the GPU through Mesa's dzn driver: {}", family.mesa()));
    }
    match (facts.hardware.render_nodes.first(), vulkan.n_whole()) {
        _ if !lines.is_empty() => {}
        // Boards with ARM processors have theirs beside the bus.
        (Some(node), _) => {
            lines.push(format!("{} is a GPU without a Vulkan driver: {}", node.file, family.mesa()))
        }
        (None, 0) => {
            lines
                .push(format!("nothing on the PCI bus looks like a GPU; if there is one: {}", family.mesa()));
        }
        (None, _) => {
            lines.push("nothing on the PCI bus looks like a GPU: there is nothing to install".to_owned())
        }
    }
    lines
}

/// Where drivers are not installed as on Linux.
fn elsewhere() -> &'static str {
    if cfg!(target_os = "macos") {
        "macOS brings Metal with it; a virtual machine or a session without a display may have none"
    } else if cfg!(windows) {
        "install the driver of the GPU's maker (NVIDIA, AMD or Intel); Windows' own basic display driver cannot \
         compute"
    } else {
        "install the system's Vulkan driver for the GPU"
    }
}

fn for_controller(controller: &Controller, family: Family) -> String {
    let (vendor, address) = (controller.vendor.name(), &controller.address);
    let state = match (&controller.kernel_driver, controller.vendor) {
        (None, _) => "has no kernel driver".to_owned(),
        (Some(driver), _) if driver.starts_with("vfio") || driver == "pci-stub" => {
            return format!("the {vendor} GPU at {address} is kept for virtual machines ({driver})");
        }
        (Some(driver), _) => format!("has the kernel driver {driver}, and no Vulkan driver shows it"),
    };
    let install = match controller.vendor {
        Vendor::Nvidia => family.nvidia(),
        Vendor::Amd => family.amd(),
        Vendor::Intel => family.intel(),
        Vendor::Virtio | Vendor::Other => family.mesa(),
    };
    format!("the {vendor} GPU at {address} {state}: {install}")
}

fn lacks_graphics(capabilities: &str) -> bool {
    !capabilities.split(',').any(|capability| ["all", "graphics", "display"].contains(&capability.trim()))
}

impl Family {
    /// From the names of a distribution and of those that it descends from, nearest first.
    fn of(names: &[String]) -> Family {
        let known = |name: &String| match name.as_str() {
            "debian" => Some(Family::Debian),
            "ubuntu" => Some(Family::Ubuntu),
            "fedora" | "rhel" | "centos" => Some(Family::Fedora),
            "arch" | "archlinux" => Some(Family::Arch),
            "suse" | "opensuse" | "opensuse-leap" | "opensuse-tumbleweed" => Some(Family::Suse),
            _ => None,
        };
        names.iter().find_map(known).unwrap_or(Family::Other)
    }

    fn loader(self) -> &'static str {
        match self {
            Family::Debian | Family::Ubuntu => "apt install libvulkan1",
            Family::Fedora => "dnf install vulkan-loader",
            Family::Arch => "pacman -S vulkan-icd-loader",
            Family::Suse => "zypper install libvulkan1",
            Family::Other => "install the package that has libvulkan.so.1",
        }
    }

    /// The drivers of AMD, Intel and virtual machines in one package, where there is one.
    fn mesa(self) -> &'static str {
        match self {
            Family::Debian | Family::Ubuntu => "apt install mesa-vulkan-drivers",
            Family::Fedora => "dnf install mesa-vulkan-drivers",
            Family::Arch => "pacman -S vulkan-radeon or vulkan-intel, or nvidia-utils",
            Family::Suse => "zypper install Mesa-vulkan-drivers",
            Family::Other => "install Mesa's Vulkan drivers, or the driver of the GPU's maker",
        }
    }

    fn amd(self) -> &'static str {
        match self {
            Family::Arch => "pacman -S vulkan-radeon",
            Family::Suse => "zypper install libvulkan_radeon",
            other => other.mesa(),
        }
    }

    fn intel(self) -> &'static str {
        match self {
            Family::Arch => "pacman -S vulkan-intel",
            Family::Suse => "zypper install libvulkan_intel",
            other => other.mesa(),
        }
    }

    fn nvidia(self) -> &'static str {
        match self {
            Family::Debian => "apt install nvidia-driver nvidia-vulkan-icd (from non-free)",
            Family::Ubuntu => "ubuntu-drivers install",
            Family::Fedora => "dnf install akmod-nvidia (from RPM Fusion)",
            Family::Arch => "pacman -S nvidia-utils",
            Family::Suse | Family::Other => "install NVIDIA's driver with its Vulkan part",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::hardware::Hardware;
    use super::super::verdict::tests::{adapter, hardware, machine, vulkan};
    use super::super::vulkan::Vulkan;
    use super::*;

    fn found(
        family: &[&str],
        vulkan: Option<&Vulkan>,
        hardware: &Hardware,
        variables: &[(&'static str, &str)],
    ) -> String {
        let variables: BTreeMap<_, _> =
            variables.iter().map(|&(name, value)| (name, value.to_owned())).collect();
        let adapters = [adapter("software")];
        advice(&Facts {
            machine: &machine(family),
            vulkan,
            hardware,
            variables: &variables,
            adapters: &adapters,
            examined: &[],
            taken: None,
        })
        .join("\n")
    }

    #[test]
    fn packages_by_distribution_and_vendor() {
        let nothing = vulkan(None);
        for (family, vendor, package) in [
            (&["debian"][..], Vendor::Amd, "mesa-vulkan-drivers"),
            (&["linuxmint", "ubuntu", "debian"], Vendor::Nvidia, "ubuntu-drivers"),
            (&["fedora"], Vendor::Intel, "dnf install mesa-vulkan-drivers"),
            (&["manjaro", "arch"], Vendor::Amd, "vulkan-radeon"),
            (&["arch"], Vendor::Nvidia, "nvidia-utils"),
            (&["nixos"], Vendor::Intel, "Mesa's Vulkan drivers"),
        ] {
            let advice = found(family, Some(&nothing), &hardware(vendor, Some("driver"), true), &[]);
            assert!(advice.contains(package) && advice.contains("0000:01:00.0"), "{advice}");
        }
    }

    #[test]
    fn what_stands_in_the_way() {
        let right = vulkan(None);
        let no_driver = hardware(Vendor::Nvidia, None, true);
        let advice = found(
            &["debian"],
            Some(&right),
            &no_driver,
            &[("NVIDIA_DRIVER_CAPABILITIES", "compute,utility")],
        );
        assert!(advice.contains("has no kernel driver"), "{advice}");
        assert!(advice.contains("NVIDIA_DRIVER_CAPABILITIES=all"), "{advice}");
        let refused = hardware(Vendor::Amd, Some("amdgpu"), false);
        assert!(found(&["arch"], Some(&right), &refused, &[]).contains("usermod -aG render"));
        let kept = hardware(Vendor::Amd, Some("vfio-pci"), true);
        assert!(found(&["arch"], Some(&right), &kept, &[]).contains("virtual machines"));

        let none = Hardware { controllers: vec![], render_nodes: vec![] };
        let advice = found(&["debian"], Some(&right), &none, &[]);
        assert!(advice.starts_with("nothing on the PCI bus"), "{advice}");
        let board = Hardware { controllers: vec![], ..hardware(Vendor::Other, None, true) };
        assert!(found(&["debian"], Some(&right), &board, &[]).contains("renderD128 is a GPU without"));
        let missing = Vulkan { overridden_by: Some("VK_DRIVER_FILES"), ..vulkan(Some("it is not there")) };
        let advice = found(&["debian"], Some(&missing), &none, &[("VK_DRIVER_FILES", "/nonexistent")]);
        assert!(advice.contains("VK_DRIVER_FILES") && advice.contains("unset it"), "{advice}");
        let no_loader = Vulkan { loader: None, ..vulkan(None) };
        assert!(found(&["fedora"], Some(&no_loader), &none, &[]).contains("vulkan-loader"));
    }

    #[test]
    fn capabilities_of_containers() {
        assert!(lacks_graphics("compute,utility"));
        assert!(!lacks_graphics("compute, graphics"));
        assert!(!lacks_graphics("all"));
    }
}
