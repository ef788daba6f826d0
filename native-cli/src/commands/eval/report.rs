//! What all records come to: one object, as JSON or as a table.

use serde::Serialize;

use super::exam::Task;
use super::record::{Depths, Found, Record, Scores};
use super::results::{DepthSettings, Header, ModelIdentity, Shard};
use super::statistics::{of_windows, wilson};
use crate::commands::eval::exam::FileIdentity;
use crate::output::thousandths;
use crate::tasks::Form;

/// The whole report.
#[derive(Debug, Serialize)]
pub struct Report {
    pub model: ModelIdentity,
    pub file: FileIdentity,
    pub task: Task,
    pub depth: DepthSettings,
    pub limit: Option<usize>,
    /// None where all items were examined.
    pub shard: Option<String>,
    pub n_items: usize,
    pub result: Outcome,
    pub time: Time,
}

/// By task.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Outcome {
    Perplexity {
        #[serde(skip_serializing_if = "Option::is_none")]
        whole: Option<Perplexity>,
        #[serde(skip_serializing_if = "Option::is_none")]
        prefix: Option<Perplexity>,
    },
    Choice {
        /// By the mean log-probability of an ending's tokens.
        accuracy: Accuracy,
        /// By their sum.
        accuracy_by_sum: Accuracy,
        n_ties: u64,
        n_without_score: u64,
        n_cut_contexts: u64,
        forms: Vec<Form>,
        depths: ByRight,
    },
    Exact {
        accuracy: Accuracy,
        n_cut_prompts: u64,
        depths: ByRight,
    },
}

#[derive(Debug, Serialize)]
pub struct Perplexity {
    pub n_tokens: u64,
    pub n_bytes: Option<u64>,
    pub perplexity: f64,
    pub bits_per_token: f64,
    pub bits_per_token_low: Option<f64>,
    pub bits_per_token_high: Option<f64>,
    pub bits_per_byte: Option<f64>,
    /// The share of tokens that were the likeliest.
    pub greedy: f64,
    pub depths: DepthReport,
}

/// A share of the items, with Wilson's 95 % interval.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Accuracy {
    pub n_right: u64,
    pub n: u64,
    pub share: f64,
    pub low: f64,
    pub high: f64,
}

/// Depths of all items, of those that are right, of those that are wrong.
#[derive(Debug, Serialize)]
pub struct ByRight {
    pub all: DepthReport,
    pub right: DepthReport,
    pub wrong: DepthReport,
}

#[derive(Debug, Serialize)]
pub struct DepthReport {
    pub n: u64,
    pub mean: f64,
    /// The authors' count, which leaves out the step that halts.
    pub mean_steps_taken: f64,
    /// How often depth 1, depth 2, and so on.
    pub counts: Vec<u64>,
}

/// What may differ from run to run.
#[derive(Debug, Serialize)]
pub struct Time {
    pub device: String,
    pub total_s: f64,
    pub ms_per_item: f64,
}

/// One number for how good it is.
#[derive(Clone, Copy, Debug)]
pub struct Quality {
    pub value: f64,
    /// Its 95 % interval.
    pub interval: Option<(f64, f64)>,
}

impl Report {
    /// Out of all records, in any order.
    pub fn new(header: &Header, mut records: Vec<Record>) -> Report {
        records.sort_by_key(|record| record.item);
        let total_ms: f64 = records.iter().map(|record| record.ms).sum();
        let Header { model, file, task, depth, limit, shard, device, .. } = header.clone();
        Report {
            result: Outcome::new(&task, &records),
            model,
            file,
            task,
            depth,
            limit,
            shard: (shard != Shard::WHOLE).then(|| shard.to_string()),
            n_items: records.len(),
            time: Time {
                device,
                total_s: thousandths(total_ms / 1000.0),
                ms_per_item: thousandths(total_ms / records.len().max(1) as f64),
            },
        }
    }

    /// How good it is: the share of right items, or the bits that a token costs.
    pub fn quality(&self) -> Quality {
        let share = |accuracy: &Accuracy| Quality {
            value: accuracy.share,
            interval: Some((accuracy.low, accuracy.high)),
        };
        match &self.result {
            Outcome::Choice { accuracy, .. } | Outcome::Exact { accuracy, .. } => share(accuracy),
            Outcome::Perplexity { whole, prefix } => Quality {
                value: whole.iter().chain(prefix).map(|found| found.bits_per_token).next().unwrap_or(0.0),
                interval: whole
                    .iter()
                    .chain(prefix)
                    .next()
                    .and_then(|found| found.bits_per_token_low.zip(found.bits_per_token_high)),
            },
        }
    }

    /// The depths that belong to it.
    pub fn depths(&self) -> Option<&DepthReport> {
        match &self.result {
            Outcome::Choice { depths, .. } | Outcome::Exact { depths, .. } => Some(&depths.all),
            Outcome::Perplexity { whole, prefix } => {
                whole.as_ref().or(prefix.as_ref()).map(|found| &found.depths)
            }
        }
    }
}

impl Outcome {
    fn new(task: &Task, records: &[Record]) -> Outcome {
        let share = |is_right: fn(&Found) -> bool| {
            Accuracy::new(
                records.iter().filter(|record| is_right(&record.found)).count() as u64,
                records.len() as u64,
            )
        };
        let count = |of: fn(&Found) -> usize| records.iter().map(|record| of(&record.found) as u64).sum();
        match task {
            Task::Perplexity { .. } => Outcome::Perplexity {
                whole: Perplexity::new(records, |found| match found {
                    Found::Window { whole, .. } => whole.as_ref(),
                    _ => None,
                }),
                prefix: Perplexity::new(records, |found| match found {
                    Found::Window { prefix, .. } => prefix.as_ref(),
                    _ => None,
                }),
            },
            Task::Choice { .. } => Outcome::Choice {
                accuracy: share(is_right),
                accuracy_by_sum: share(|found| matches!(found, Found::Choice { right_by_sum: true, .. })),
                n_ties: count(|found| usize::from(matches!(found, Found::Choice { is_tie: true, .. }))),
                n_without_score: count(|found| match found {
                    Found::Choice { mean, .. } => mean.iter().filter(|mean| mean.is_none()).count(),
                    _ => 0,
                }),
                n_cut_contexts: count(|found| usize::from(matches!(found, Found::Choice { n_cut: 1.., .. }))),
                forms: forms(records),
                depths: ByRight::new(records),
            },
            Task::Exact { .. } => Outcome::Exact {
                accuracy: share(is_right),
                n_cut_prompts: count(|found| usize::from(matches!(found, Found::Exact { n_cut: 1.., .. }))),
                depths: ByRight::new(records),
            },
        }
    }
}

fn forms(records: &[Record]) -> Vec<Form> {
    let mut forms: Vec<Form> = Vec::new();
    for record in records {
        match record.found {
            Found::Choice { form, .. } if !forms.contains(&form) => forms.push(form),
            _ => {}
        }
    }
    forms.sort_unstable();
    forms
}

fn is_right(found: &Found) -> bool {
    matches!(found, Found::Choice { right: true, .. } | Found::Exact { right: true, .. })
}

impl Perplexity {
    fn new(records: &[Record], scores: fn(&Found) -> Option<&Scores>) -> Option<Perplexity> {
        let mut depths = Depths::default();
        let (mut log_prob, mut n_tokens, mut n_bytes, mut n_greedy) = (0.0, 0u64, Some(0u64), 0u64);
        let mut windows = Vec::new();
        for record in records {
            let (Some(found), Found::Window { n_tokens: tokens, n_bytes: bytes, .. }) =
                (scores(&record.found), &record.found)
            else {
                continue;
            };
            depths.add(&found.depths);
            log_prob += found.log_prob;
            n_tokens = n_tokens.saturating_add(*tokens);
            n_bytes = n_bytes.zip(*bytes).map(|(sum, bytes)| sum.saturating_add(bytes));
            n_greedy = n_greedy.saturating_add(found.n_greedy);
            windows.push((-found.log_prob / std::f64::consts::LN_2, *tokens as f64));
        }
        if windows.is_empty() {
            return None;
        }
        let bits = -log_prob / std::f64::consts::LN_2;
        let interval = of_windows(&windows);
        Some(Perplexity {
            n_tokens,
            n_bytes,
            perplexity: (-log_prob / n_tokens as f64).exp(),
            bits_per_token: bits / n_tokens as f64,
            bits_per_token_low: interval.map(|interval| interval.0),
            bits_per_token_high: interval.map(|interval| interval.1),
            bits_per_byte: n_bytes.filter(|&bytes| bytes > 0).map(|bytes| bits / bytes as f64),
            greedy: n_greedy as f64 / n_tokens as f64,
            depths: DepthReport::new(depths),
        })
    }
}

impl Accuracy {
    fn new(n_right: u64, n: u64) -> Accuracy {
        let (low, high) = wilson(n_right, n);
        Accuracy { n_right, n, share: n_right as f64 / n.max(1) as f64, low, high }
    }
}

impl ByRight {
    fn new(records: &[Record]) -> ByRight {
        let (mut all, mut right, mut wrong) = (Depths::default(), Depths::default(), Depths::default());
        for Record { found, .. } in records {
            if let Found::Choice { depths, .. } | Found::Exact { depths, .. } = found {
                all.add(depths);
                if is_right(found) { right.add(depths) } else { wrong.add(depths) }
            }
        }
        let [all, right, wrong] = [all, right, wrong].map(DepthReport::new);
        ByRight { all, right, wrong }
    }
}

impl DepthReport {
    fn new(depths: Depths) -> DepthReport {
        let (n, mean, mean_steps_taken) = (depths.n(), depths.mean(), depths.mean_steps_taken());
        DepthReport { n, mean, mean_steps_taken, counts: depths.counts }
    }
}
