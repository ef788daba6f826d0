//! How many bytes of buffers there are on a device, and how many there were at most.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The bytes of one device, in buffers: not what its driver, or a browser, needs beside them.
#[derive(Debug, Default)]
pub struct Held {
    asked: AtomicU64,
    own: AtomicU64,
    peak: AtomicU64,
}

/// Whose bytes they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Somebody asked the device for a buffer.
    Asked,
    /// The device needs them to do its work: parameters, readbacks, writes on their way.
    Device,
}

impl Held {
    /// In buffers that somebody asked for.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// The most of all, since [`Held::forget_peak`].
    pub fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// What was held until now is forgotten.
    pub fn forget_peak(&self) {
        self.peak.store(self.now(), Ordering::Relaxed);
    }

    /// Bytes that are there until the share is dropped.
    pub fn share(self: &Arc<Held>, owner: Owner, n_bytes: u64) -> Share {
        self.of(owner).fetch_add(n_bytes, Ordering::Relaxed);
        self.peak.fetch_max(self.now(), Ordering::Relaxed);
        Share { held: Arc::clone(self), owner, n_bytes }
    }

    fn now(&self) -> u64 {
        self.asked() + self.own.load(Ordering::Relaxed)
    }

    fn of(&self, owner: Owner) -> &AtomicU64 {
        match owner {
            Owner::Asked => &self.asked,
            Owner::Device => &self.own,
        }
    }
}

/// A part of what is held, kept beside the memory that it counts.
#[derive(Debug)]
pub struct Share {
    held: Arc<Held>,
    owner: Owner,
    n_bytes: u64,
}

impl Share {
    /// How many they are.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn n_bytes(&self) -> u64 {
        self.n_bytes
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.held.of(self.owner).fetch_sub(self.n_bytes, Ordering::Relaxed);
    }
}
