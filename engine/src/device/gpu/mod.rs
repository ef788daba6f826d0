//! A GPU through wgpu: Vulkan, Metal or DX12 natively, WebGPU in a browser.

mod adapters;
mod pipelines;
mod readback;
mod timestamps;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use web_time::Instant;

pub use adapters::{AdapterInfo, Found, adapters, find};

use self::pipelines::Pipelines;
use self::readback::{Readback, Staging};
use self::timestamps::Timestamps;
use super::held::{Held, Owner, Share};
use super::profile::{Detail, Profiler};
use super::{Purpose, Region};
use crate::error::{Error, Result};
use crate::recording::{Call, Op};

/// The driver copies what is written and keeps the copy until it has carried it out, which it does with the next
/// submission. A model's weights would all be there twice, so natively they are carried out in parts. (A browser looks
/// after that itself.)
#[cfg(not(target_arch = "wasm32"))]
const MOST_WRITES_BYTES: u64 = 16 << 20;

/// A buffer of the driver's.
#[derive(Debug)]
pub struct Memory {
    buffer: wgpu::Buffer,
    id: u64,
    /// Where the buffer's number is left when it is gone, so that bindings of it are forgotten.
    freed: Arc<Mutex<Vec<u64>>>,
}

impl Drop for Memory {
    fn drop(&mut self) {
        lock(&self.freed).push(self.id);
    }
}

/// One adapter, opened.
pub struct Gpu {
    name: String,
    is_software: bool,
    device: wgpu::Device,
    queue: wgpu::Queue,
    pipelines: Mutex<Pipelines>,
    /// Numbers of buffers that are gone.
    freed: Arc<Mutex<Vec<u64>>>,
    readback: Readback,
    held: Arc<Held>,
    /// Writes of which the driver still has its copies.
    writes: Mutex<Vec<Share>>,
    /// The first thing that went wrong and was not yet reported.
    failure: Arc<Mutex<Option<Error>>>,
    /// Why the driver took the device away; from then on nothing works.
    lost: Arc<Mutex<Option<String>>>,
}

impl Drop for Gpu {
    fn drop(&mut self) {
        // A browser would keep the memory until it happens to collect garbage.
        self.destroy();
    }
}

impl Gpu {
    /// Whether the processor plays GPU. A browser does not tell.
    pub fn is_software(&self) -> bool {
        self.is_software
    }

    /// Asks the adapter for a device: no features but timestamps for profiling, WebGPU's default limits but for
    /// the sizes of buffers. Those are raised where the largest buffer needs it, and to the adapter's where nobody
    /// knows how large it will be.
    pub async fn open(
        adapter: wgpu::Adapter,
        largest_buffer_bytes: Option<u64>,
        purpose: Purpose,
        held: Arc<Held>,
    ) -> Result<Gpu> {
        let most = adapter.limits();
        let most_bytes = most.max_buffer_size.min(most.max_storage_buffer_binding_size);
        if let Some(needed_bytes) = largest_buffer_bytes.filter(|&needed| needed > most_bytes) {
            let what = "the model's largest buffer".to_owned();
            return Err(Error::GpuMemory {
                what,
                needed_bytes,
                held_bytes: 0,
                limit_bytes: Some(most_bytes),
            });
        }
        let wanted_bytes = largest_buffer_bytes.unwrap_or(most_bytes).next_multiple_of(256).min(most_bytes);
        let defaults = wgpu::Limits::defaults();
        let limits = wgpu::Limits {
            max_buffer_size: wanted_bytes.max(defaults.max_buffer_size),
            max_storage_buffer_binding_size: wanted_bytes.max(defaults.max_storage_buffer_binding_size),
            ..defaults
        };
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("fathom"),
            required_features: match purpose {
                Purpose::Running => wgpu::Features::empty(),
                Purpose::Profiling => adapter.features() & timestamps::FEATURE,
            },
            required_limits: limits,
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..wgpu::DeviceDescriptor::default()
        };
        let opened = adapter.request_device(&descriptor).await;
        let (device, queue) = opened.map_err(|e| Error::Gpu(e.to_string()))?;
        let failure = Arc::new(Mutex::new(None));
        let shared = Arc::clone(&failure);
        device.on_uncaptured_error(Arc::new(move |error| {
            lock(&shared).get_or_insert(from_wgpu(&error));
        }));
        let lost = Arc::new(Mutex::new(None));
        let shared = Arc::clone(&lost);
        device.set_device_lost_callback(move |_, message| {
            lock(&shared).get_or_insert(message);
        });
        Ok(Gpu {
            name: adapters::name(&adapter.get_info()),
            is_software: adapter.get_info().device_type == wgpu::DeviceType::Cpu,
            pipelines: Mutex::new(Pipelines::new(&device, Arc::clone(&held))),
            freed: Arc::default(),
            readback: Readback::new(Arc::clone(&held)),
            held,
            writes: Mutex::default(),
            device,
            queue,
            failure,
            lost,
        })
    }

    /// The adapter's name and backend.
    pub fn name(&self) -> String {
        self.name.clone()
    }

    /// Gives the device up; from then on nothing works.
    pub fn destroy(&self) {
        self.device.destroy();
    }

    /// Shader variants that were compiled.
    pub fn n_pipelines(&self) -> u64 {
        lock(&self.pipelines).n_compiled() as u64
    }

    /// A buffer of zeros. `id` is its own number.
    pub fn buffer(&self, label: &str, n_bytes: u64, id: u64) -> Result<Memory> {
        // What nobody uses any more is freed first: bindings keep their buffers alive.
        lock(&self.pipelines).forget(&std::mem::take(&mut *lock(&self.freed)));
        let limits = self.device.limits();
        let limit_bytes = limits.max_buffer_size.min(limits.max_storage_buffer_binding_size);
        let too_large = |limit_bytes| Error::GpuMemory {
            what: label.to_owned(),
            needed_bytes: n_bytes,
            held_bytes: 0,
            limit_bytes,
        };
        if n_bytes > limit_bytes {
            return Err(too_large(Some(limit_bytes)));
        }
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let descriptor =
            wgpu::BufferDescriptor { label: Some(label), size: n_bytes, usage, mapped_at_creation: false };
        let buffer = self.device.create_buffer(&descriptor);
        // Whether the device is gone is told by what is run: whoever goes on elsewhere then does it there.
        match lock(&self.failure).take() {
            Some(Error::GpuMemory { .. }) => Err(too_large(None)),
            Some(error) => Err(self.loss().unwrap_or(error)),
            None => Ok(Memory { buffer, id, freed: Arc::clone(&self.freed) }),
        }
    }

    /// Writes before everything that is submitted afterwards.
    pub fn write(&self, memory: &Memory, at: u64, bytes: &[u8]) {
        self.queue.write_buffer(&memory.buffer, at, bytes);
        self.wrote(bytes.len() as u64);
    }

    /// The driver now has a copy of so many more bytes.
    fn wrote(&self, n_bytes: u64) {
        let mut writes = lock(&self.writes);
        writes.push(self.held.share(Owner::Device, n_bytes));
        #[cfg(not(target_arch = "wasm32"))]
        if writes.iter().map(Share::n_bytes).sum::<u64>() >= MOST_WRITES_BYTES {
            self.queue.submit([]);
            // Whether the device is gone is told by what is run.
            let _ = self.device.poll(wgpu::PollType::wait_indefinitely());
            writes.clear();
        }
    }

    /// Submits everything and waits for the regions.
    pub async fn run(
        &self,
        ops: &[Op],
        reads: &[Region<'_>],
        submissions: &AtomicU64,
        profiler: Option<&mut Profiler>,
    ) -> Result<Vec<Vec<u8>>> {
        let Some(profiler) = profiler else {
            let staging = self.submit(ops, reads, submissions, usize::MAX, None)?;
            return self.wait(staging, reads).await;
        };
        let calls_per_pass = match profiler.detail {
            Detail::Passes => usize::MAX,
            Detail::Kernels => 1,
        };
        let mut timestamps = self.device.features().contains(timestamps::FEATURE).then(Timestamps::default);
        let staging = self.submit(ops, reads, submissions, calls_per_pass, timestamps.as_mut())?;
        let began = Instant::now();
        let read = self.wait(staging, reads).await?;
        profiler.profile.wait_ms += began.elapsed().as_secs_f64() * 1000.0;
        let began = Instant::now();
        if let Some(timestamps) = timestamps {
            let passes = timestamps.read(&self.device, &self.queue).await?;
            match profiler.detail {
                Detail::Passes => profiler.add_compute(passes.iter().sum()),
                Detail::Kernels => {
                    for (call, ms) in calls(ops).zip(passes) {
                        profiler.add_call(call, ms);
                    }
                }
            }
        }
        profiler.profile.own_ms += began.elapsed().as_secs_f64() * 1000.0;
        Ok(read)
    }

    async fn wait(&self, staging: Option<Staging>, reads: &[Region<'_>]) -> Result<Vec<Vec<u8>>> {
        let read = match staging {
            Some(staging) => {
                let read = self.readback.wait(&self.device, staging, reads).await;
                lock(&self.writes).clear();
                read
            }
            None => Ok(vec![]),
        };
        match self.failure() {
            Some(Error::GpuMemory { .. }) => Err(Error::Gpu("it is out of memory".to_owned())),
            Some(error) => Err(error),
            // Numbers that do not come, without an error of ours, are the first sign of a loss.
            None => read.map_err(|error| Error::DeviceLost(error.to_string())),
        }
    }

    /// What went wrong since it was last asked for. Of a device that is gone nothing else is said: whatever is
    /// tried on it fails in its own way.
    fn failure(&self) -> Option<Error> {
        let failure = lock(&self.failure).take();
        if failure.is_some() {
            // The driver tells of a loss only to those who ask.
            let _it_may_be_gone = self.device.poll(wgpu::PollType::Poll);
        }
        self.loss().or(failure)
    }

    fn loss(&self) -> Option<Error> {
        lock(&self.lost).as_ref().map(|message| Error::DeviceLost(message.trim().to_owned()))
    }

    /// The buffer that the regions are copied to, where there are any.
    fn submit(
        &self,
        ops: &[Op],
        reads: &[Region<'_>],
        submissions: &AtomicU64,
        calls_per_pass: usize,
        mut timestamps: Option<&mut Timestamps>,
    ) -> Result<Option<Staging>> {
        let mut pipelines = lock(&self.pipelines);
        pipelines.forget(&std::mem::take(&mut *lock(&self.freed)));
        let offsets = pipelines.write_params(&self.device, &self.queue, calls(ops));
        self.wrote((offsets.len() * pipelines::PARAMS_STRIDE) as u64);
        let bound = calls(ops).map(|call| pipelines.bind(&self.device, call)).collect::<Result<Vec<_>>>()?;
        let mut bound = bound.iter().zip(offsets);

        let new_encoder = || self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let submit = |encoder: wgpu::CommandEncoder| {
            submissions.fetch_add(1, Ordering::Relaxed);
            self.queue.submit([encoder.finish()]);
        };
        let mut encoder = new_encoder();
        let mut is_empty = true;
        let mut rest = ops;
        while !rest.is_empty() {
            let n_calls = rest.iter().take(calls_per_pass).take_while(|op| matches!(op, Op::Call(_))).count();
            if n_calls > 0 {
                is_empty = false;
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                    label: None,
                    timestamp_writes: timestamps.as_mut().map(|timestamps| timestamps.next(&self.device)),
                });
                for (Call { grid: [x, y, z], .. }, (bound, offset)) in calls(&rest[..n_calls]).zip(&mut bound)
                {
                    pass.set_pipeline(&bound.pipeline);
                    pass.set_bind_group(0, &bound.buffers, &[]);
                    pass.set_bind_group(1, pipelines.params(), &[offset]);
                    pass.dispatch_workgroups(*x, *y, *z);
                }
            }
            rest = &rest[n_calls..];
            match rest.first() {
                Some(Op::Copy { from, to, bytes }) => {
                    is_empty = false;
                    encoder.copy_buffer_to_buffer(&from.gpu()?.buffer, 0, &to.gpu()?.buffer, 0, *bytes);
                }
                Some(Op::Cut) if !is_empty => {
                    submit(std::mem::replace(&mut encoder, new_encoder()));
                    is_empty = true;
                }
                Some(Op::Call(_)) | None => continue,
                Some(Op::Cut) => {}
            }
            rest = &rest[1..];
        }
        let staging = self.readback.copy(&self.device, &mut encoder, reads)?;
        submit(encoder);
        Ok(staging)
    }
}

fn calls(ops: &[Op]) -> impl Iterator<Item = &Call> {
    ops.iter().filter_map(|op| match op {
        Op::Call(call) => Some(call),
        _ => None,
    })
}

fn from_wgpu(error: &wgpu::Error) -> Error {
    match error {
        wgpu::Error::OutOfMemory { .. } => Error::GpuMemory {
            what: "its work".to_owned(),
            needed_bytes: 0,
            held_bytes: 0,
            limit_bytes: None,
        },
        other => Error::Gpu(other.to_string().split_whitespace().collect::<Vec<_>>().join(" ")),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
