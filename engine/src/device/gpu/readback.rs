//! Numbers from the GPU: copied into a staging buffer by the submission itself, mapped when it is done.

use std::sync::{Arc, Mutex};

use super::lock;
use crate::device::Region;
use crate::device::held::{Held, Owner, Share};
use crate::error::{Error, Result};

/// Staging buffers that are free; usually one, used again and again.
pub struct Readback {
    free: Mutex<Vec<Staging>>,
    held: Arc<Held>,
}

/// What regions are copied to.
pub struct Staging {
    buffer: wgpu::Buffer,
    _share: Share,
}

impl Readback {
    /// Nothing was read yet.
    pub fn new(held: Arc<Held>) -> Readback {
        Readback { free: Mutex::default(), held }
    }

    /// Records the copies into one staging buffer; None where there is nothing to read.
    pub fn copy(
        &self,
        device: &wgpu::Device,
        encoder: &mut wgpu::CommandEncoder,
        reads: &[Region<'_>],
    ) -> Result<Option<Staging>> {
        let n_bytes: u64 = reads.iter().map(|region| region.bytes).sum();
        if n_bytes == 0 {
            return Ok(None);
        }
        let staging = self.take(device, n_bytes);
        let mut at = 0;
        for region in reads {
            let from = &region.buffer.gpu()?.buffer;
            encoder.copy_buffer_to_buffer(from, region.at, &staging.buffer, at, region.bytes);
            at += region.bytes;
        }
        Ok(Some(staging))
    }

    fn take(&self, device: &wgpu::Device, n_bytes: u64) -> Staging {
        let mut free = lock(&self.free);
        match free.iter().position(|staging| staging.buffer.size() >= n_bytes) {
            Some(i) => free.swap_remove(i),
            None => {
                // What is too small now would stay too small.
                free.clear();
                let size = n_bytes.next_power_of_two();
                let buffer = device.create_buffer(&wgpu::BufferDescriptor {
                    label: Some("readback"),
                    size,
                    usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                    mapped_at_creation: false,
                });
                Staging { buffer, _share: self.held.share(Owner::Device, size) }
            }
        }
    }

    /// Waits for the submission and takes the regions apart. In a browser the waiting is the event loop's.
    pub async fn wait(
        &self,
        device: &wgpu::Device,
        staging: Staging,
        reads: &[Region<'_>],
    ) -> Result<Vec<Vec<u8>>> {
        let n_bytes: u64 = reads.iter().map(|region| region.bytes).sum();
        let bytes = read(device, &staging.buffer, n_bytes).await?;
        let mut rest = &bytes[..];
        let regions = reads.iter().map(|region| {
            let (first, others) = rest.split_at(region.bytes as usize);
            rest = others;
            first.to_vec()
        });
        let regions = regions.collect();
        lock(&self.free).push(staging);
        Ok(regions)
    }
}

/// The first bytes of a staging buffer, once everything that was submitted is done.
pub async fn read(device: &wgpu::Device, staging: &wgpu::Buffer, n_bytes: u64) -> Result<Vec<u8>> {
    let (tell, told) = futures_channel::oneshot::channel();
    staging.slice(..n_bytes).map_async(wgpu::MapMode::Read, move |result| {
        let _nobody_waits_any_more = tell.send(result);
    });
    #[cfg(not(target_arch = "wasm32"))]
    device.poll(wgpu::PollType::wait_indefinitely()).map_err(|e| Error::Gpu(e.to_string()))?;
    #[cfg(target_arch = "wasm32")]
    let _the_browser_polls = device;
    let mapped = told.await.map_err(|_| Error::Gpu("the device went away".to_owned()))?;
    mapped.map_err(|e| Error::Gpu(e.to_string()))?;
    let view = staging.slice(..n_bytes).get_mapped_range().map_err(|e| Error::Gpu(e.to_string()))?;
    let bytes = view.to_vec();
    drop(view);
    staging.unmap();
    Ok(bytes)
}
