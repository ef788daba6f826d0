//! The list of kernel calls that a forward records, and that a device carries out in order.
//!
//! A recording knows shapes and buffers, no device and no model. It is plain data, so the GPU device and the
//! CPU device run the very same list.

use crate::device::Buffer;
use crate::error::{Error, Result};
use crate::kernels::{Kernel, Span};

/// The most workgroups in one dimension of a grid (a default limit of WebGPU).
const MOST_WORKGROUPS: u32 = 65535;

/// One kernel, its arguments and its grid.
#[derive(Debug, Clone)]
pub struct Call {
    /// Which kernel.
    pub kernel: &'static Kernel,
    /// The shader's `override` constants that differ from their defaults.
    pub constants: Vec<(&'static str, u32)>,
    /// The buffers of group 0, in binding order.
    pub buffers: Vec<Buffer>,
    /// The parameter struct, as bytes.
    pub params: Vec<u8>,
    /// Workgroups in x, y and z.
    pub grid: [u32; 3],
}

impl Call {
    /// The value of an `override` constant, or the default where the call does not set it.
    pub fn constant(&self, name: &str, default: u32) -> u32 {
        self.constants.iter().find(|(n, _)| *n == name).map_or(default, |&(_, value)| value)
    }

    /// A number of the parameter struct by its name, where the kernel has it.
    pub fn field(&self, name: &str) -> Option<u32> {
        let &(_, at) = self.kernel.fields.iter().find(|(field, _)| *field == name)?;
        Some(bytemuck::pod_read_unaligned(self.params.get(at..at + 4)?))
    }

    /// The parameter struct.
    pub fn params<P: bytemuck::Pod>(&self) -> P {
        bytemuck::pod_read_unaligned(&self.params)
    }
}

/// What a device does, step by step.
#[derive(Debug, Clone)]
pub enum Op {
    /// Runs a kernel.
    Call(Call),
    /// Copies whole words from the start of one buffer to the start of another.
    Copy {
        /// The source.
        from: Buffer,
        /// The destination, at least as long.
        to: Buffer,
        /// How many bytes; a multiple of 4.
        bytes: u64,
    },
    /// A good place to hand over what there is so far: operating systems kill what takes seconds.
    Cut,
}

/// A list of operations, and the first thing that is wrong with it.
#[derive(Debug, Default)]
pub struct Recording {
    ops: Vec<Op>,
    wrong: Option<Error>,
}

impl Recording {
    /// Nothing to do yet.
    pub fn new() -> Recording {
        Recording::default()
    }

    /// Appends a call. A grid that is too large is reported when the recording is run.
    pub fn call(&mut self, call: Call) {
        if let Some(&n) = call.grid.iter().find(|&&n| n > MOST_WORKGROUPS) {
            let name = call.kernel.shader.name;
            self.fail(format!("{name}: {n} workgroups are needed, at most {MOST_WORKGROUPS} are possible"));
        }
        // An empty grid computes nothing.
        if !call.grid.contains(&0) {
            self.ops.push(Op::Call(call));
        }
    }

    /// Appends a copy.
    pub fn copy(&mut self, from: &Buffer, to: &Buffer, bytes: u64) {
        self.ops.push(Op::Copy { from: from.clone(), to: to.clone(), bytes });
    }

    /// Allows the device to hand over what was recorded so far.
    pub fn cut(&mut self) {
        self.ops.push(Op::Cut);
    }

    /// Requires of a kernel's argument to hold at least `n` words of four bytes. What falls short is a mistake
    /// of the engine's, reported when the recording is run.
    pub fn expect(&mut self, kernel: &'static Kernel, argument: &str, buffer: &Buffer, n: usize) {
        let found = buffer.n_bytes() / 4;
        if found < n as u64 {
            let name = kernel.shader.name;
            self.fail(format!(
                "{name}: {argument} must hold {n} numbers, found {found} in {}",
                buffer.label()
            ));
        }
    }

    /// Requires of a span that its table holds its rows.
    pub fn expect_span(&mut self, kernel: &'static Kernel, span: &Span<'_>) {
        self.expect(kernel, "rows", span.rows, 4 * (span.first + span.n) as usize);
    }

    fn fail(&mut self, reason: String) {
        self.wrong.get_or_insert(Error::Internal(reason));
    }

    /// The operations, in order.
    ///
    /// # Errors
    /// [`Error::Internal`] where a call did not fit its arguments.
    pub fn into_ops(self) -> Result<Vec<Op>> {
        match self.wrong {
            Some(error) => Err(error),
            None => Ok(self.ops),
        }
    }
}
