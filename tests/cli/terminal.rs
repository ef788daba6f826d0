//! A pseudo-terminal that keys are typed into, and whose screen is read.

use std::io::{Read, Write};
use std::num::NonZero;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::harness::command;

const PATIENCE: Duration = Duration::from_secs(30);
const ENTER_SCREEN: &str = "\u{1b}[?1049h";
const LEAVE_SCREEN: &str = "\u{1b}[?1049l";

/// What a terminal got so far: as a screen, and byte by byte.
struct Got {
    screen: vt100::Parser,
    bytes: Vec<u8>,
}

/// A program on a pseudo-terminal.
pub struct Terminal {
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    got: Arc<Mutex<Got>>,
    reader: JoinHandle<()>,
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

fn cells(n: u16) -> NonZero<u16> {
    NonZero::new(n).expect("from 1 on")
}

impl Terminal {
    /// The program on 80×24, with these arguments and variables.
    pub fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Terminal {
        let pair = native_pty_system().openpty(size(80, 24)).expect("a pseudo-terminal");
        let child = pair.slave.spawn_command(program(arguments, variables)).expect("the program starts");
        drop(pair.slave);
        let got = Arc::new(Mutex::new(Got {
            screen: vt100::Parser::new(cells(24), cells(80), 0),
            bytes: Vec::new(),
        }));
        let mut output = pair.master.try_clone_reader().expect("a reader");
        let into = Arc::clone(&got);
        let reader = thread::spawn(move || {
            let mut chunk = [0; 4096];
            // At its end a pseudo-terminal gives an error on some systems.
            while let Ok(n @ 1..) = output.read(&mut chunk) {
                let mut got = into.lock().expect("no panic");
                got.screen.process(&chunk[..n]);
                got.bytes.extend_from_slice(&chunk[..n]);
            }
        });
        let keys = pair.master.take_writer().expect("a writer");
        Terminal { master: pair.master, keys, child, got, reader }
    }

    /// What it shows.
    pub fn screen(&self) -> String {
        self.got.lock().expect("no panic").screen.screen().contents()
    }

    /// Waits until the screen shows all of these at once.
    #[track_caller]
    pub fn shows(&self, words: &[&str]) {
        let began = Instant::now();
        while !words.iter().all(|word| self.screen().contains(word)) {
            assert!(began.elapsed() < PATIENCE, "{words:?} are not all in\n{}", self.screen());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Types keys.
    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the program reads");
        self.keys.flush().expect("the program reads");
    }

    /// Another size, as when a window is drawn.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.got.lock().expect("no panic").screen.screen_mut().set_size(cells(rows), cells(columns));
        self.master.resize(size(columns, rows)).expect("a new size");
    }

    /// Sends a signal, by its name for `kill`.
    pub fn signal(&self, name: &str) {
        let id = self.child.process_id().expect("it runs").to_string();
        assert!(Command::new("kill").args([name, &id]).status().expect("kill").success());
    }

    /// Waits for its end: the exit code, and all it sent.
    pub fn end(mut self) -> (u32, String) {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            if began.elapsed() > PATIENCE {
                self.child.kill().expect("it can be ended");
                panic!("it does not end; the screen:\n{}", self.screen());
            }
            thread::sleep(Duration::from_millis(10));
        };
        drop(self.keys);
        drop(self.master);
        self.reader.join().expect("no panic");
        let bytes = self.got.lock().expect("no panic").bytes.clone();
        (status.exit_code(), String::from_utf8_lossy(&bytes).into_owned())
    }

    /// It ended well, and gave the terminal back as the last thing, with its cursor.
    #[track_caller]
    pub fn ends_cleanly(self) {
        let (code, sent) = self.end();
        assert_eq!(code, 0, "{sent:?}");
        let (_, behind) = sent.rsplit_once(LEAVE_SCREEN).unwrap_or_else(|| panic!("{sent:?}"));
        assert!(!behind.contains(ENTER_SCREEN) && behind.contains("\u{1b}[?25h"), "{behind:?}");
    }
}

fn program(arguments: &[&str], variables: &[(&str, &str)]) -> CommandBuilder {
    let program = command();
    let mut builder = CommandBuilder::new(program.get_program());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => builder.env(name, value),
            None => builder.env_remove(name),
        }
    }
    for (name, value) in variables {
        builder.env(name, value);
    }
    builder.cwd(env!("CARGO_MANIFEST_DIR"));
    builder.args(arguments);
    builder
}

/// The window is closed while the program runs: it has to end by itself, and soon.
pub fn ends_when_the_terminal_goes(arguments: &[&str]) {
    let pair = native_pty_system().openpty(size(80, 24)).expect("a pseudo-terminal");
    let mut child = pair.slave.spawn_command(program(arguments, &[])).expect("the program starts");
    drop(pair.slave);
    let mut output = pair.master.try_clone_reader().expect("a reader");
    let mut chunk = [0; 4096];
    assert!(output.read(&mut chunk).expect("it shows something") > 0);
    thread::sleep(Duration::from_millis(300));
    drop((output, pair.master));
    let began = Instant::now();
    while child.try_wait().expect("a child").is_none() {
        if began.elapsed() > Duration::from_secs(10) {
            child.kill().expect("it can be ended");
            panic!("it goes on without a terminal");
        }
        thread::sleep(Duration::from_millis(20));
    }
}
