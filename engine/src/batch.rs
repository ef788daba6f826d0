//! Several answers at once, which come and go while the others go on.

use std::collections::VecDeque;
use std::sync::Arc;

use web_time::Instant;

use crate::answer::{Answer, capacity};
use crate::error::Result;
use crate::generate::{Done, GenerateOptions, TokenEvent};
use crate::model::Model;
use crate::pace::{Brought, Pace};
use crate::session::{Reading, Session};

/// Makes several answers at once, each exactly as it would come alone. Every answer has a slot; one that is free
/// still has the cache of the answer before, which the next one with the same beginning takes over.
#[derive(Debug)]
pub struct Batch {
    session: Session,
    slots: Vec<Slot>,
    /// Answers that have left so far.
    n_left: u64,
    pace: Pace,
}

#[derive(Debug, Clone, Default)]
struct Slot {
    answer: Option<Answer>,
    /// What was read ahead, with the time that each took in ms.
    read: VecDeque<(Reading, f64)>,
    /// Tokens of the prompt that were cached when the answer began.
    n_cached: usize,
    /// The place, among all that left, of the one that left this slot last; 0 before.
    left: u64,
}

impl Batch {
    /// An answer for each prompt, in slots of their order. Nothing is computed yet. Traces are not kept.
    ///
    /// # Errors
    /// Those of [`Generator::new`](crate::Generator::new).
    pub fn new(model: &Arc<Model>, prompts: Vec<(Vec<u32>, GenerateOptions)>) -> Result<Batch> {
        let window = model.config().block_size;
        let answers =
            prompts.into_iter().map(|(prompt, options)| Answer::new(model, window, &prompt, options));
        let answers = answers.collect::<Result<Vec<_>>>()?;
        let session = Session::new(model, answers.len(), capacity(model, &answers))?;
        let slots = answers.into_iter().map(|answer| Slot { answer: Some(answer), ..Slot::default() });
        Ok(Batch { session, slots: slots.collect(), n_left: 0, pace: Pace::new(model.device()) })
    }

    /// Free slots for contexts of at most `window` tokens.
    ///
    /// # Errors
    /// [`Error::GpuMemory`](crate::Error::GpuMemory); [`Error::ContextFull`](crate::Error::ContextFull) where the
    /// window is above the model's.
    pub fn with_slots(model: &Arc<Model>, n_slots: usize, window: usize) -> Result<Batch> {
        let session = Session::new(model, n_slots, window)?;
        let slots = vec![Slot::default(); n_slots.max(1)];
        Ok(Batch { session, slots, n_left: 0, pace: Pace::new(model.device()) })
    }

    /// Begins an answer in a free slot; None where all are taken.
    ///
    /// # Errors
    /// Those of [`Generator::new`](crate::Generator::new), where the window is that of the slots.
    pub fn join(&mut self, prompt: &[u32], options: GenerateOptions) -> Result<Option<usize>> {
        let answer = Answer::new(self.session.model(), self.session.capacity(), prompt, options)?;
        let context = answer.read(0).tokens;
        let Some(chosen) = self.choose(context) else { return Ok(None) };
        let n_cached = self.n_common(chosen, context);
        let left = self.slots[chosen].left;
        self.slots[chosen] = Slot { answer: Some(answer), read: VecDeque::new(), n_cached, left };
        self.pace.restart();
        Ok(Some(chosen))
    }

    /// The free slot whose cache has most of the context, if that is at least half of what the slot holds: an
    /// opening that all share must not cost another conversation its cache. Otherwise the one that has been free
    /// for longest.
    fn choose(&self, context: &[u32]) -> Option<usize> {
        let free = || (0..self.slots.len()).filter(|&slot| self.slots[slot].answer.is_none());
        let knows = |&slot: &usize| {
            let n_common = self.n_common(slot, context);
            n_common > 0 && 2 * n_common >= self.session.context(slot).len()
        };
        let knowing = free().filter(knows).max_by_key(|&slot| self.n_common(slot, context));
        knowing.or_else(|| free().min_by_key(|&slot| self.slots[slot].left))
    }

    fn n_common(&self, slot: usize, context: &[u32]) -> usize {
        self.session.context(slot).iter().zip(context).take_while(|(a, b)| a == b).count()
    }

    /// The next token of each answer that has not ended, with its slot; none: all have ended. Where some answers were
    /// read further than others, those of them that have a token. An answer that fails leaves, and the others go on.
    ///
    /// # Errors
    /// Those of the device. Afterwards all answers are as before, and can be asked for again.
    pub async fn next(&mut self) -> Result<Vec<(usize, Result<TokenEvent>)>> {
        let mut events = vec![];
        if self.slots.iter().all(|slot| slot.read.is_empty()) {
            events = self.read_ahead().await?;
        }
        for (at, slot) in self.slots.iter_mut().enumerate() {
            let Some(answer) = &mut slot.answer else { continue };
            let Some((reading, ms)) = slot.read.pop_front() else { continue };
            events.push((at, Ok(TokenEvent { ms, ..answer.accept(&reading) })));
            if answer.done().is_some() {
                slot.read.clear();
            }
        }
        Ok(events)
    }

    /// Reads every answer that has not ended. Those that fail leave; their errors.
    async fn read_ahead(&mut self) -> Result<Vec<(usize, Result<TokenEvent>)>> {
        let began = Instant::now();
        let n_tokens = self.pace.n_tokens();
        let open = self.slots.iter().enumerate().filter_map(|(at, slot)| {
            let answer = slot.answer.as_ref().filter(|answer| answer.done().is_none())?;
            Some((at, (answer.read(at), answer.ahead(n_tokens))))
        });
        let (open, reads): (Vec<usize>, Vec<_>) = open.unzip();
        if open.is_empty() {
            return Ok(vec![]);
        }
        let read = self.session.read_ahead(&reads).await?;
        let ms = began.elapsed().as_secs_f64() * 1000.0;
        self.pace.learn(Brought {
            n_sequences: open.len(),
            n_recorded: reads.iter().map(|(_, ahead)| ahead.n_tokens).sum(),
            n_tokens: read.iter().flatten().map(Vec::len).sum(),
            ms,
        });
        let mut failed = vec![];
        for (at, read) in open.into_iter().zip(read) {
            match read {
                Ok(readings) => {
                    let ms = ms / readings.len() as f64;
                    self.slots[at].read.extend(readings.into_iter().map(|reading| (reading, ms)));
                }
                Err(error) => {
                    self.leave(at);
                    failed.push((at, Err(error)));
                }
            }
        }
        Ok(failed)
    }

    /// Why an answer ended; None while it has not, and where there is none.
    pub fn done(&self, slot: usize) -> Option<Done> {
        self.slots.get(slot)?.answer.as_ref()?.done()
    }

    /// When an answer is over: the text that was held back because it might have begun a stop text.
    pub fn rest(&mut self, slot: usize) -> String {
        self.slots.get_mut(slot).and_then(|slot| slot.answer.as_mut()).map(Answer::rest).unwrap_or_default()
    }

    /// Frees a slot, whether its answer has ended or not.
    pub fn leave(&mut self, slot: usize) {
        if let Some(slot) = self.slots.get_mut(slot) {
            self.n_left += 1;
            *slot = Slot { left: self.n_left, ..Slot::default() };
        }
    }

    /// Slots that are taken.
    pub fn n_taken(&self) -> usize {
        self.slots.iter().filter(|slot| slot.answer.is_some()).count()
    }

    /// How many tokens at the beginning of an answer's prompt were cached when it began.
    pub fn n_cached(&self, slot: usize) -> usize {
        self.slots.get(slot).map_or(0, |slot| slot.n_cached)
    }

    /// Goes on with another copy of the same model, when the device of this one was lost.
    ///
    /// # Errors
    /// [`Error::GpuMemory`](crate::Error::GpuMemory).
    pub fn move_to(&mut self, model: &Arc<Model>) -> Result<()> {
        self.session = Session::new(model, self.slots.len(), self.session.capacity())?;
        Ok(())
    }

    /// What was computed.
    pub fn session(&self) -> &Session {
        &self.session
    }
}
