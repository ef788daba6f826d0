//! When compute passes began and ended, by the GPU's own clock.

use super::readback;
use crate::error::Result;

/// What they need of an adapter. Asked for only by whoever profiles.
pub const FEATURE: wgpu::Features = wgpu::Features::TIMESTAMP_QUERY;

/// Timestamps of one set; WebGPU's limit.
const SET: u32 = 4096;

/// Two timestamps for each pass of a run.
#[derive(Default)]
pub struct Timestamps {
    sets: Vec<wgpu::QuerySet>,
    n_passes: u32,
}

impl Timestamps {
    /// Those of the next pass.
    pub fn next(&mut self, device: &wgpu::Device) -> wgpu::ComputePassTimestampWrites<'_> {
        let at = 2 * self.n_passes % SET;
        if at == 0 {
            self.sets.push(device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("timestamps"),
                ty: wgpu::QueryType::Timestamp,
                count: SET,
            }));
        }
        self.n_passes += 1;
        wgpu::ComputePassTimestampWrites {
            query_set: &self.sets[self.sets.len() - 1],
            beginning_of_pass_write_index: Some(at),
            end_of_pass_write_index: Some(at + 1),
        }
    }

    /// What each pass took, in ms. Waits for all that was submitted.
    pub async fn read(&self, device: &wgpu::Device, queue: &wgpu::Queue) -> Result<Vec<f64>> {
        if self.n_passes == 0 {
            return Ok(vec![]);
        }
        let buffer = |usage| {
            let size = 8 * u64::from(SET) * self.sets.len() as u64;
            let label = Some("timestamps");
            device.create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false })
        };
        let resolved = buffer(wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC);
        let staging = buffer(wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut rest = 2 * self.n_passes;
        for (set, at) in self.sets.iter().zip((0..).step_by(8 * SET as usize)) {
            // Only those that were written.
            encoder.resolve_query_set(set, 0..rest.min(SET), &resolved, at);
            rest = rest.saturating_sub(SET);
        }
        let n_bytes = 16 * u64::from(self.n_passes);
        encoder.copy_buffer_to_buffer(&resolved, 0, &staging, 0, n_bytes);
        queue.submit([encoder.finish()]);
        let bytes = readback::read(device, &staging, n_bytes).await?;
        let ms_per_tick = f64::from(queue.get_timestamp_period()) / 1e6;
        let ticks: Vec<[u64; 2]> = bytemuck::pod_collect_to_vec(&bytes);
        // A clock may step back between two passes; a pass that took less than nothing took nothing.
        Ok(ticks.iter().map(|[began, ended]| ended.saturating_sub(*began) as f64 * ms_per_tick).collect())
    }
}
