//! `fathom devices`: what there is to compute on, and which one `--device` takes.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use fathom_engine::{AdapterInfo, Device};
use serde::Serialize;

use crate::cli::Common;
use crate::loading;
use crate::output;
use crate::paint::Paint;

/// `fathom devices`.
#[derive(Debug, Args)]
pub struct DevicesArgs {
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
struct Devices {
    adapters: Vec<AdapterObject>,
    cpu: CpuObject,
    asked: String,
    taken: String,
    why: String,
}

/// An adapter in JSON.
#[derive(Serialize)]
pub struct AdapterObject {
    pub index: usize,
    pub name: String,
    pub backend: String,
    pub driver: String,
    pub kind: String,
    pub features: Vec<String>,
    pub limits: serde_json::Map<String, serde_json::Value>,
}

#[derive(Serialize)]
struct CpuObject {
    name: &'static str,
    n_threads: usize,
}

/// Carries out `fathom devices`.
pub fn devices(common: &Common, args: DevicesArgs) -> anyhow::Result<ExitCode> {
    let request = loading::device_request(&common.device)?;
    let adapters = pollster::block_on(fathom_engine::adapters());
    let device = pollster::block_on(Device::open(&request))?;
    let devices = Devices {
        why: why(&device, &common.device, &adapters),
        adapters: adapters.into_iter().map(adapter_object).collect(),
        cpu: CpuObject {
            name: "cpu",
            n_threads: std::thread::available_parallelism().map_or(1, usize::from),
        },
        asked: common.device.clone(),
        taken: device.name(),
    };
    let mut out = io::stdout().lock();
    if args.json {
        output::json_line(&mut out, &devices)?;
    } else {
        list(&mut out, &devices, Paint::resolve(common.color, output::stdout_is_terminal()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Why the request takes this device.
pub fn why(device: &Device, asked: &str, adapters: &[AdapterInfo]) -> String {
    if let Some(why) = device.why() {
        return why.to_owned();
    }
    let n_gpus = adapters.iter().filter(|adapter| adapter.kind != "software").count();
    match asked {
        "auto" if n_gpus == 1 => "it is the only GPU".to_owned(),
        "auto" => "it is the GPU that the system recommends for computing".to_owned(),
        _ => format!("--device {asked} asks for it"),
    }
}

/// As it is shown.
pub fn adapter_object(adapter: AdapterInfo) -> AdapterObject {
    AdapterObject {
        index: adapter.index,
        name: adapter.name,
        backend: adapter.backend,
        driver: adapter.driver,
        kind: adapter.kind,
        features: adapter.features,
        limits: adapter.limits.into_iter().map(|(name, value)| (name, value.into())).collect(),
    }
}

fn list(out: &mut impl Write, devices: &Devices, paint: Paint) -> io::Result<()> {
    for adapter in &devices.adapters {
        show(out, adapter, paint)?;
        writeln!(out)?;
    }
    let threads = if devices.cpu.n_threads == 1 { "thread" } else { "threads" };
    writeln!(out, "cpu  {}", paint.strong("this machine's processor"))?;
    writeln!(out, "     {} {threads}, no driver needed", devices.cpu.n_threads)?;
    writeln!(out)?;
    writeln!(out, "--device {} takes {}: {}", devices.asked, paint.strong(&devices.taken), devices.why)?;
    out.flush()
}

/// An adapter with everything that matters to the kernels.
pub fn show(out: &mut impl Write, adapter: &AdapterObject, paint: Paint) -> io::Result<()> {
    let index = format!("{:>3}", adapter.index);
    writeln!(out, "{index}  {}", paint.strong(&adapter.name))?;
    writeln!(out, "     {}, {}{}", adapter.kind, adapter.backend, driver(&adapter.driver))?;
    if !adapter.features.is_empty() {
        writeln!(out, "     features  {}", paint.faint(adapter.features.join(", ")))?;
    }
    for (name, value) in &adapter.limits {
        writeln!(out, "     {}", paint.faint(format!("{name:<44} {value:>14}")))?;
    }
    Ok(())
}

fn driver(driver: &str) -> String {
    if driver.is_empty() { String::new() } else { format!(", {driver}") }
}
