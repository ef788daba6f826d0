//! Which adapters there are, and which one a request means.

use crate::device::DeviceRequest;
use crate::error::{Error, Result};

/// An adapter, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterInfo {
    /// What [`DeviceRequest::Index`] calls it.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// `Vulkan`, `Metal`, `Dx12` or `BrowserWebGpu`.
    pub backend: String,
    /// The driver and its version; may be empty.
    pub driver: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    pub kind: String,
    /// The features that matter to the kernels, of those that it has.
    pub features: Vec<String>,
    /// The limits that matter to the kernels, by WebGPU's name.
    pub limits: Vec<(String, u64)>,
}

/// What a request means here.
pub enum Found {
    /// A GPU, or software that behaves like one.
    Adapter(wgpu::Adapter),
    /// This machine's processor.
    Cpu {
        /// Where `auto` takes it: what stands against a GPU.
        fallback: Option<Error>,
    },
}

/// All adapters, in the driver's order. A browser names at most one.
pub async fn adapters() -> Vec<AdapterInfo> {
    all().await.iter().enumerate().map(|(index, adapter)| describe(index, adapter)).collect()
}

/// Finds what was asked for.
///
/// # Errors
/// [`Error::NoAdapter`].
pub async fn find(request: &DeviceRequest) -> Result<Found> {
    if *request == DeviceRequest::Cpu {
        return Ok(Found::Cpu { fallback: None });
    }
    let mut all = all().await;
    let names: Vec<String> = all.iter().map(|adapter| name(&adapter.get_info())).collect();
    let is_software = |i: &usize| all[*i].get_info().device_type == wgpu::DeviceType::Cpu;
    // The first of the best rank.
    let best = |rank: fn(wgpu::DeviceType) -> u8| {
        (0..all.len()).min_by_key(|&i| rank(all[i].get_info().device_type))
    };
    let index = match request {
        DeviceRequest::Auto => match best(rank_fast).filter(|i| !is_software(i)) {
            Some(i) => Some(i),
            None => return Ok(Found::Cpu { fallback: Some(no_gpu(names.first())) }),
        },
        DeviceRequest::Gpu | DeviceRequest::HighPerformance => best(rank_fast),
        DeviceRequest::LowPower => best(rank_thrifty),
        DeviceRequest::Index(i) => Some(*i).filter(|&i| i < all.len()),
        DeviceRequest::Name(part) => {
            names.iter().position(|name| name.to_lowercase().contains(&part.to_lowercase()))
        }
        DeviceRequest::Cpu => None,
    };
    match index {
        Some(i) => Ok(Found::Adapter(all.swap_remove(i))),
        None => Err(Error::NoAdapter { asked: asked(request), found: found(names) }),
    }
}

/// The name and the backend, which tells two drivers of one GPU apart.
pub fn name(info: &wgpu::AdapterInfo) -> String {
    let name = if info.name.is_empty() { "GPU" } else { &info.name };
    format!("{name} ({})", info.backend)
}

fn no_gpu(software: Option<&String>) -> Error {
    // A browser does not name it.
    let software = software.and_then(|name| name.split(" (").next()).filter(|name| *name != "GPU");
    let software = software.map(str::to_owned);
    Error::NoGpu { software }
}

fn asked(request: &DeviceRequest) -> String {
    match request {
        DeviceRequest::Auto => "auto".to_owned(),
        DeviceRequest::Gpu => "gpu".to_owned(),
        DeviceRequest::Cpu => "cpu".to_owned(),
        DeviceRequest::LowPower => "low-power".to_owned(),
        DeviceRequest::HighPerformance => "high-performance".to_owned(),
        DeviceRequest::Index(index) => index.to_string(),
        DeviceRequest::Name(name) => name.clone(),
    }
}

fn found(names: Vec<String>) -> Vec<String> {
    let adapters = names.into_iter().enumerate().map(|(i, name)| format!("{i}: {name}"));
    adapters.chain(["cpu".to_owned()]).collect()
}

fn rank_fast(kind: wgpu::DeviceType) -> u8 {
    match kind {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    }
}

fn rank_thrifty(kind: wgpu::DeviceType) -> u8 {
    match kind {
        wgpu::DeviceType::IntegratedGpu => 0,
        wgpu::DeviceType::DiscreteGpu => 1,
        other => rank_fast(other),
    }
}

#[cfg(not(target_arch = "wasm32"))]
async fn all() -> Vec<wgpu::Adapter> {
    instance().enumerate_adapters(wgpu::Backends::all()).await
}

#[cfg(target_arch = "wasm32")]
async fn all() -> Vec<wgpu::Adapter> {
    let options = wgpu::RequestAdapterOptions {
        power_preference: wgpu::PowerPreference::HighPerformance,
        ..wgpu::RequestAdapterOptions::default()
    };
    instance().request_adapter(&options).await.into_iter().collect()
}

fn instance() -> wgpu::Instance {
    wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle())
}

fn describe(index: usize, adapter: &wgpu::Adapter) -> AdapterInfo {
    let info = adapter.get_info();
    let limits = adapter.limits();
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => "discrete",
        wgpu::DeviceType::IntegratedGpu => "integrated",
        wgpu::DeviceType::VirtualGpu => "virtual",
        wgpu::DeviceType::Cpu => "software",
        wgpu::DeviceType::Other => "other",
    };
    let has = |(feature, _): &(wgpu::Features, &str)| adapter.features().contains(*feature);
    let named = [
        (wgpu::Features::SHADER_F16, "shader-f16"),
        (wgpu::Features::SUBGROUP, "subgroups"),
        (wgpu::Features::TIMESTAMP_QUERY, "timestamp-query"),
    ];
    let features = named.into_iter().filter(has).map(|(_, name)| name.to_owned()).collect();
    let limits = [
        ("maxBufferSize", limits.max_buffer_size),
        ("maxStorageBufferBindingSize", limits.max_storage_buffer_binding_size),
        ("maxStorageBuffersPerShaderStage", limits.max_storage_buffers_per_shader_stage.into()),
        ("maxComputeInvocationsPerWorkgroup", limits.max_compute_invocations_per_workgroup.into()),
        ("maxComputeWorkgroupStorageSize", limits.max_compute_workgroup_storage_size.into()),
        ("maxComputeWorkgroupsPerDimension", limits.max_compute_workgroups_per_dimension.into()),
    ];
    AdapterInfo {
        index,
        name: if info.name.is_empty() { "GPU".to_owned() } else { info.name },
        backend: format!("{:?}", info.backend),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        kind: kind.to_owned(),
        features,
        limits: limits.map(|(name, value)| (name.to_owned(), value)).to_vec(),
    }
}
