//! A hub on this machine, as small as it can be, that misbehaves when it is told to.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::harness::{self, Outcome};

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub const LATER: &str = "fedcba9876543210fedcba9876543210fedcba98";
pub const TOKEN: &str = "hf_thisIsASecret";

/// How a request is answered.
pub enum Manner {
    Honest,
    /// Another status, with these header lines.
    Status(u16, String),
    /// 200 with other bytes.
    Bytes(Vec<u8>),
    /// A whole answer, headers and all.
    Raw(Vec<u8>),
    /// The connection ends after so many bytes of the body.
    Cut(usize),
    /// Nothing more comes after so many bytes.
    Stall(usize),
    /// Nothing more comes after so many bytes until the test says so.
    Hold(usize, Arc<AtomicBool>),
    /// So many bytes at a time, with a pause of milliseconds.
    Drip(usize, u64),
    /// As if no range had been asked for.
    WithoutRange,
    /// 206 with another range than the one that was asked for.
    WrongRange,
    /// The length that is announced is off by so many bytes.
    Announce(i64),
    /// The right bytes, and then others without end.
    Endless,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub path: String,
    /// The first byte that is wanted.
    pub from: Option<usize>,
    pub authorization: Option<String>,
    /// How often this path was asked for before.
    pub before: usize,
}

impl Request {
    pub fn is_for(&self, file: &str) -> bool {
        self.path.split('?').next().is_some_and(|path| path.ends_with(&format!("/{file}")))
    }

    pub fn is_listing(&self) -> bool {
        self.path.starts_with("/api/")
    }
}

type Manners = Box<dyn Fn(&Request) -> Manner + Send>;

struct State {
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    commit: Mutex<String>,
    listing: Mutex<Option<Value>>,
    manners: Mutex<Manners>,
    requests: Mutex<Vec<Request>>,
}

/// It serves one model, `me/tiny`, until the test ends.
pub struct Hub {
    state: Arc<State>,
    pub url: String,
    home: TempDir,
    pub cache: PathBuf,
}

impl Hub {
    /// With the files of a folder; those named like results of tests are left out.
    pub fn of(folder: &str) -> Hub {
        let wanted = ["config.json", "model.safetensors", "tokenizer.json"];
        let read = |name: &str| Some((name.to_owned(), fs::read(Path::new(folder).join(name)).ok()?));
        let mut files: BTreeMap<String, Vec<u8>> = wanted.into_iter().filter_map(read).collect();
        files.insert("README.md".to_owned(), b"# Tiny\n".to_vec());
        files.insert("model.onnx".to_owned(), vec![7; 99]);
        Hub::with(files)
    }

    /// With the smallest golden model.
    pub fn new() -> Hub {
        Hub::of(&harness::golden("cosmicfish_hrm/one-step"))
    }

    pub fn with(files: BTreeMap<String, Vec<u8>>) -> Hub {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(State {
            files: Mutex::new(files),
            commit: Mutex::new(COMMIT.to_owned()),
            listing: Mutex::new(None),
            manners: Mutex::new(Box::new(|_| Manner::Honest)),
            requests: Mutex::new(Vec::new()),
        });
        let served = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&served);
                // A client that was killed is no error.
                thread::spawn(move || drop(state.serve(&stream)));
            }
        });
        let home = tempfile::tempdir().expect("a folder");
        let cache = home.path().join("cache").join("models");
        Hub { state, url, home, cache }
    }

    /// From now on it answers so.
    pub fn answers(&self, manners: impl Fn(&Request) -> Manner + Send + 'static) -> &Hub {
        *self.state.manners.lock().expect("no panic") = Box::new(manners);
        self
    }

    pub fn set_file(&self, name: &str, bytes: &[u8]) -> &Hub {
        self.state.files.lock().expect("no panic").insert(name.to_owned(), bytes.to_vec());
        self
    }

    pub fn remove_file(&self, name: &str) -> &Hub {
        self.state.files.lock().expect("no panic").remove(name);
        self
    }

    pub fn set_commit(&self, commit: &str) {
        *self.state.commit.lock().expect("no panic") = commit.to_owned();
    }

    /// Changes what the listing says.
    pub fn set_listing(&self, change: impl FnOnce(&mut Value)) -> &Hub {
        let mut listing = self.state.listing();
        change(&mut listing);
        *self.state.listing.lock().expect("no panic") = Some(listing);
        self
    }

    /// The requests since the last time.
    pub fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.state.requests.lock().expect("no panic"))
    }

    /// A folder for what a test needs.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The program with this hub and a cache of this test's own.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = harness::command();
        command.env("HF_ENDPOINT", &self.url).env("HF_HOME", self.home()).env("FATHOM_CACHE", &self.cache);
        command.env_remove("HF_TOKEN").args(["--device", "cpu"]).args(arguments);
        command
    }

    pub fn fathom(&self, arguments: &[&str]) -> Outcome {
        harness::finish(self.command(arguments), "")
    }

    /// Pulls with little patience.
    pub fn pull(&self) -> Outcome {
        self.fathom(&["pull", "me/tiny", "--retries", "1"])
    }

    /// Begins a pull and does not wait for it.
    pub fn begin(&self) -> Child {
        let mut command = self.command(&["pull", "me/tiny"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
    }

    /// Where the model is when it was pulled.
    pub fn folder(&self) -> PathBuf {
        self.cache.join("me--tiny").join(COMMIT)
    }

    /// Bytes of files that are arriving.
    pub fn partial_bytes(&self) -> u64 {
        let Ok(entries) = fs::read_dir(self.cache.join("me--tiny").join(".partial")) else { return 0 };
        entries
            .flatten()
            .filter_map(|entry| entry.metadata().ok())
            .filter(|m| m.is_file())
            .map(|m| m.len())
            .sum()
    }

    /// The model is there as the hub has it, and nothing is left of its arrival.
    #[track_caller]
    pub fn assert_pulled(&self) {
        self.assert_same_files();
        assert!(!self.cache.join("me--tiny").join(".partial").exists());
    }

    /// What is in the cache, but for its order.
    pub fn names_in_cache(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.cache).expect("the cache");
        let mut names: Vec<String> =
            entries.map(|e| e.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
        names.sort();
        names
    }

    /// The model's folder equals what the hub has, byte for byte.
    #[track_caller]
    pub fn assert_same_files(&self) {
        let files = self.state.files.lock().expect("no panic");
        let wanted = |name: &&String| {
            let known =
                ["config.json", "model.safetensors.index.json", "tokenizer.json", "chat_template.jinja"];
            known.contains(&name.as_str()) || name.ends_with(".safetensors")
        };
        let expected: Vec<&String> = files.keys().filter(wanted).collect();
        let mut found: Vec<String> = vec![];
        for entry in fs::read_dir(self.folder()).expect("the model's folder") {
            found.push(entry.expect("an entry").file_name().into_string().expect("UTF-8"));
        }
        found.sort();
        assert_eq!(found, expected.iter().map(|name| name.as_str()).collect::<Vec<_>>());
        for name in expected {
            assert!(fs::read(self.folder().join(name)).expect("a file") == files[name], "{name} differs");
        }
    }

    /// Nothing appeared beside the cache.
    #[track_caller]
    pub fn assert_only_the_cache_grew(&self) {
        let entries = fs::read_dir(self.home()).expect("the folder of this test");
        let names: Vec<_> = entries.map(|entry| entry.expect("an entry").file_name()).collect();
        assert_eq!(names, ["cache"]);
        let beside = fs::read_dir(self.home().join("cache")).expect("a folder").count();
        assert_eq!(beside, 1);
    }

    /// `fathom list` works, and every model in it loads; how many there are.
    #[track_caller]
    pub fn n_whole(&self) -> usize {
        let listed = self.fathom(&["list", "--json"]).json_lines().remove(0);
        let models = listed["models"].as_array().expect("models");
        for model in models {
            let path = model["path"].as_str().expect("a path");
            self.fathom(&["forward", "-m", path, "--tokens", "3,2,1", "--json"]).ok();
        }
        models.len()
    }
}

impl State {
    fn listing(&self) -> Value {
        if let Some(listing) = &*self.listing.lock().expect("no panic") {
            return listing.clone();
        }
        let files = self.files.lock().expect("no panic");
        let siblings: Vec<Value> = files.iter().map(|(name, bytes)| sibling(name, bytes)).collect();
        json!({ "id": "me/tiny", "sha": *self.commit.lock().expect("no panic"), "siblings": siblings })
    }

    fn serve(&self, stream: &TcpStream) -> std::io::Result<()> {
        let (mut request, mut out) = (read_request(stream)?, stream);
        let manner = {
            let mut requests = self.requests.lock().expect("no panic");
            request.before = requests.iter().filter(|r| r.path == request.path).count();
            requests.push(request.clone());
            (self.manners.lock().expect("no panic"))(&request)
        };
        if let Manner::Status(code, headers) = &manner {
            return head(out, &format!("{code} Told So"), 0, headers);
        }
        let body = if request.is_listing() {
            Some(self.listing().to_string().into_bytes())
        } else {
            let path = request.path.split('?').next().unwrap_or_default();
            let file = path.split("/resolve/").nth(1).and_then(|rest| rest.split_once('/'));
            file.and_then(|(_, file)| self.files.lock().expect("no panic").get(file).cloned())
        };
        let Some(body) = body else {
            return head(out, "404 Not Found", 9, "").and_then(|()| out.write_all(b"not found"));
        };

        let ranged = request.from.filter(|&from| from < body.len());
        let (status, range) = match (&manner, ranged) {
            (Manner::WrongRange, Some(from)) => {
                let (first, last) = (from - 1, body.len() - 1);
                ("206 Partial Content", format!("Content-Range: bytes {first}-{last}/{}\r\n", body.len()))
            }
            (Manner::WithoutRange, _) | (_, None) => ("200 OK", String::new()),
            (_, Some(from)) => (
                "206 Partial Content",
                format!("Content-Range: bytes {from}-{}/{}\r\n", body.len() - 1, body.len()),
            ),
        };
        let rest = if status.starts_with("206") { &body[ranged.unwrap_or(0)..] } else { &body[..] };
        match manner {
            Manner::Honest | Manner::WithoutRange | Manner::WrongRange => {
                head(out, status, rest.len(), &range)?;
                out.write_all(rest)
            }
            Manner::Status(..) => Ok(()),
            Manner::Bytes(bytes) => {
                head(out, "200 OK", bytes.len(), "")?;
                out.write_all(&bytes)
            }
            Manner::Raw(bytes) => out.write_all(&bytes),
            Manner::Cut(n) => {
                head(out, status, rest.len(), &range)?;
                out.write_all(&rest[..n.min(rest.len())])
            }
            Manner::Stall(n) => {
                head(out, status, rest.len(), &range)?;
                out.write_all(&rest[..n.min(rest.len())])?;
                thread::sleep(Duration::from_secs(8));
                Ok(())
            }
            Manner::Hold(n, may_go_on) => {
                let n = n.min(rest.len());
                head(out, status, rest.len(), &range)?;
                out.write_all(&rest[..n])?;
                while !may_go_on.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_millis(5));
                }
                out.write_all(&rest[n..])
            }
            Manner::Drip(n, ms) => {
                head(out, status, rest.len(), &range)?;
                for drop in rest.chunks(n) {
                    out.write_all(drop)?;
                    thread::sleep(Duration::from_millis(ms));
                }
                Ok(())
            }
            Manner::Announce(off) => {
                head(out, status, (rest.len() as i64 + off) as usize, &range)?;
                out.write_all(rest)
            }
            Manner::Endless => {
                write!(out, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
                out.write_all(rest)?;
                loop {
                    out.write_all(&[7; 4096])?;
                }
            }
        }
    }
}

fn head(mut out: &TcpStream, status: &str, n_bytes: usize, more: &str) -> std::io::Result<()> {
    write!(out, "HTTP/1.1 {status}\r\nContent-Length: {n_bytes}\r\nConnection: close\r\n{more}\r\n")
}

fn read_request(stream: &TcpStream) -> std::io::Result<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut request = Request { path, from: None, authorization: None, before: 0 };
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(": ") else { break };
        match name.to_lowercase().as_str() {
            "range" => {
                let from = value.strip_prefix("bytes=").and_then(|range| range.strip_suffix('-'));
                request.from = from.and_then(|from| from.parse().ok());
            }
            "authorization" => request.authorization = Some(value.to_owned()),
            _ => {}
        }
    }
    Ok(request)
}

/// As a hub lists a file: weights by SHA-256, everything else by what git calls it.
fn sibling(name: &str, bytes: &[u8]) -> Value {
    let mut git = Sha1::new_with_prefix(format!("blob {}\0", bytes.len()));
    git.update(bytes);
    let git = hex(&git.finalize());
    if !name.ends_with(".safetensors") {
        return json!({ "rfilename": name, "size": bytes.len(), "blobId": git });
    }
    let lfs = json!({ "sha256": hex(&Sha256::digest(bytes)), "size": bytes.len(), "pointerSize": 131 });
    // The blob is that of a pointer, not of the file.
    json!({ "rfilename": name, "size": bytes.len(), "blobId": "0".repeat(40), "lfs": lfs })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
