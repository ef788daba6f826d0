//! Where the time of runs goes: in each kernel, and in waiting for the numbers.

use crate::kernels::linear;
use crate::recording::Call;

/// How closely a profile looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// At each compute pass as a whole: the device runs as it does without a profile.
    Passes,
    /// At each kernel call. On a GPU every call gets a pass of its own, which costs a little.
    Kernels,
}

/// What was measured since [`Device::profile`](super::Device::profile).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Profile {
    /// In kernels, in ms, by the device's own clock; None on a GPU without timestamp queries.
    pub compute_ms: Option<f64>,
    /// From the last submission of each run until its numbers were here, in ms. The kernels ran meanwhile.
    pub wait_ms: f64,
    /// What the profile itself took, in ms: runs were longer by this.
    pub own_ms: f64,
    /// Kernels with [`Detail::Kernels`], and on the processor always; what took longest comes first.
    pub kernels: Vec<KernelTime>,
}

/// The calls of one variant of a kernel.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelTime {
    /// The kernel's name.
    pub kernel: &'static str,
    /// The `override` constants that the calls set.
    pub variant: Vec<(&'static str, u32)>,
    /// Those of the parameters `n_rows`, `n_in` and `n_out` that the kernel has.
    pub shape: Vec<(&'static str, u32)>,
    /// Calls.
    pub n_calls: u64,
    /// Together, in ms.
    pub ms: f64,
    /// Weights that a product with a matrix read, each counted once a call, in bytes.
    pub weight_bytes: u64,
}

/// A profile in the making.
pub struct Profiler {
    pub detail: Detail,
    pub profile: Profile,
}

impl Profiler {
    pub fn new(detail: Detail) -> Profiler {
        Profiler { detail, profile: Profile::default() }
    }

    /// A part of [`Profile::compute_ms`].
    pub fn add_compute(&mut self, ms: f64) {
        *self.profile.compute_ms.get_or_insert(0.0) += ms;
    }

    /// A call, and what it took.
    pub fn add_call(&mut self, call: &Call, ms: f64) {
        self.add_compute(ms);
        let kernel = call.kernel.shader.name;
        let fields = ["n_rows", "n_in", "n_out"].into_iter();
        let shape: Vec<_> = fields.filter_map(|name| Some((name, call.field(name)?))).collect();
        let kernels = &mut self.profile.kernels;
        let is_same = |k: &KernelTime| k.kernel == kernel && k.variant == call.constants && k.shape == shape;
        let at = kernels.iter().position(is_same).unwrap_or_else(|| {
            let variant = call.constants.clone();
            kernels.push(KernelTime { kernel, variant, shape, n_calls: 0, ms: 0.0, weight_bytes: 0 });
            kernels.len() - 1
        });
        kernels[at].n_calls += 1;
        kernels[at].ms += ms;
        if std::ptr::eq(call.kernel, &linear::KERNEL) {
            kernels[at].weight_bytes += linear::weight_bytes(call);
        }
    }

    /// What was measured, sorted.
    pub fn finish(mut self) -> Profile {
        self.profile.kernels.sort_by(|a, b| b.ms.total_cmp(&a.ms));
        self.profile
    }
}
