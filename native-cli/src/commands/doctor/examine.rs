//! One device, examined: can it be opened, does it compute rightly, how fast is it.

use fathom_engine::Device;
use fathom_engine::DeviceRequest;
use fathom_engine::diagnosis::{
    KernelCheck, KernelChecks, Speed, check_kernels, known_answers, measure_speed,
};
use pollster::block_on;
use serde::Serialize;

use super::machine::without_names;
use crate::output::thousandths;

/// What came of it.
#[derive(Serialize)]
pub struct Examined {
    pub name: String,
    /// Its index among the adapters; null for the processor.
    pub adapter: Option<usize>,
    /// Why it cannot be used at all.
    pub failure: Option<String>,
    /// Every kernel's answers were right.
    pub is_right: bool,
    pub kernels: Vec<KernelObject>,
    /// Shader variants that were compiled for that.
    pub n_pipelines: u64,
    pub compile_ms: f64,
    pub speed: Option<SpeedObject>,
    /// Why there is no speed.
    pub speed_failure: Option<String>,
}

/// A kernel against its known answers.
#[derive(Serialize)]
pub struct KernelObject {
    pub kernel: &'static str,
    pub n_calls: usize,
    /// As a share of the largest magnitude; null where a number is none or the driver gave up.
    pub largest_error: Option<f32>,
    pub allowed: f32,
    pub is_right: bool,
    pub failure: Option<String>,
}

/// How fast it is.
#[derive(Clone, Copy, Serialize)]
pub struct SpeedObject {
    /// 10⁹ bytes of f32 weights a second through the `linear` kernel, one row.
    pub gb_per_s: f64,
    pub bytes_read: u64,
    pub us_per_dispatch: f64,
    pub round_trip_ms: f64,
}

/// The calls that every device is asked to answer.
pub struct Answers(Vec<fathom_engine::diagnosis::Answered>);

impl Answers {
    /// Computed by the processor.
    pub fn known() -> anyhow::Result<Answers> {
        Ok(Answers(block_on(known_answers())?))
    }
}

/// Examines a device.
pub fn examine(request: &DeviceRequest, name: String, adapter: Option<usize>, answers: &Answers) -> Examined {
    match block_on(Device::open(request)) {
        Ok(device) => examine_open(&device, adapter, answers),
        Err(error) => {
            Examined { failure: Some(without_names(&error.to_string())), ..Examined::new(name, adapter) }
        }
    }
}

/// The same for one that is open.
pub fn examine_open(device: &Device, adapter: Option<usize>, answers: &Answers) -> Examined {
    let checks = block_on(check_kernels(device, &answers.0));
    let speed = block_on(measure_speed(device));
    Examined::new(device.name(), adapter).with(&checks, speed)
}

impl Examined {
    fn new(name: String, adapter: Option<usize>) -> Examined {
        Examined {
            name,
            adapter,
            failure: None,
            is_right: false,
            kernels: vec![],
            n_pipelines: 0,
            compile_ms: 0.0,
            speed: None,
            speed_failure: None,
        }
    }

    fn with(self, checks: &KernelChecks, speed: fathom_engine::Result<Speed>) -> Examined {
        Examined {
            is_right: checks.are_right(),
            kernels: checks.kernels.iter().map(KernelObject::of).collect(),
            n_pipelines: checks.n_pipelines,
            compile_ms: thousandths(checks.compile_ms),
            speed_failure: speed.as_ref().err().map(|error| without_names(&error.to_string())),
            speed: speed.ok().map(SpeedObject::of),
            ..self
        }
    }

    /// It can be opened, and what it computes is wrong.
    pub fn is_wrong(&self) -> bool {
        self.failure.is_none() && !self.is_right
    }
}

impl KernelObject {
    fn of(check: &KernelCheck) -> KernelObject {
        KernelObject {
            kernel: check.kernel,
            n_calls: check.n_calls,
            largest_error: Some(check.largest_error).filter(|error| error.is_finite()),
            allowed: check.allowed,
            is_right: check.is_right(),
            failure: check.failure.as_deref().map(without_names),
        }
    }
}

impl SpeedObject {
    fn of(speed: Speed) -> SpeedObject {
        SpeedObject {
            gb_per_s: thousandths(speed.bytes_per_s / 1e9),
            bytes_read: speed.bytes_read,
            us_per_dispatch: thousandths(speed.us_per_dispatch),
            round_trip_ms: thousandths(speed.round_trip_ms),
        }
    }
}
