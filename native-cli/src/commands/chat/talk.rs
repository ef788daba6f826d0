//! Answers, one after the other, and the settings that they are made with.

use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
use fathom_engine::{DepthControl, Done, GenerateOptions, Generator, Model, Overflow, Sampling, TokenEvent};

use super::command::{Command, HELP, Trace};
use super::conversation::Conversation;
use crate::answer::{Answer, Style, Tally};
use crate::args::{SamplingArgs, any_seed};
use crate::cli::Common;
use crate::interrupt::Graceful;
use crate::loading::{Origin, Source};
use crate::output;
use crate::paint::Paint;
use crate::recovering::Recovering;
use crate::template::{ChatTemplate, Role};
use crate::trace_file::TraceFile;

/// A conversation with a model.
pub struct Talk<'a> {
    /// What was said.
    pub conversation: Conversation,
    common: &'a Common,
    source: &'a Source,
    model: Arc<Model>,
    template: ChatTemplate,
    /// Kept from answer to answer, so that only what is new of a prompt is computed.
    generator: Option<Recovering>,
    n_tokens: usize,
    sampling: Sampling,
    depth: DepthControl,
    trace: Tracing,
    /// Lines to be shown when the answer is over.
    traced: Vec<String>,
    paint: Paint,
    n_answers: u64,
    /// How many tokens were thought about so many steps; depth d is at index d.
    depths: Vec<u64>,
}

enum Tracing {
    Off,
    On,
    File(TraceFile),
}

impl<'a> Talk<'a> {
    /// Nothing was said yet.
    ///
    /// # Errors
    /// Where the model has no words, or no readable template.
    pub fn new(
        common: &'a Common,
        source: &'a Source,
        model: &Arc<Model>,
        n_tokens: usize,
        sampling: &SamplingArgs,
        depth: DepthControl,
    ) -> anyhow::Result<Talk<'a>> {
        if model.tokenizer().is_none() {
            return Err(anyhow!(
                "{}: no tokenizer.json beside the weights, so there are no words",
                model.name()
            ));
        }
        let template = ChatTemplate::of(source, model)?;
        let sampling = sampling.resolve(template.sampling());
        sampling.check()?;
        Ok(Talk {
            conversation: Conversation::default(),
            common,
            source,
            model: Arc::clone(model),
            template,
            generator: None,
            n_tokens,
            sampling,
            depth,
            trace: Tracing::Off,
            traced: vec![],
            paint: Paint::resolve(common.color, output::stdout_is_terminal()),
            n_answers: 0,
            depths: vec![0; model.config().hrm_max_steps + 1],
        })
    }

    /// Who speaks, and how to leave.
    pub fn greeting(&self) -> String {
        let memory = match self.template.remembers() {
            true => "",
            false => "\nIt was not made for conversations: each message is a prompt of its own.",
        };
        let example = if matches!(self.source.origin, Origin::BuiltIn) { " Try 7+5-3*4=" } else { "" };
        format!(
            "{} on {}.{example}{memory}\n/help lists what can be changed, Ctrl-C stops an answer, Ctrl-D leaves.",
            self.model.name(),
            self.model.device().name()
        )
    }

    /// A question, and its answer as it comes.
    ///
    /// # Errors
    /// Where the question has no room or no words; those of the device.
    pub fn ask(&mut self, question: &str) -> anyhow::Result<()> {
        // A space before a slash makes it a message.
        self.conversation.say(Role::User, question.strip_prefix(" /").map_or(question, |_| &question[1..]));
        let n_forgotten = self.conversation.n_forgotten();
        let n_room = self.n_tokens.min(self.model.config().block_size / 4).max(1);
        let prompt = self.fit(&[], n_room)?;
        self.tell_of_forgotten(n_forgotten);
        self.begin(&prompt, self.n_tokens)?;
        let answer = self.answer()?;
        self.conversation.say(Role::Assistant, answer);
        self.n_answers += 1;
        Ok(())
    }

    /// After an error: the question is taken back, and nothing of the answer is kept.
    pub fn give_up(&mut self) {
        self.conversation.undo();
        self.generator = None;
    }

    fn fit(&mut self, begun: &[u32], n_room: usize) -> anyhow::Result<Vec<u32>> {
        let tokenizer = self.model.tokenizer().ok_or_else(|| anyhow!("the model has no words"))?;
        let block_size = self.model.config().block_size;
        self.conversation.fit(&self.template, tokenizer, block_size, begun, n_room)
    }

    fn tell_of_forgotten(&self, before: usize) {
        let now = self.conversation.n_forgotten();
        if now > before && !self.common.quiet {
            let turns = if now == 1 { "turn does" } else { "turns do" };
            output::note(&format!("the oldest {now} {turns} not fit into the window any more"));
        }
    }

    fn begin(&mut self, prompt: &[u32], n_tokens: usize) -> anyhow::Result<()> {
        let options = GenerateOptions {
            n_tokens,
            sampling: Sampling { seed: self.sampling.seed.wrapping_add(self.n_answers), ..self.sampling },
            depth: self.depth,
            overflow: Overflow::Stop,
            stop: self.template.stops(),
            ignore_eos: false,
            trace: !matches!(self.trace, Tracing::Off),
        };
        match &mut self.generator {
            Some(generator) => generator.ask(prompt, options)?,
            None => {
                let generator = Generator::new(&self.model, prompt, options)?;
                self.generator = Some(Recovering::new(generator, self.source, self.common));
            }
        }
        Ok(())
    }

    /// Until it ends, is stopped by Ctrl-C, or the window is full and nothing can be forgotten any more.
    fn answer(&mut self) -> anyhow::Result<String> {
        let graceful = Graceful::begin();
        let mut tally = Tally::begin();
        let mut out = Answer::text(Style {
            paint: self.paint,
            deepest: self.model.config().hrm_max_steps as u32,
            ids_for_text: false,
        });
        let (mut said, mut made) = (Spaced::default(), Vec::new());
        while !graceful.asked() {
            let Some(generator) = &mut self.generator else { break };
            match generator.next(None) {
                Ok(Some(event)) => {
                    tally.count(&event);
                    made.push(event.token);
                    self.keep(&event)?;
                    out.token(&TokenEvent { text: said.push(&event.text), ..event })?;
                }
                Ok(None) if generator.done() == Some(Done::Context) && made.len() < self.n_tokens => {
                    let rest = generator.rest();
                    out.rest(&said.push(&rest))?;
                    if !self.forget_more(&made)? {
                        break;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    out.end_line()?;
                    return Err(error);
                }
            }
        }
        let done = self.generator.as_ref().and_then(|generator| generator.done());
        let rest = self.generator.as_mut().map(|generator| generator.rest()).unwrap_or_default();
        out.rest(&said.push(&rest))?;
        out.end_line()?;
        drop(out);
        self.close(&tally, done);
        Ok(said.text)
    }

    /// The window became full within an answer: the oldest turns go and the answer goes on. False where there is
    /// nothing to forget.
    fn forget_more(&mut self, made: &[u32]) -> anyhow::Result<bool> {
        let before = self.conversation.n_forgotten();
        let n_room = (self.n_tokens - made.len()).min(self.model.config().block_size / 4).max(1);
        let Ok(prompt) = self.fit(made, n_room) else { return Ok(false) };
        if self.conversation.n_forgotten() == before {
            return Ok(false);
        }
        self.begin(&prompt, self.n_tokens - made.len())?;
        Ok(true)
    }

    fn keep(&mut self, event: &TokenEvent) -> anyhow::Result<()> {
        if let Some(count) = self.depths.get_mut(event.depth as usize) {
            *count += 1;
        }
        match &mut self.trace {
            Tracing::Off => Ok(()),
            Tracing::File(file) => file.write(event),
            Tracing::On => {
                let steps = event.trace.as_deref().unwrap_or_default();
                let margins: Vec<String> = steps.iter().map(|step| format!("{:+.2}", step.margin)).collect();
                let name = self.model.token_name(event.token);
                let line = format!("  {:>2}  {name:<12} {}", event.depth, margins.join(" "));
                self.traced.push(line);
                Ok(())
            }
        }
    }

    fn close(&mut self, tally: &Tally, done: Option<Done>) {
        if self.common.quiet {
            return;
        }
        let paint = Paint::resolve(self.common.color, output::stderr_is_terminal());
        if !self.traced.is_empty() {
            output::note(
                &paint.faint("depth  token        margin of each step: above 0 it halts").to_string(),
            );
        }
        for line in self.traced.drain(..) {
            output::note(&paint.faint(line).to_string());
        }
        let mut parts = tally.parts();
        match done {
            None => parts.push("stopped by Ctrl-C".to_owned()),
            Some(Done::Length) => parts.push(format!("cut at -n {}", self.n_tokens)),
            Some(Done::Context) => parts.push("the window is full".to_owned()),
            Some(Done::End | Done::Stop) => {}
        }
        output::note(&paint.faint(parts.join(" · ")).to_string());
    }

    /// Does what a command says.
    ///
    /// # Errors
    /// Where its value is none for this model, or its file cannot be read or written.
    pub fn obey(&mut self, command: Command) -> anyhow::Result<()> {
        let (mut sampling, mut depth) = (self.sampling, self.depth);
        match command {
            Command::Help => return self.help(),
            Command::Clear => self.conversation.clear(),
            Command::Undo if !self.conversation.undo() => return Err(anyhow!("nothing was said yet")),
            Command::Undo => {}
            Command::Stats => return self.stats(),
            Command::Save(file) => {
                self.conversation.save(&file)?;
                self.tell(&format!("written to {}", file.display()));
            }
            Command::Load(file) => self.load(&file)?,
            Command::Trace(Trace::Off) => self.trace = Tracing::Off,
            Command::Trace(Trace::On) => self.trace = Tracing::On,
            Command::Trace(Trace::File(file)) => self.trace = Tracing::File(TraceFile::create(&file)?),
            Command::Depth(forced) => depth = DepthControl { forced, ..depth },
            Command::Cap(cap) => depth = DepthControl { cap, ..depth },
            Command::Bias(halt_bias) => depth = DepthControl { halt_bias, ..depth },
            Command::Temp(temperature) => sampling = Sampling { temperature, ..sampling },
            Command::TopK(top_k) => sampling = Sampling { top_k, ..sampling },
            Command::TopP(top_p) => sampling = Sampling { top_p, ..sampling },
            Command::Penalty(repeat_penalty) => sampling = Sampling { repeat_penalty, ..sampling },
            Command::Seed(seed) => sampling = Sampling { seed: seed.unwrap_or_else(any_seed), ..sampling },
            // The loop that reads the lines leaves.
            Command::Exit => {}
        }
        depth.check(self.model.config())?;
        sampling.check()?;
        (self.sampling, self.depth) = (sampling, depth);
        Ok(())
    }

    /// Goes on with a conversation from a file, and shows it.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn load(&mut self, file: &Path) -> anyhow::Result<()> {
        self.conversation = Conversation::load(file)?;
        for message in self.conversation.messages() {
            let mark = if message.role == Role::User { "> " } else { "" };
            self.tell(&format!("{mark}{}", message.content));
        }
        Ok(())
    }

    fn help(&self) -> anyhow::Result<()> {
        for (name, value, what) in HELP {
            self.tell(&format!("  {:<20}{what}", format!("{name} {value}")));
        }
        self.tell("A line that ends in \\ goes on; pastes of several lines stay together.");
        Ok(())
    }

    fn stats(&self) -> anyhow::Result<()> {
        let n: u64 = self.depths.iter().sum();
        let steps: u64 = self.depths.iter().enumerate().map(|(depth, n)| depth as u64 * n).sum();
        let config = self.model.config();
        self.tell(&format!("{} answers, {n} tokens, {steps} steps", self.n_answers));
        let widest = self.depths.iter().copied().max().unwrap_or(0).max(1);
        for (depth, &count) in self.depths.iter().enumerate().filter(|(_, count)| **count > 0) {
            let bar = "█".repeat((count * 40).div_ceil(widest) as usize);
            self.tell(&format!("  depth {depth:>2}  {bar} {count}"));
        }
        if let Some(generator) = &self.generator {
            let computed = generator.session().computed();
            self.tell(&format!(
                "computed: {} positions of the input stage, {} of steps, {} of the output stage",
                computed.input_rows, computed.step_rows, computed.output_rows
            ));
        }
        let DepthControl { cap, forced, halt_bias, .. } = self.depth;
        let or = |value: Option<u32>, word: &str| value.map_or(word.to_owned(), |value| value.to_string());
        self.tell(&format!(
            "depth {}, cap {}, bias {}; {} turns forgotten by a window of {} tokens",
            or(forced, "auto"),
            or(cap, "off"),
            halt_bias.unwrap_or(config.halt_bias),
            self.conversation.n_forgotten(),
            config.block_size
        ));
        let Sampling { temperature, repeat_penalty, top_k, top_p, min_p, seed } = self.sampling;
        self.tell(&format!(
            "temp {temperature}, top-k {top_k}, top-p {top_p}, min-p {min_p}, penalty {repeat_penalty},\nseed {seed}"
        ));
        Ok(())
    }

    fn tell(&self, line: &str) {
        output::note(line);
    }
}

/// Text without the spaces and line breaks around it, as it comes.
#[derive(Default)]
struct Spaced {
    text: String,
    /// They are only shown when something follows.
    pending: String,
}

impl Spaced {
    fn push(&mut self, piece: &str) -> String {
        let piece = if self.text.is_empty() { piece.trim_start() } else { piece };
        let all = std::mem::take(&mut self.pending) + piece;
        let certain = all.trim_end().len();
        self.pending = all[certain..].to_owned();
        self.text.push_str(&all[..certain]);
        all[..certain].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_around_an_answer_are_not_shown() {
        let mut said = Spaced::default();
        let shown: Vec<String> =
            [" ", "I", " am", "\n", "\nhere", ".\n\n"].map(|piece| said.push(piece)).into();
        assert_eq!(shown, ["", "I", " am", "", "\n\nhere", "."]);
        assert_eq!(said.text, "I am\n\nhere.");
    }
}
