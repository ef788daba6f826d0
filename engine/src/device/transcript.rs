//! Calls with what the twins were given and what they answered: known answers for other devices.

use super::{Buffer, Device, Region, cpu};
use crate::error::Result;
use crate::kernels::Access;
use crate::recording::{Call, Op, Recording};

/// One call, its buffers before it and those that it may write after it.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The call. Its buffers are those of the device that answered.
    pub call: Call,
    /// The content of every buffer, in binding order.
    pub before: Vec<Vec<u8>>,
    /// The content of those that the kernel may write, in binding order.
    pub after: Vec<Vec<u8>>,
}

impl Answered {
    /// Runs the call on any device, with equal buffers; returns what stands for `after`.
    ///
    /// # Errors
    /// Those of [`Device::run`].
    pub async fn again(&self, device: &Device) -> Result<Vec<Vec<u8>>> {
        let labelled = self.call.buffers.iter().zip(&self.before);
        let buffers = labelled.map(|(old, bytes)| device.buffer_of(old.label(), bytes));
        let buffers = buffers.collect::<Result<Vec<_>>>()?;
        let mut recording = Recording::new();
        recording.call(Call { buffers: buffers.clone(), ..self.call.clone() });
        device.run(recording, &whole(written(&self.call, &buffers))).await
    }
}

/// Runs everything on the processor, and keeps every call.
pub fn run(ops: &[Op], reads: &[Region<'_>], transcript: &mut Vec<Answered>) -> Result<Vec<Vec<u8>>> {
    for op in ops {
        let one = std::slice::from_ref(op);
        let Op::Call(call) = op else {
            cpu::run(one, &[], None)?;
            continue;
        };
        let before = cpu::run(&[], &whole(call.buffers.iter()), None)?;
        let after = cpu::run(one, &whole(written(call, &call.buffers)), None)?;
        transcript.push(Answered { call: call.clone(), before, after });
    }
    cpu::run(&[], reads, None)
}

fn written<'a>(call: &Call, buffers: &'a [Buffer]) -> impl Iterator<Item = &'a Buffer> {
    let accesses = call.kernel.shader.bindings;
    buffers.iter().zip(accesses).filter(|(_, access)| **access == Access::Write).map(|(buffer, _)| buffer)
}

fn whole<'a>(buffers: impl Iterator<Item = &'a Buffer>) -> Vec<Region<'a>> {
    buffers.map(|buffer| Region { buffer, at: 0, bytes: buffer.n_bytes() }).collect()
}
