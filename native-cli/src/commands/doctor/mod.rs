//! `fathom doctor`: why a GPU does not work, or how well it does; for the person in front of it, and with
//! `--json` for a bug report.

mod advice;
mod examine;
mod hardware;
mod machine;
mod report;
mod verdict;
mod vulkan;

use std::collections::BTreeMap;
use std::io;
use std::process::ExitCode;

use clap::Args;
use fathom_engine::{AdapterInfo, Device, DeviceRequest};
use pollster::block_on;
use serde::Serialize;

use crate::cli::Common;
use crate::commands::devices::{self, AdapterObject};
use crate::loading;
use crate::output::{self, json_line};
use crate::paint::Paint;

use self::examine::{Answers, Examined, examine, examine_open};
use self::hardware::Hardware;
use self::machine::{Machine, Program, without_names};
use self::verdict::Verdict;
use self::vulkan::Vulkan;

/// `fathom doctor`. With `--device auto` everything there is is examined, otherwise the device that is asked for.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// One JSON object with everything, for a bug report: no names of users, no home folders
    #[arg(long)]
    pub json: bool,
}

/// Everything that was found.
#[derive(Serialize)]
struct Report {
    program: Program,
    machine: Machine,
    /// Null where drivers are not installed as Vulkan's loader finds them.
    vulkan: Option<Vulkan>,
    hardware: Hardware,
    variables: BTreeMap<&'static str, String>,
    adapters: Vec<AdapterObject>,
    /// What `--device` says, which device that is, and why; null where there is none.
    asked: String,
    taken: Option<String>,
    why: String,
    examined: Vec<Examined>,
    verdict: Verdict,
}

/// Carries out `fathom doctor`.
pub fn doctor(common: &Common, args: DoctorArgs) -> anyhow::Result<ExitCode> {
    let request = loading::device_request(&common.device)?;
    let adapters = block_on(fathom_engine::adapters());
    let answers = Answers::known()?;
    let opened = block_on(Device::open(&request));
    let (taken, why) = match &opened {
        Ok(device) => (Some(device.name()), devices::why(device, &common.device, &adapters)),
        Err(error) => (None, error.to_string()),
    };
    let note = |name: &str| {
        if !common.quiet {
            // Before, not after: a driver may take the program down with it.
            output::note(&format!("examining {name}"));
        }
    };
    let examined = match opened {
        _ if request == DeviceRequest::Auto => everything(&adapters, &answers, &note),
        Ok(device) => {
            note(&device.name());
            let adapter = adapters.iter().find(|adapter| full_name(adapter) == device.name());
            vec![examine_open(&device, adapter.map(|adapter| adapter.index), &answers)]
        }
        Err(_) => vec![examine(&request, format!("--device {}", common.device), None, &answers)],
    };
    let (machine, vulkan, hardware) = (Machine::this(), Vulkan::here(), Hardware::here());
    let variables: BTreeMap<_, _> = vulkan::variables().into_iter().collect();
    let facts = verdict::Facts {
        machine: &machine,
        vulkan: vulkan.as_ref(),
        hardware: &hardware,
        variables: &variables,
        adapters: &adapters,
        examined: &examined,
        taken: taken.as_deref(),
    };
    let verdict = Verdict::of(&facts);
    let report = Report {
        program: Program::this(),
        verdict,
        machine,
        vulkan,
        hardware,
        variables,
        adapters: adapters.into_iter().map(devices::adapter_object).collect(),
        asked: without_names(&common.device),
        taken,
        why: without_names(&why),
        examined,
    };
    let mut out = io::stdout().lock();
    if args.json {
        json_line(&mut out, &report)?;
    } else {
        report::print(&mut out, &report, Paint::resolve(common.color, output::stdout_is_terminal()))?;
    }
    Ok(if report.verdict.is_failure { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Every adapter, then the processor.
fn everything(adapters: &[AdapterInfo], answers: &Answers, note: &dyn Fn(&str)) -> Vec<Examined> {
    let gpus = adapters.iter().map(|adapter| {
        let name = full_name(adapter);
        note(&name);
        examine(&DeviceRequest::Index(adapter.index), name, Some(adapter.index), answers)
    });
    let mut examined: Vec<Examined> = gpus.collect();
    note("cpu");
    examined.push(examine(&DeviceRequest::Cpu, "cpu".to_owned(), None, answers));
    examined
}

/// As an open device calls itself.
fn full_name(adapter: &AdapterInfo) -> String {
    format!("{} ({})", adapter.name, adapter.backend.to_lowercase())
}
