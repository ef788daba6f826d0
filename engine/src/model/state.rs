//! The buffers of a session: what is cached for each (position, depth), and the rows in work.
//!
//! Plane d is what step d leaves behind: z_L, the prefix sums of z_H, and the keys and values of each of the
//! step's block applications, each in its own buffer; z_H and the halting values of all depths lie in one
//! buffer each, a slab for each depth, because the output stage picks its depth on the GPU. The output blocks'
//! keys and values are kept for each depth in the same way. A plane is made when it is first needed.

use super::blocks::Workspace;
use super::sizes::{CacheBytes, WorkBytes};
use crate::config::Config;
use crate::device::{Buffer, Device};
use crate::error::Result;
use crate::recording::Recording;

/// Rows of one kernel call at the most. More rows are worked off in pieces, which bounds the scratch memory.
pub const MOST_ROWS: usize = 512;

/// Rows that get logits in one go: with GPT-2's vocabulary 13 MB of them.
pub const MOST_LOGITS: usize = 64;

/// What one step leaves behind beside z_H.
#[derive(Debug)]
pub struct Plane {
    /// `[slot, C]`.
    pub z_l: Buffer,
    /// `[slot, C]`: the sum of z_H over the positions up to each one.
    pub sum: Buffer,
    /// Keys and values `[slot, k then v, head, hd up to whole vec4]`, f32, in the order in which a step applies its
    /// blocks.
    pub applications: Vec<Buffer>,
}

/// Buffers that only live within a submission, as long as its longest piece of rows.
#[derive(Debug)]
pub struct Work {
    n_rows: usize,
    n_logits: usize,
    /// What the blocks work in.
    pub blocks: Workspace,
    /// `[n_rows, C]`.
    pub z_h: Buffer,
    /// `[n_rows, C]`.
    pub z_l: Buffer,
    /// `[n_logits, V]`.
    pub logits: Buffer,
    /// `[n_drawn]` of (token, whether a logit is not finite).
    pub drawn: Buffer,
}

/// Everything that a session keeps on the device.
#[derive(Debug)]
pub struct State {
    /// Positions that a sequence may have.
    pub capacity: usize,
    /// Slots of a slab: sequences times capacity.
    pub n_slots: usize,
    /// `[slot]`: the tokens.
    pub tokens: Buffer,
    /// `[slot, C]`: what the input blocks make of them.
    pub x: Buffer,
    /// `[n_input_layers]`: keys and values, as in a plane.
    pub input: Vec<Buffer>,
    /// By depth, from 1 at index 0.
    pub planes: Vec<Plane>,
    /// `[slab, slot, C]`, a slab for each depth.
    pub z_h: Buffer,
    /// `[slab, slot]` of (q_halt, q_continue).
    pub q: Buffer,
    /// `[n_output_layers]`: keys and values, a slab for each depth.
    pub output: Vec<Buffer>,
    /// Depths for which z_h, q and output have room.
    n_slabs: usize,
    pub work: Work,
}

impl State {
    /// Room for one depth of so many sequences of so many positions.
    pub fn new(config: &Config, device: &Device, n_sequences: usize, capacity: usize) -> Result<State> {
        let n_slots = n_sequences * capacity;
        let new = New::of(config, device, n_slots);
        let bytes = new.bytes;
        Ok(State {
            capacity,
            n_slots,
            tokens: new.slots("the tokens", bytes.token, 1)?,
            x: new.slots("the input stage", bytes.x, 1)?,
            input: new.applications(bytes.n_input, 1)?,
            planes: vec![],
            z_h: new.slots("z_H of all depths", bytes.z_h, 1)?,
            q: new.slots("the halting values", bytes.q, 1)?,
            output: new.applications(bytes.n_output, 1)?,
            n_slabs: 1,
            work: new.work(1, 1)?,
        })
    }

    /// Makes the planes up to a depth. What is there already is copied where it has to move.
    pub fn reach(&mut self, config: &Config, device: &Device, r: &mut Recording, depth: usize) -> Result<()> {
        let new = New::of(config, device, self.n_slots);
        let bytes = new.bytes;
        while self.planes.len() < depth {
            self.planes.push(new.plane()?);
        }
        if depth <= self.n_slabs {
            return Ok(());
        }
        let n_slabs = bytes.n_slabs(depth as u64);
        // All are made before any takes its place, so that a lack of memory leaves everything as it was.
        let z_h = new.slots("z_H of all depths", bytes.z_h, n_slabs)?;
        let q = new.slots("the halting values", bytes.q, n_slabs)?;
        let output = new.applications(bytes.n_output, n_slabs)?;
        let mut grow = |old: &mut Buffer, grown: Buffer| {
            r.copy(old, &grown, old.n_bytes());
            *old = grown;
        };
        grow(&mut self.z_h, z_h);
        grow(&mut self.q, q);
        for (old, grown) in self.output.iter_mut().zip(output) {
            grow(old, grown);
        }
        self.n_slabs = n_slabs as usize;
        Ok(())
    }

    /// Makes the scratch buffers long enough.
    pub fn make_room(
        &mut self,
        config: &Config,
        device: &Device,
        n_rows: usize,
        n_logits: usize,
        n_drawn: usize,
    ) -> Result<()> {
        let new = New::of(config, device, self.n_slots);
        let (has_rows, has_logits) = (self.work.n_rows, self.work.n_logits);
        if n_rows > has_rows || n_logits > has_logits {
            self.work = new.work(n_rows.max(has_rows), n_logits.max(has_logits))?;
        }
        if new.drawn_bytes(n_drawn) > self.work.drawn.n_bytes() {
            self.work.drawn = device.buffer("drawn tokens", new.drawn_bytes(n_drawn))?;
        }
        Ok(())
    }
}

struct New<'a> {
    config: &'a Config,
    device: &'a Device,
    n_slots: u64,
    bytes: CacheBytes,
}

impl<'a> New<'a> {
    fn of(config: &'a Config, device: &'a Device, n_slots: usize) -> New<'a> {
        New { config, device, n_slots: n_slots as u64, bytes: CacheBytes::of(config) }
    }

    fn slots(&self, label: &str, slot_bytes: u64, n_slabs: u64) -> Result<Buffer> {
        self.device.buffer(label, slot_bytes * self.n_slots * n_slabs)
    }

    fn applications(&self, n: u64, n_slabs: u64) -> Result<Vec<Buffer>> {
        (0..n).map(|_| self.slots("keys and values", self.bytes.keys_values, n_slabs)).collect()
    }

    fn plane(&self) -> Result<Plane> {
        Ok(Plane {
            z_l: self.slots("z_L of a depth", self.bytes.z_l, 1)?,
            sum: self.slots("sums of z_H", self.bytes.sum, 1)?,
            applications: self.applications(self.bytes.n_step, 1)?,
        })
    }

    fn drawn_bytes(&self, n_drawn: usize) -> u64 {
        WorkBytes::of(self.config).drawn * n_drawn as u64
    }

    fn work(&self, n_rows: usize, n_logits: usize) -> Result<Work> {
        let bytes = WorkBytes::of(self.config);
        let rows = |label: &str, row_bytes: u64| self.device.buffer(label, row_bytes * n_rows as u64);
        let logits = |label: &str, row_bytes: u64| self.device.buffer(label, row_bytes * n_logits as u64);
        Ok(Work {
            n_rows,
            n_logits,
            blocks: Workspace::new(self.device, &bytes, n_rows)?,
            z_h: rows("z_H in work", bytes.embd)?,
            z_l: rows("z_L in work", bytes.embd)?,
            logits: logits("logits", bytes.logits)?,
            drawn: logits("drawn tokens", bytes.drawn)?,
        })
    }
}
