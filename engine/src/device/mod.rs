//! Where recordings run: a GPU through wgpu, or this machine's processor.
//!
//! Everything that knows wgpu, threads or the platform is in this folder; nothing in it knows a model.

mod cpu;
mod gpu;
mod held;
mod profile;
mod request;
mod transcript;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use gpu::{AdapterInfo, adapters};
pub use profile::{Detail, KernelTime, Profile};
pub use request::DeviceRequest;
pub use transcript::Answered;

use self::held::{Held, Owner, Share};
use self::profile::Profiler;
use crate::error::{Error, Result};
use crate::recording::{Op, Recording};

/// Something to compute on.
pub struct Device {
    kind: Kind,
    name: String,
    fallback: Option<Error>,
    next_id: AtomicU64,
    poisons: AtomicBool,
    looks_ahead: AtomicBool,
    most_bytes: AtomicU64,
    counters: Counters,
    held: Arc<Held>,
    transcript: Mutex<Option<Vec<Answered>>>,
    profiler: Mutex<Option<Profiler>>,
}

/// What a device is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Running,
    /// With timestamp queries, where the adapter has them.
    Profiling,
}

enum Kind {
    Gpu(Box<gpu::Gpu>),
    Cpu,
}

impl Device {
    /// Opens what was asked for.
    ///
    /// # Errors
    /// [`Error::NoAdapter`], [`Error::Gpu`].
    pub async fn open(request: &DeviceRequest) -> Result<Device> {
        Device::open_with(request, None, Purpose::Running).await
    }

    /// The same for a model whose largest buffer is known: limits above WebGPU's defaults are only asked for
    /// where it needs them. `auto` takes the CPU where the GPU cannot be opened or has no room for such a buffer.
    ///
    /// # Errors
    /// Those of [`Device::open`]; [`Error::GpuMemory`] where the adapter has no room for such a buffer.
    pub async fn open_for(request: &DeviceRequest, largest_buffer_bytes: u64) -> Result<Device> {
        Device::open_with(request, Some(largest_buffer_bytes), Purpose::Running).await
    }

    /// The same as [`Device::open`], with the timestamps that [`Device::profile`] reads on a GPU.
    ///
    /// # Errors
    /// Those of [`Device::open`].
    pub async fn open_for_profiling(request: &DeviceRequest) -> Result<Device> {
        Device::open_with(request, None, Purpose::Profiling).await
    }

    async fn open_with(
        request: &DeviceRequest,
        largest_buffer_bytes: Option<u64>,
        purpose: Purpose,
    ) -> Result<Device> {
        let held = Arc::new(Held::default());
        let gpu = match gpu::find(request).await? {
            gpu::Found::Adapter(adapter) => {
                gpu::Gpu::open(adapter, largest_buffer_bytes, purpose, Arc::clone(&held)).await
            }
            gpu::Found::Cpu { fallback } => return Ok(Device::cpu(fallback)),
        };
        match gpu {
            Ok(gpu) => Ok(Device::new(gpu.name(), Kind::Gpu(Box::new(gpu)), held, None)),
            Err(error) if *request == DeviceRequest::Auto => Ok(Device::cpu(Some(error))),
            Err(error) => Err(error),
        }
    }

    /// This machine's processor, and why it is taken where a GPU was wanted.
    pub(crate) fn cpu(fallback: Option<Error>) -> Device {
        Device::new(cpu::name(), Kind::Cpu, Arc::default(), fallback)
    }

    fn new(name: String, kind: Kind, held: Arc<Held>, fallback: Option<Error>) -> Device {
        let (next_id, poisons, counters) = Default::default();
        let looks_ahead = matches!(&kind, Kind::Gpu(gpu) if !gpu.is_software()).into();
        let (most_bytes, transcript, profiler) = (u64::MAX.into(), Mutex::default(), Mutex::default());
        Device {
            kind,
            name,
            fallback,
            next_id,
            poisons,
            looks_ahead,
            most_bytes,
            counters,
            held,
            transcript,
            profiler,
        }
    }

    /// Its name, for people.
    pub fn name(&self) -> String {
        self.name.clone()
    }

    /// Why `auto` did not take a GPU, in one sentence; None where there is nothing to explain.
    pub fn why(&self) -> Option<String> {
        self.fallback.as_ref().map(|error| format!("{error}: the processor itself computes"))
    }

    /// What stood against a GPU where `auto` took the processor.
    pub fn fallback(&self) -> Option<&Error> {
        self.fallback.as_ref()
    }

    /// Whether recordings run on this machine's processor.
    pub fn is_cpu(&self) -> bool {
        matches!(self.kind, Kind::Cpu)
    }

    /// Whether steps that may not be needed are recorded with those that are: where a round trip to the host costs more
    /// than their calls, of which every row is masked. Not on the processor, nor where it plays GPU.
    pub fn looks_ahead(&self) -> bool {
        self.looks_ahead.load(Ordering::Relaxed)
    }

    /// Looks ahead from now on, or not: what a device of another kind would do. For tests.
    #[doc(hidden)]
    pub fn look_ahead(&self, looks_ahead: bool) {
        self.looks_ahead.store(looks_ahead, Ordering::Relaxed);
    }

    /// What was done since the device was opened.
    pub fn counts(&self) -> Counts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            submissions: get(&self.counters.submissions),
            readbacks: get(&self.counters.readbacks),
            calls: get(&self.counters.calls),
            pipelines: match &self.kind {
                Kind::Gpu(gpu) => gpu.n_pipelines(),
                Kind::Cpu => 0,
            },
            largest_buffer_bytes: get(&self.counters.largest_buffer_bytes),
            held_bytes: self.held.asked(),
            peak_bytes: self.held.peak(),
        }
    }

    /// A buffer, of zeros at first.
    ///
    /// # Errors
    /// [`Error::GpuMemory`].
    pub fn buffer(&self, label: &str, n_bytes: u64) -> Result<Buffer> {
        // Whole vec4, and never empty: bindings may not be.
        let n_bytes = n_bytes.max(1).next_multiple_of(16);
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.counters.largest_buffer_bytes.fetch_max(n_bytes, Ordering::Relaxed);
        let held_bytes = self.held.asked();
        let most_bytes = self.most_bytes.load(Ordering::Relaxed);
        let no_room = |limit_bytes| Error::GpuMemory {
            what: label.to_owned(),
            needed_bytes: n_bytes,
            held_bytes,
            limit_bytes,
        };
        if held_bytes.saturating_add(n_bytes) > most_bytes {
            return Err(no_room(Some(most_bytes)));
        }
        let memory = match &self.kind {
            Kind::Gpu(gpu) => gpu.buffer(label, n_bytes, id).map(Memory::Gpu),
            Kind::Cpu => cpu::buffer(label, n_bytes).map(Memory::Cpu),
        };
        let memory = memory.map_err(|error| match error {
            Error::GpuMemory { limit_bytes, .. } => no_room(limit_bytes),
            other => other,
        })?;
        let share = self.held.share(Owner::Asked, n_bytes);
        let inner = Inner { id, label: label.to_owned(), n_bytes, memory, _share: share };
        #[allow(clippy::arc_with_non_send_sync)] // in a browser nothing leaves its thread
        let buffer = Buffer { inner: Arc::new(inner) };
        if self.poisons.load(Ordering::Relaxed) {
            self.write(&buffer, 0, &f32::NAN.to_le_bytes().repeat((n_bytes / 4) as usize))?;
        }
        Ok(buffer)
    }

    /// From now on [`Counts::peak_bytes`] is what is there now, and what comes.
    pub fn forget_peak(&self) {
        self.held.forget_peak();
    }

    /// For tests: from now on new buffers hold NaN, not zeros, so that what is read unwritten shows.
    pub fn poison_new_buffers(&self) {
        self.poisons.store(true, Ordering::Relaxed);
    }

    /// For tests: from now on the device has room for so many bytes in all.
    pub fn limit_memory(&self, bytes: u64) {
        self.most_bytes.store(bytes, Ordering::Relaxed);
    }

    /// For tests: the device is lost, as when its driver crashes. The processor is never lost.
    pub fn lose(&self) {
        if let Kind::Gpu(gpu) = &self.kind {
            gpu.destroy();
        }
    }

    /// From now on it is measured where the time of runs goes. A GPU times its kernels only if it was opened with
    /// [`Device::open_for_profiling`] and has a clock. Runs of several threads at once are not told apart.
    pub fn profile(&self, detail: Detail) {
        *self.profiler() = Some(Profiler::new(detail));
    }

    /// What was measured, and an end of measuring.
    pub fn take_profile(&self) -> Profile {
        self.profiler().take().map(Profiler::finish).unwrap_or_default()
    }

    fn profiler(&self) -> MutexGuard<'_, Option<Profiler>> {
        self.profiler.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the processor's twins keep what they were given and what they answered, call by call.
    pub(crate) fn keep_transcript(&self) {
        *self.transcript() = Some(vec![]);
    }

    /// What was kept, and an end of keeping.
    pub(crate) fn take_transcript(&self) -> Vec<Answered> {
        self.transcript().take().unwrap_or_default()
    }

    fn transcript(&self) -> MutexGuard<'_, Option<Vec<Answered>>> {
        self.transcript.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A buffer with this content.
    ///
    /// # Errors
    /// Those of [`Device::buffer`] and [`Device::write`].
    pub fn buffer_of(&self, label: &str, bytes: &[u8]) -> Result<Buffer> {
        let buffer = self.buffer(label, bytes.len() as u64)?;
        self.write(&buffer, 0, bytes)?;
        Ok(buffer)
    }

    /// Writes whole words into a buffer, before everything that is run afterwards.
    ///
    /// # Errors
    /// [`Error::Internal`] where the bytes do not fit.
    pub fn write(&self, buffer: &Buffer, at: u64, bytes: &[u8]) -> Result<()> {
        if at + bytes.len() as u64 > buffer.n_bytes()
            || !at.is_multiple_of(4)
            || !bytes.len().is_multiple_of(4)
        {
            let (n, label, room) = (bytes.len(), buffer.label(), buffer.n_bytes());
            return Err(Error::Internal(format!(
                "{n} bytes do not fit at {at} into {label} of {room} bytes"
            )));
        }
        match (&self.kind, &buffer.inner.memory) {
            (Kind::Gpu(gpu), Memory::Gpu(memory)) => gpu.write(memory, at, bytes),
            (Kind::Cpu, Memory::Cpu(memory)) => cpu::write(memory, at, bytes)?,
            _ => return Err(foreign(buffer)),
        }
        Ok(())
    }

    /// Runs a recording and reads regions back, all of them in one readback; none where none are named.
    ///
    /// # Errors
    /// [`Error::Internal`] where the recording is faulty; [`Error::Gpu`], [`Error::GpuMemory`] where the
    /// driver says so; [`Error::DeviceLost`].
    pub async fn run(&self, recording: Recording, reads: &[Region<'_>]) -> Result<Vec<Vec<u8>>> {
        let ops = recording.into_ops()?;
        let n_calls = ops.iter().filter(|op| matches!(op, Op::Call(_))).count();
        self.counters.calls.fetch_add(n_calls as u64, Ordering::Relaxed);
        self.counters.readbacks.fetch_add(u64::from(!reads.is_empty()), Ordering::Relaxed);
        // Taken out meanwhile: runs of several threads must not wait for each other.
        let mut profiler = self.profiler().take();
        let read = self.run_ops(&ops, reads, profiler.as_mut()).await;
        if profiler.is_some() {
            *self.profiler() = profiler;
        }
        read
    }

    async fn run_ops(
        &self,
        ops: &[Op],
        reads: &[Region<'_>],
        profiler: Option<&mut Profiler>,
    ) -> Result<Vec<Vec<u8>>> {
        match &self.kind {
            Kind::Gpu(gpu) => gpu.run(ops, reads, &self.counters.submissions, profiler).await,
            Kind::Cpu => {
                self.counters.submissions.fetch_add(1, Ordering::Relaxed);
                let kept = self.transcript().take();
                let Some(mut transcript) = kept else { return cpu::run(ops, reads, profiler) };
                let read = transcript::run(ops, reads, &mut transcript);
                *self.transcript() = Some(transcript);
                read
            }
        }
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Device({})", self.name)
    }
}

/// What a device did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lists of work handed to the driver.
    pub submissions: u64,
    /// Times that the host waited for numbers.
    pub readbacks: u64,
    /// Kernel calls.
    pub calls: u64,
    /// Shader variants that were compiled.
    pub pipelines: u64,
    /// The size of the largest buffer.
    pub largest_buffer_bytes: u64,
    /// The size of all buffers that are there now.
    pub held_bytes: u64,
    /// The most that there was at a time since [`Device::forget_peak`], with what the device itself needs: the
    /// parameters of calls, readbacks, and writes that are on their way.
    pub peak_bytes: u64,
}

#[derive(Debug, Default)]
struct Counters {
    submissions: AtomicU64,
    readbacks: AtomicU64,
    calls: AtomicU64,
    largest_buffer_bytes: AtomicU64,
}

/// Memory of a device. Cheap to clone; the memory is freed with the last clone.
#[derive(Debug, Clone)]
pub struct Buffer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    id: u64,
    label: String,
    n_bytes: u64,
    memory: Memory,
    /// Of what the device holds.
    _share: Share,
}

#[derive(Debug)]
enum Memory {
    Gpu(gpu::Memory),
    Cpu(cpu::Memory),
}

impl Buffer {
    /// What it holds, for error messages.
    pub fn label(&self) -> &str {
        &self.inner.label
    }

    /// Its size in bytes, a multiple of 16.
    pub fn n_bytes(&self) -> u64 {
        self.inner.n_bytes
    }

    fn id(&self) -> u64 {
        self.inner.id
    }

    fn gpu(&self) -> Result<&gpu::Memory> {
        match &self.inner.memory {
            Memory::Gpu(memory) => Ok(memory),
            Memory::Cpu(_) => Err(foreign(self)),
        }
    }

    fn cpu(&self) -> Result<&cpu::Memory> {
        match &self.inner.memory {
            Memory::Cpu(memory) => Ok(memory),
            Memory::Gpu(_) => Err(foreign(self)),
        }
    }
}

/// A part of a buffer, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Region<'a> {
    /// The buffer.
    pub buffer: &'a Buffer,
    /// Where it begins; a multiple of 4.
    pub at: u64,
    /// How long it is; a multiple of 4.
    pub bytes: u64,
}

fn foreign(buffer: &Buffer) -> Error {
    Error::Internal(format!("{} belongs to another device", buffer.label()))
}
