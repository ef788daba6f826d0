//! One look at a whole text, without a generator: for comparing engines, and for seeing how deep each prefix goes.

use std::sync::Arc;

use crate::error::Result;
use crate::halting::{DepthControl, HaltedBy};
use crate::model::Model;
use crate::sampler::Sampling;
use crate::session::{Prefix, Read, Session};

/// Which positions' logits are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Positions {
    /// Only those that the next token is chosen by.
    Last,
    /// All, each read at the depth of the whole text, as the authors' code does.
    All,
}

/// What one forward gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Forward {
    /// Steps that were computed.
    pub depth: u32,
    /// The authors' count of them.
    pub steps_taken: u32,
    /// What ended them.
    pub halted_by: HaltedBy,
    /// (q_halt, q_continue) of each computed step, before the bias.
    pub q: Vec<[f32; 2]>,
    /// `[position][V]`.
    pub logits: Vec<Vec<f32>>,
}

/// One forward of all tokens, nothing cached.
///
/// # Errors
/// Those of [`Session::read`].
pub async fn forward(
    model: &Arc<Model>,
    tokens: &[u32],
    depth: &DepthControl,
    positions: Positions,
) -> Result<Forward> {
    let mut session = Session::new(model, 1, tokens.len().min(model.config().block_size))?;
    let sampling = Sampling::default();
    let read = Read { sequence: 0, tokens, depth: *depth, sampling, place: 0 };
    let reading = session.read(&[read]).await?.remove(0);
    let first = match positions {
        Positions::Last => tokens.len() - 1,
        Positions::All => 0,
    };
    Ok(Forward {
        depth: reading.depth,
        steps_taken: reading.halted_by.steps_taken(reading.depth),
        halted_by: reading.halted_by,
        q: session.halting_values(0, reading.depth).await?,
        logits: session.logits(0, reading.depth, first..tokens.len()).await?,
    })
}

/// The prefixes of a text that somebody is typing. What begins like the text before is not computed again.
#[derive(Debug)]
pub struct Prefixes {
    session: Session,
    tokens: Vec<u32>,
    depth: DepthControl,
    found: Vec<Prefix>,
}

impl Prefixes {
    /// Room for a whole window.
    ///
    /// # Errors
    /// [`Error::GpuMemory`](crate::Error::GpuMemory).
    pub fn new(model: &Arc<Model>) -> Result<Prefixes> {
        let session = Session::new(model, 1, model.config().block_size)?;
        Ok(Prefixes { session, tokens: vec![], depth: DepthControl::default(), found: vec![] })
    }

    /// What every prefix comes to by itself.
    ///
    /// # Errors
    /// Those of [`Session::read`]; of no tokens there are no prefixes, which is no error.
    pub async fn read(&mut self, tokens: &[u32], depth: &DepthControl) -> Result<&[Prefix]> {
        if *depth != self.depth {
            self.found.clear();
        }
        let n_alike = self.tokens.iter().zip(tokens).take_while(|(a, b)| a == b).count();
        let n_same = n_alike.min(self.found.len());
        self.found.truncate(n_same);
        self.depth = *depth;
        self.tokens = tokens.to_vec();
        if n_same < tokens.len() {
            self.found.extend(self.session.prefixes(0, tokens, depth, n_same).await?);
        }
        Ok(&self.found)
    }

    /// What was computed.
    pub fn session(&self) -> &Session {
        &self.session
    }
}

/// What every prefix of a text comes to by itself, in one batched pass.
///
/// # Errors
/// Those of [`Session::read`].
pub async fn prefixes(model: &Arc<Model>, tokens: &[u32], depth: &DepthControl) -> Result<Vec<Prefix>> {
    let mut session = Session::new(model, 1, tokens.len().min(model.config().block_size))?;
    session.prefixes(0, tokens, depth, 0).await
}
