//! This machine's processor: runs a recording's twins one after the other; a twin itself may use all threads.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use web_time::Instant;

use super::profile::Profiler;
use super::{Buffer, Region};
use crate::error::{Error, Result};
use crate::kernels::{Access, Bindings, Words};
use crate::recording::{Call, Op};

/// Words of four bytes; a lock in place of WebGPU's rule that a call may not read and write one buffer.
pub type Memory = RwLock<Vec<u32>>;

/// The device's name.
pub fn name() -> String {
    match rayon::current_num_threads() {
        1 => "cpu, 1 thread".to_owned(),
        n => format!("cpu, {n} threads"),
    }
}

/// A buffer of zeros; the operating system provides the memory when it is first touched.
pub fn buffer(label: &str, n_bytes: u64) -> Result<Memory> {
    let too_large = || Error::GpuMemory {
        what: label.to_owned(),
        needed_bytes: n_bytes,
        held_bytes: 0,
        limit_bytes: None,
    };
    let n = usize::try_from(n_bytes / 4).map_err(|_| too_large())?;
    // A trial reservation, because the zeroed allocation below cannot fail gracefully.
    Vec::<u32>::new().try_reserve_exact(n).map_err(|_| too_large())?;
    Ok(RwLock::new(vec![0; n]))
}

/// Writes whole words.
pub fn write(memory: &Memory, at: u64, bytes: &[u8]) -> Result<()> {
    let mut words = memory.write().unwrap_or_else(PoisonError::into_inner);
    let all: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
    all[at as usize..][..bytes.len()].copy_from_slice(bytes);
    Ok(())
}

/// Runs everything and reads the regions.
pub fn run(ops: &[Op], reads: &[Region<'_>], mut profiler: Option<&mut Profiler>) -> Result<Vec<Vec<u8>>> {
    let began = Instant::now();
    let mut all = || {
        ops.iter().try_for_each(|op| match (op, &mut profiler) {
            (Op::Call(call), Some(profiler)) => {
                let began = Instant::now();
                call_twin(call)?;
                profiler.add_call(call, began.elapsed().as_secs_f64() * 1000.0);
                Ok(())
            }
            _ => carry_out(op),
        })
    };
    // Within the thread pool from the start, so that each call need not enter it anew.
    #[cfg(not(target_arch = "wasm32"))]
    rayon::scope(|_| all())?;
    #[cfg(target_arch = "wasm32")]
    all()?;
    let read = reads.iter().map(read).collect();
    if let Some(profiler) = profiler {
        profiler.profile.wait_ms += began.elapsed().as_secs_f64() * 1000.0;
    }
    read
}

fn read(region: &Region<'_>) -> Result<Vec<u8>> {
    let words = read_lock(region.buffer)?;
    let all: &[u8] = bytemuck::cast_slice(&words);
    Ok(all[region.at as usize..][..region.bytes as usize].to_vec())
}

fn carry_out(op: &Op) -> Result<()> {
    match op {
        Op::Call(call) => call_twin(call),
        Op::Copy { from, to, bytes } => {
            let n = (bytes / 4) as usize;
            write_lock(to)?[..n].copy_from_slice(&read_lock(from)?[..n]);
            Ok(())
        }
        Op::Cut => Ok(()),
    }
}

enum Guard<'a> {
    Read(RwLockReadGuard<'a, Vec<u32>>),
    Write(RwLockWriteGuard<'a, Vec<u32>>),
}

fn call_twin(call: &Call) -> Result<()> {
    let accesses = call.kernel.shader.bindings.iter().zip(&call.buffers);
    let mut guards = accesses
        .map(|(access, buffer)| {
            Ok(match access {
                Access::Read => Guard::Read(read_lock(buffer)?),
                Access::Write => Guard::Write(write_lock(buffer)?),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let words = guards.iter_mut().map(|guard| match guard {
        Guard::Read(words) => Words::Read(words),
        Guard::Write(words) => Words::Write(words),
    });
    (call.kernel.twin)(call, Bindings::new(words.collect()));
    Ok(())
}

fn read_lock(buffer: &Buffer) -> Result<RwLockReadGuard<'_, Vec<u32>>> {
    buffer.cpu()?.try_read().map_err(|_| aliased(buffer))
}

fn write_lock(buffer: &Buffer) -> Result<RwLockWriteGuard<'_, Vec<u32>>> {
    buffer.cpu()?.try_write().map_err(|_| aliased(buffer))
}

fn aliased(buffer: &Buffer) -> Error {
    Error::Internal(format!("{} is read and written by one call", buffer.label()))
}
