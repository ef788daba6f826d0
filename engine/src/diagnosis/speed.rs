//! How fast a device is at what decoding a token consists of: reading weights, and starting kernels.

use web_time::Instant;

use crate::device::{Buffer, Device, Region};
use crate::error::Result;
use crate::kernels::Span;
use crate::kernels::linear::{Affine, Epilogue, Linear, NONE};
use crate::kernels::load_rows::LoadRows;
use crate::recording::Recording;
use crate::weights::WeightType;

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed {
    /// f32 weights that the `linear` kernel reads in a second for one row, as when a token is decoded, in bytes.
    pub bytes_per_s: f64,
    /// Bytes that were read for it.
    pub bytes_read: u64,
    /// One more small call in a submission, in µs: what the driver and the device take between two kernels.
    pub us_per_dispatch: f64,
    /// One small call, submitted and its result read back, in ms.
    pub round_trip_ms: f64,
}

/// Two matrices that are read in turn, 64 MiB each: together more than the caches of today's GPUs, each within
/// WebGPU's default limits.
const N_MATRICES: usize = 2;
const N_IN: usize = 1024;
const N_OUT: usize = 16 * 1024;
/// What the reading may take, and how often at the most.
const READING_S: f64 = 0.3;
const MOST_READINGS: usize = 256;

/// What takes longer is measured by less.
const SLOW_S: f64 = 1.0;

/// Calls of the longer submission and of the shorter one.
const MANY: usize = 1000;
const FEW: usize = 10;
/// The width of a small call.
const SMALL: usize = 64;

/// Measures it: a second or two, and a few where the processor stands for a GPU.
///
/// # Errors
/// Those of the device; [`Error::GpuMemory`](crate::Error::GpuMemory) where it has no 128 MiB.
pub async fn measure_speed(device: &Device) -> Result<Speed> {
    let bench = Bench::new(device)?;
    // The first one compiles: it is not counted.
    bench.calls(1).await?;
    let mut round_trips = vec![];
    for _ in 0..21 {
        round_trips.push(bench.calls(1).await?);
    }
    let (bytes_per_s, bytes_read) = bench.reading().await?;
    Ok(Speed {
        bytes_per_s,
        bytes_read,
        us_per_dispatch: bench.dispatch().await? * 1e6,
        round_trip_ms: median(round_trips) * 1e3,
    })
}

struct Bench<'a> {
    device: &'a Device,
    rows: Buffer,
    mask: Buffer,
    x: Buffer,
    y: Buffer,
    s: Buffer,
    unused: Buffer,
    matrices: Vec<Buffer>,
}

impl<'a> Bench<'a> {
    fn new(device: &'a Device) -> Result<Bench<'a>> {
        let numbers = |n: usize| 4 * n as u64;
        let bench = Bench {
            device,
            rows: device.buffer("a row", 16)?,
            mask: device.buffer("a mask", 8)?,
            x: device.buffer_of("a row of numbers", &1f32.to_le_bytes().repeat(N_IN))?,
            y: device.buffer("what comes of it", numbers(N_OUT))?,
            s: device.buffer("a factor", 16)?,
            unused: device.buffer("nothing", 16)?,
            matrices: (0..N_MATRICES)
                .map(|_| device.buffer("a large matrix", numbers(N_IN * N_OUT)))
                .collect::<Result<_>>()?,
        };
        // Not zeros: some memories compress them.
        let row: Vec<u8> = (0..N_IN as u32).flat_map(|i| (1.0 / (i + 1) as f32).to_le_bytes()).collect();
        let piece = row.repeat(1024);
        for matrix in &bench.matrices {
            for at in (0..matrix.n_bytes()).step_by(piece.len()) {
                device.write(matrix, at, &piece)?;
            }
        }
        Ok(bench)
    }

    fn span(&self) -> Span<'_> {
        Span { rows: &self.rows, mask: &self.mask, first: 0, n: 1, step: 1 }
    }

    /// Seconds until a recording is done and 16 bytes of its result are here.
    async fn time(&self, recording: Recording) -> Result<f64> {
        let began = Instant::now();
        self.device.run(recording, &[Region { buffer: &self.y, at: 0, bytes: 16 }]).await?;
        Ok(began.elapsed().as_secs_f64())
    }

    /// So many small calls, each after the one before, as the calls of a forward are.
    async fn calls(&self, n: usize) -> Result<f64> {
        let mut recording = Recording::new();
        for _ in 0..n {
            let (span, x, y) = (self.span(), &self.x, &self.y);
            LoadRows { span, x, y, n: SMALL as u32, plane: None, capacity: 1, n_slots: 1 }
                .record(&mut recording);
        }
        self.time(recording).await
    }

    /// So many matrices times one row.
    async fn products(&self, n: usize) -> Result<f64> {
        let mut recording = Recording::new();
        for w in self.matrices.iter().cycle().take(n) {
            Linear {
                span: self.span(),
                w,
                layer: Affine { weight_type: WeightType::F32, weight: 0, scales: 0, bias: NONE },
                norm: None,
                x: &self.x,
                y: &self.y,
                s: &self.s,
                unused: &self.unused,
                out_row: 0,
                n_in: N_IN as u32,
                n_out: N_OUT as u32,
                epilogue: Epilogue::Store,
            }
            .record(&mut recording);
        }
        self.time(recording).await
    }

    /// Seconds of one more small call.
    async fn dispatch(&self) -> Result<f64> {
        // The first long one makes room for parameters.
        let guess = self.calls(MANY / 4).await? / (MANY / 4) as f64;
        let many = if guess * MANY as f64 > SLOW_S { MANY / 4 } else { MANY };
        self.calls(many).await?;
        // The least of several: what other programs take comes on top of the rest.
        let (mut many_s, mut few_s) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..5 {
            many_s = many_s.min(self.calls(many).await?);
            few_s = few_s.min(self.calls(FEW).await?);
        }
        Ok(((many_s - few_s) / (many - FEW) as f64).max(0.0))
    }

    /// Bytes a second, and bytes. What a submission costs that reads next to nothing is taken off.
    async fn reading(&self) -> Result<(f64, u64)> {
        let overhead = self.calls(1).await?;
        let mut n = N_MATRICES;
        // The memory is really there only after its first use; where reading takes that long it does not matter.
        let mut seconds = self.products(n).await?;
        if seconds < SLOW_S {
            let once = self.products(n).await? / n as f64;
            n = ((READING_S / once) as usize).clamp(2 * n, MOST_READINGS);
            seconds = self.products(n).await?;
        }
        let bytes = n as u64 * self.matrices[0].n_bytes();
        Ok((bytes as f64 / (seconds - overhead).max(f64::EPSILON), bytes))
    }
}

/// Half of them are below.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
