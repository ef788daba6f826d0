//! What a caller may ask for.

use std::str::FromStr;

/// Which device to open. From text: `auto`, `gpu`, `cpu`, `low-power`, `high-performance`, an index into
/// [`adapters`](super::adapters), or a part of an adapter's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceRequest {
    /// A real GPU where there is one, else the CPU.
    Auto,
    /// Any adapter, a software one too; the most capable first.
    Gpu,
    /// This machine's processor.
    Cpu,
    /// The adapter that saves power: an integrated GPU before a discrete one.
    LowPower,
    /// The adapter that computes fastest: a discrete GPU before an integrated one.
    HighPerformance,
    /// The adapter of this index.
    Index(usize),
    /// The first adapter whose name contains this, upper and lower case alike.
    Name(String),
}

impl FromStr for DeviceRequest {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<DeviceRequest, &'static str> {
        Ok(match text {
            "" => return Err("expected auto, gpu, cpu, low-power, high-performance, a name or an index"),
            "auto" => DeviceRequest::Auto,
            "gpu" => DeviceRequest::Gpu,
            "cpu" => DeviceRequest::Cpu,
            "low-power" => DeviceRequest::LowPower,
            "high-performance" => DeviceRequest::HighPerformance,
            _ => text.parse().map_or_else(|_| DeviceRequest::Name(text.to_owned()), DeviceRequest::Index),
        })
    }
}
