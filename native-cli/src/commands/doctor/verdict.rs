//! The verdict: one plain sentence, and what to do about what is wrong.

use std::collections::BTreeMap;

use fathom_engine::AdapterInfo;
use serde::Serialize;

use super::advice::advice;
use super::examine::{Examined, KernelObject};
use super::hardware::Hardware;
use super::machine::Machine;
use super::vulkan::Vulkan;

/// What the verdict rests on.
pub struct Facts<'a> {
    pub machine: &'a Machine,
    pub vulkan: Option<&'a Vulkan>,
    pub hardware: &'a Hardware,
    pub variables: &'a BTreeMap<&'static str, String>,
    pub adapters: &'a [AdapterInfo],
    pub examined: &'a [Examined],
    /// The device that `--device` takes.
    pub taken: Option<&'a str>,
}

/// The end of the report.
#[derive(Debug, Serialize)]
pub struct Verdict {
    /// A device that was asked for computes wrong or cannot be used.
    #[serde(skip)]
    pub is_failure: bool,
    /// One or two sentences.
    pub text: String,
    /// What to install, change or leave alone.
    pub advice: Vec<String>,
}

impl Facts<'_> {
    /// There is one that is no software.
    pub fn has_gpu(&self) -> bool {
        self.adapters.iter().any(|adapter| adapter.kind != "software")
    }

    /// The adapter of an examined device.
    pub fn adapter_of(&self, examined: &Examined) -> Option<&AdapterInfo> {
        self.adapters.iter().find(|adapter| Some(adapter.index) == examined.adapter)
    }
}

impl Verdict {
    /// Of everything that was found.
    pub fn of(facts: &Facts<'_>) -> Verdict {
        // The one that a model would be put on, where it is among those that were examined.
        let taken = facts.examined.iter().find(|examined| Some(examined.name.as_str()) == facts.taken);
        let is_unusable = |examined: &&Examined| examined.failure.is_some();
        let mut sentences: Vec<String> = match taken {
            Some(taken) if taken.is_right => vec![runs_on(taken)],
            _ => vec![],
        };
        sentences.extend(facts.examined.iter().filter(|examined| examined.is_wrong()).map(is_wrong));
        for (examined, failure) in facts.examined.iter().filter_map(|e| Some((e, e.failure.as_ref()?))) {
            sentences.push(format!("{} cannot be used: {failure}.", examined.name));
        }
        if taken.is_some_and(|taken| taken.adapter.is_none()) && !facts.has_gpu() {
            sentences.push(no_gpu(facts.adapters));
        }
        Verdict {
            is_failure: facts.examined.iter().any(Examined::is_wrong)
                || taken.is_none() && facts.examined.iter().any(|examined| is_unusable(&examined)),
            text: sentences.join(" "),
            advice: advice(facts),
        }
    }
}

fn runs_on(examined: &Examined) -> String {
    let speed = match &examined.speed {
        Some(speed) => {
            format!(", {:.1} GB/s, {:.1} µs a dispatch", speed.gb_per_s, speed.us_per_dispatch)
        }
        None => ", its speed could not be measured".to_owned(),
    };
    format!("This machine runs Fathom on {}: right answers{speed}.", examined.name)
}

fn is_wrong(examined: &Examined) -> String {
    let wrong: Vec<&KernelObject> = examined.kernels.iter().filter(|kernel| !kernel.is_right).collect();
    let names: Vec<&str> = wrong.iter().map(|kernel| kernel.kernel).collect();
    let failure = wrong.iter().find_map(|kernel| kernel.failure.as_deref());
    let how = match (failure, wrong.iter().map(|kernel| kernel.largest_error).max_by(by_size).flatten()) {
        (Some(failure), _) => failure.to_owned(),
        (None, Some(error)) => format!("off by up to {error:.1e} of the largest number"),
        (None, None) => "with numbers that are none".to_owned(),
    };
    format!("{} computes wrong in {}: {how}.", examined.name, names.join(", "))
}

/// What is no number is largest.
fn by_size(a: &Option<f32>, b: &Option<f32>) -> std::cmp::Ordering {
    a.unwrap_or(f32::INFINITY).total_cmp(&b.unwrap_or(f32::INFINITY))
}

fn no_gpu(adapters: &[AdapterInfo]) -> String {
    let software = match adapters.first() {
        Some(adapter) => format!(" ({} computes on the processor too, and slower)", adapter.name),
        None => String::new(),
    };
    format!("No GPU was found that Fathom can use{software}; none is needed.")
}

#[cfg(test)]
pub mod tests {
    use super::super::hardware::{Controller, RenderNode, Vendor};
    use super::super::vulkan::Manifest;
    use super::*;
    use crate::commands::doctor::examine::SpeedObject;

    pub fn machine(family: &[&str]) -> Machine {
        Machine {
            system: "a system".to_owned(),
            family: family.iter().map(|&name| name.to_owned()).collect(),
            kernel: None,
            arch: "x86_64",
            processor: None,
            processor_features: vec![],
            n_threads: 2,
            memory_bytes: None,
            free_memory_bytes: None,
        }
    }

    pub fn vulkan(problem: Option<&str>) -> Vulkan {
        let manifest =
            Manifest { file: "icd.json".to_owned(), library: None, problem: problem.map(str::to_owned) };
        Vulkan { loader: Some("libvulkan.so.1".to_owned()), overridden_by: None, manifests: vec![manifest] }
    }

    pub fn hardware(vendor: Vendor, kernel_driver: Option<&str>, may_be_opened: bool) -> Hardware {
        Hardware {
            controllers: vec![Controller {
                address: "0000:01:00.0".to_owned(),
                id: "10de:2684".to_owned(),
                vendor,
                kernel_driver: kernel_driver.map(str::to_owned),
            }],
            render_nodes: vec![RenderNode { file: "/dev/dri/renderD128".to_owned(), may_be_opened }],
        }
    }

    pub fn adapter(kind: &str) -> AdapterInfo {
        AdapterInfo {
            index: 0,
            name: "Card".to_owned(),
            backend: "Vulkan".to_owned(),
            driver: "driver 1.0".to_owned(),
            kind: kind.to_owned(),
            features: vec![],
            limits: vec![],
        }
    }

    pub fn examined(name: &str, adapter: Option<usize>, error: Option<f32>) -> Examined {
        let is_right = error == Some(0.0);
        let kernel = KernelObject {
            kernel: "linear",
            n_calls: 3,
            largest_error: error,
            allowed: 0.0,
            is_right,
            failure: None,
        };
        Examined {
            name: name.to_owned(),
            adapter,
            failure: None,
            is_right,
            kernels: vec![kernel],
            n_pipelines: 0,
            compile_ms: 0.0,
            speed: Some(SpeedObject {
                gb_per_s: 12.34,
                bytes_read: 1,
                us_per_dispatch: 5.67,
                round_trip_ms: 0.1,
            }),
            speed_failure: None,
        }
    }

    fn verdict(adapters: &[AdapterInfo], examined: &[Examined], taken: Option<&str>) -> Verdict {
        Verdict::of(&Facts {
            machine: &machine(&["debian"]),
            vulkan: Some(&vulkan(None)),
            hardware: &hardware(Vendor::Nvidia, Some("nvidia"), true),
            variables: &BTreeMap::new(),
            adapters,
            examined,
            taken,
        })
    }

    #[test]
    fn a_gpu_that_is_right() {
        let found = verdict(
            &[adapter("discrete")],
            &[examined("Card (vulkan)", Some(0), Some(0.0)), examined("cpu", None, Some(0.0))],
            Some("Card (vulkan)"),
        );
        assert_eq!(
            found.text,
            "This machine runs Fathom on Card (vulkan): right answers, 12.3 GB/s, 5.7 µs a dispatch."
        );
        assert!(!found.is_failure && found.advice.is_empty(), "{found:?}");
    }

    #[test]
    fn a_gpu_that_is_wrong() {
        for (error, words) in [(Some(0.25), "2.5e-1"), (None, "none")] {
            let found = verdict(
                &[adapter("discrete")],
                &[examined("Card (vulkan)", Some(0), error), examined("cpu", None, Some(0.0))],
                Some("Card (vulkan)"),
            );
            assert!(found.is_failure);
            assert!(found.text.starts_with("Card (vulkan) computes wrong in linear: "), "{found:?}");
            assert!(found.text.contains(words), "{found:?}");
            assert!(found.advice.iter().any(|advice| advice.contains("--device cpu")), "{found:?}");
        }
    }

    #[test]
    fn no_gpu_is_no_failure() {
        let found = verdict(&[], &[examined("cpu", None, Some(0.0))], Some("cpu"));
        assert!(!found.is_failure);
        assert!(found.text.starts_with("This machine runs Fathom on cpu: right answers"), "{found:?}");
        assert!(found.text.ends_with("No GPU was found that Fathom can use; none is needed."), "{found:?}");
    }

    #[test]
    fn what_cannot_be_opened_is_a_failure_where_it_was_asked_for() {
        let refused =
            || Examined { failure: Some("no such adapter".to_owned()), ..examined("--device 7", None, None) };
        assert!(verdict(&[], &[refused()], None).is_failure);
        assert!(!verdict(&[], &[refused(), examined("cpu", None, Some(0.0))], Some("cpu")).is_failure);
    }
}
