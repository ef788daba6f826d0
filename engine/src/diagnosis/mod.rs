//! What is wrong with a device: a known answer for each kernel, and how fast it is.
//!
//! Miniatures of models are read on the processor, with every call of a kernel kept: what it was given and what
//! the twin answered. Another device is given the same, call by call, and has to answer the same. The inputs
//! of a call are equal to the last bit, so errors do not add up, and what is wrong is wrong in that kernel.
//! The processor itself answers for the sums that its answers had on the machine where they were written down.

mod miniatures;
mod speed;

use web_time::Instant;

use crate::device::Device;
use crate::error::Result;
use crate::kernels::{ALL, Kernel};

pub use crate::device::Answered;
pub use miniatures::known_answers;
pub use speed::{Speed, measure_speed};

/// How far a computed number may be from the twin's, as a share of the largest magnitude in its buffer. WebGPU
/// allows an `exp` some 1e-5 in the range that softmax and silu use, and drivers may take weights for zero that
/// half precision holds as subnormal numbers (6e-5, beside 0.25). What is wrong is off by far more.
const ALLOWED: f32 = 3e-4;

/// How far the processor's sums may be from those written down: other libraries' `exp`, nothing else.
const ALLOWED_OF_SUMS: f64 = 1e-6;

/// These decide, choose or copy: their answers are equal to the bit.
const EXACT: [&str; 6] = ["decide", "feed", "halt", "load_rows", "sample", "store_rows"];

/// Those whose answers are whole numbers.
const WHOLE: [&str; 4] = ["decide", "feed", "halt", "sample"];

/// What [`Sums::of`] made of the answers on x86-64 with AVX2.
const SUMS: [(&str, Sums); 13] = [
    ("attention", Sums { weighted: -191.137518820004, magnitudes: 473094.00915991946 }),
    ("decide", Sums { weighted: 35.00356734637171, magnitudes: 1992.0 }),
    ("embed", Sums { weighted: 9.668955379963796, magnitudes: 29393.241341692556 }),
    ("feed", Sums { weighted: 4013.2960252896883, magnitudes: 80259.0 }),
    ("halt", Sums { weighted: 7.296198794152588, magnitudes: 528.0 }),
    ("inject", Sums { weighted: 5.973115496929593, magnitudes: 708433.0713291892 }),
    ("linear", Sums { weighted: -281.76220500847506, magnitudes: 3548808.64723313 }),
    ("load_rows", Sums { weighted: -102.139270320482, magnitudes: 110839.21825201483 }),
    ("movement", Sums { weighted: -77.921224938615, magnitudes: 11069.911098962213 }),
    ("prefix_sum", Sums { weighted: 203.84340449788994, magnitudes: 256558.92903347136 }),
    ("q_head", Sums { weighted: -1.943393575499468, magnitudes: 1361.0639547258615 }),
    ("sample", Sums { weighted: 205.57957194186747, magnitudes: 7140.0 }),
    ("store_rows", Sums { weighted: -144.35368007259208, magnitudes: 79955.9662879952 }),
];

/// How a kernel did.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelCheck {
    /// Its name.
    pub kernel: &'static str,
    /// Calls with a known answer.
    pub n_calls: usize,
    /// The largest difference, as a share of the largest magnitude in its buffer; infinite where a number is
    /// none or a driver gave up.
    pub largest_error: f32,
    /// How large it may be.
    pub allowed: f32,
    /// What the driver said, where it gave up.
    pub failure: Option<String>,
}

impl KernelCheck {
    /// Its answers were right.
    pub fn is_right(&self) -> bool {
        // Written so that a NaN is wrong; without a call nothing is known.
        self.failure.is_none() && self.n_calls > 0 && self.largest_error <= self.allowed
    }
}

/// How every kernel did, and what compiling them took.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelChecks {
    /// By name, up to the one at which a driver gave up.
    pub kernels: Vec<KernelCheck>,
    /// Shader variants that were compiled for it; none on the processor.
    pub n_pipelines: u64,
    /// How long that took, in ms.
    pub compile_ms: f64,
}

impl KernelChecks {
    /// All answers were right.
    pub fn are_right(&self) -> bool {
        self.kernels.iter().all(KernelCheck::is_right)
    }
}

/// Gives a device the calls of [`known_answers`] and compares. What it cannot do is part of the result.
pub async fn check_kernels(device: &Device, answers: &[Answered]) -> KernelChecks {
    let mut compile_ms = 0.0;
    let mut kernels = Vec::with_capacity(ALL.len());
    for kernel in ALL {
        let of_kernel: Vec<&Answered> = answers.iter().filter(|answer| is_of(answer, kernel)).collect();
        let check = if device.is_cpu() {
            check_sums(kernel, &of_kernel)
        } else {
            check_calls(device, kernel, &of_kernel, &mut compile_ms).await
        };
        // A driver that gave up would give up at whatever comes next, which is not to blame.
        let is_over = check.failure.is_some();
        kernels.push(check);
        if is_over {
            break;
        }
    }
    KernelChecks { kernels, n_pipelines: device.counts().pipelines, compile_ms }
}

fn is_of(answer: &Answered, kernel: &Kernel) -> bool {
    answer.call.kernel.shader.name == kernel.shader.name
}

async fn check_calls(
    device: &Device,
    kernel: &Kernel,
    answers: &[&Answered],
    compile_ms: &mut f64,
) -> KernelCheck {
    let name = kernel.shader.name;
    let allowed = if EXACT.contains(&name) { 0.0 } else { ALLOWED };
    let mut check =
        KernelCheck { kernel: name, n_calls: answers.len(), largest_error: 0.0, allowed, failure: None };
    for answer in answers {
        match answer_again(device, answer, compile_ms).await {
            Ok(found) => {
                for (found, expected) in found.iter().zip(&answer.after) {
                    let error = match found == expected {
                        true => 0.0,
                        // Another depth or token: there is no nearly right.
                        false if WHOLE.contains(&name) => 1.0,
                        false => error_of(found, expected),
                    };
                    check.largest_error = check.largest_error.max(error);
                }
            }
            Err(error) => {
                check.largest_error = f32::INFINITY;
                check.failure = Some(error.to_string());
                break;
            }
        }
    }
    check
}

/// What the first call of a variant takes longer than the second is its compilation.
async fn answer_again(device: &Device, answer: &Answered, compile_ms: &mut f64) -> Result<Vec<Vec<u8>>> {
    let n_pipelines = device.counts().pipelines;
    let began = Instant::now();
    let found = answer.again(device).await?;
    if device.counts().pipelines > n_pipelines {
        let first = began.elapsed();
        let began = Instant::now();
        answer.again(device).await?;
        *compile_ms += first.saturating_sub(began.elapsed()).as_secs_f64() * 1000.0;
    }
    Ok(found)
}

/// The largest difference of two buffers of f32, as a share of the largest magnitude; infinite where one of two
/// different numbers is none.
fn error_of(found: &[u8], expected: &[u8]) -> f32 {
    let floats = |bytes: &[u8]| bytemuck::pod_collect_to_vec::<u8, f32>(bytes);
    let (found, expected) = (floats(found), floats(expected));
    let largest = expected.iter().filter(|x| x.is_finite()).fold(f32::MIN_POSITIVE, |m, x| m.max(x.abs()));
    let apart = |(f, e): (&f32, &f32)| match (f - e).abs() / largest {
        _ if f.to_bits() == e.to_bits() => 0.0,
        apart if apart.is_finite() => apart,
        _ => f32::INFINITY,
    };
    found.iter().zip(&expected).map(apart).fold(0.0, f32::max)
}

/// The twins themselves, against what they answered when this was written.
fn check_sums(kernel: &Kernel, answers: &[&Answered]) -> KernelCheck {
    let name = kernel.shader.name;
    let known = SUMS.iter().find(|(kernel, _)| *kernel == name).map(|(_, sums)| *sums);
    let found = Sums::of(name, answers);
    let apart = known.map_or(f64::INFINITY, |known| found.apart(known));
    KernelCheck {
        kernel: name,
        n_calls: answers.len(),
        largest_error: if apart.is_nan() { f32::INFINITY } else { apart as f32 },
        allowed: ALLOWED_OF_SUMS as f32,
        failure: None,
    }
}

/// All numbers that a kernel wrote, in two sums.
#[derive(Debug, Clone, Copy)]
struct Sums {
    /// Each number times a weight of its own between -1 and 1.
    weighted: f64,
    /// Their magnitudes.
    magnitudes: f64,
}

impl Sums {
    fn of(kernel: &str, answers: &[&Answered]) -> Sums {
        // Weyl's sequence of the golden ratio.
        const GOLDEN: u32 = 0x9e37_79b9;
        let mut sums = Sums { weighted: 0.0, magnitudes: 0.0 };
        let mut word = 0u32;
        let written = answers.iter().flat_map(|answer| &answer.after);
        for bytes in written.flat_map(|bytes| bytes.as_chunks::<4>().0) {
            word = word.wrapping_add(GOLDEN);
            let bits = u32::from_le_bytes(*bytes);
            let value = match WHOLE.contains(&kernel) {
                false => f64::from(f32::from_bits(bits)),
                // Depths, positions and tokens; `halt` hands on halting values too, whose bits are no numbers.
                true if bits <= u32::from(u16::MAX) => f64::from(bits),
                true => 0.0,
            };
            sums.weighted += value * (f64::from(word) / f64::from(1u32 << 31) - 1.0);
            sums.magnitudes += value.abs();
        }
        sums
    }

    /// Both differences, as a share of the known magnitudes.
    fn apart(self, known: Sums) -> f64 {
        let weighted = (self.weighted - known.weighted).abs();
        let magnitudes = (self.magnitudes - known.magnitudes).abs();
        // A NaN stays one.
        (weighted + magnitudes) / known.magnitudes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(numbers: &[f32]) -> Vec<u8> {
        numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
    }

    #[test]
    fn errors_are_shares_of_the_largest() {
        let expected = bytes(&[1.0, -4.0, 0.0]);
        assert_eq!(error_of(&expected, &expected), 0.0);
        assert_eq!(error_of(&bytes(&[1.0, -4.0, 1.0]), &expected), 0.25);
        assert_eq!(error_of(&bytes(&[f32::NAN, -4.0, 0.0]), &expected), f32::INFINITY);
        assert_eq!(error_of(&bytes(&[f32::INFINITY, -4.0, 0.0]), &expected), f32::INFINITY);
    }

    #[test]
    fn every_kernel_has_a_sum() {
        let names: Vec<&str> = ALL.iter().map(|kernel| kernel.shader.name).collect();
        assert_eq!(SUMS.map(|(name, _)| name).to_vec(), names);
    }
}
