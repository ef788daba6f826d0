//! Runs the program, and makes folders with models: golden ones, and ones with something wrong in them.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize};
use serde_json::Value;
use tempfile::TempDir;

/// What a run of the program left behind.
#[derive(Debug)]
pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// It succeeded; its standard output.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:#?}");
        self.stdout
    }

    /// It succeeded; its standard output as one JSON value a line.
    #[track_caller]
    pub fn json_lines(self) -> Vec<Value> {
        self.ok().lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    /// It failed with this code and one line, which holds all of these words; nothing came out.
    #[track_caller]
    pub fn fails(self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self:#?}");
        assert_eq!(self.stdout, "", "{self:#?}");
        let lines: Vec<&str> = self.stderr.lines().collect();
        assert_eq!(lines.len(), 1, "{self:#?}");
        assert!(lines[0].starts_with("error: "), "{self:#?}");
        for word in words {
            assert!(lines[0].contains(word), "`{word}` is not in {self:#?}");
        }
    }
}

/// The program, with these arguments to come.
pub fn command() -> Command {
    let test = std::env::current_exe().expect("the test knows its own path");
    let profile = test.ancestors().nth(2).expect("target/<profile>/deps/<test>");
    let program = profile.join(format!("fathom{}", std::env::consts::EXE_SUFFIX));
    assert!(program.is_file(), "{} is not there: cargo build -p fathom-cli", program.display());
    let mut command = Command::new(program);
    command.env_remove("NO_COLOR").env_remove("COLORTERM").env("TERM", "xterm-256color");
    // Mesa's Vulkan layer complains on standard error where a session has none (containers).
    command.env("XDG_RUNTIME_DIR", std::env::temp_dir());
    command
}

/// Runs the program on the CPU device, with nothing on standard input.
pub fn fathom<A: AsRef<OsStr>>(arguments: &[A]) -> Outcome {
    with_input(arguments, "")
}

/// Runs the program on whatever device the arguments say.
pub fn fathom_as_given(arguments: &[&str]) -> Outcome {
    let mut command = command();
    command.args(arguments);
    finish(command, "")
}

/// The same as [`fathom`] with a text on standard input.
pub fn with_input<A: AsRef<OsStr>>(arguments: &[A], input: &str) -> Outcome {
    let mut command = command();
    command.args(["--device", "cpu"]).args(arguments);
    finish(command, input)
}

/// Runs a command to its end.
pub fn finish(mut command: Command, input: &str) -> Outcome {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("the program starts");
    // A program that does not want its input may be gone by now.
    let _unread = child.stdin.take().expect("piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("the program ends");
    Outcome {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// A golden model's folder, by `kind/case`.
pub fn golden(case: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(case);
    assert!(folder.is_dir(), "{} is not there", folder.display());
    folder.display().to_string()
}

/// What the reference computed for it (golden/pack.py says what is there).
pub struct Expected {
    file: Vec<u8>,
}

impl Expected {
    pub fn of(case: &str) -> Expected {
        Expected { file: fs::read(Path::new(&golden(case)).join("expected.safetensors")).expect("expected") }
    }

    /// A list of whole numbers.
    pub fn ints(&self, name: &str) -> Vec<u64> {
        let words = self.words(name).1;
        words.into_iter().map(|word| i32::from_le_bytes(word).try_into().expect("from 0 on")).collect()
    }

    /// A matrix, row by row.
    pub fn rows(&self, name: &str) -> Vec<Vec<f32>> {
        let (shape, words) = self.words(name);
        words.chunks(shape[1]).map(|row| row.iter().map(|&word| f32::from_le_bytes(word)).collect()).collect()
    }

    fn words(&self, name: &str) -> (Vec<usize>, Vec<[u8; 4]>) {
        let tensors = SafeTensors::deserialize(&self.file).expect("safetensors");
        let tensor = tensors.tensor(name).expect(name);
        let words = tensor.data().chunks_exact(4).map(|word| word.try_into().expect("four bytes"));
        (tensor.shape().to_vec(), words.collect())
    }
}

/// Token ids as `--tokens` takes them.
pub fn ids(tokens: &[u64]) -> String {
    let ids: Vec<String> = tokens.iter().map(u64::to_string).collect();
    ids.join(",")
}

/// All the numbers under a name, one a line of JSON.
pub fn column(lines: &[Value], name: &str) -> Vec<u64> {
    lines.iter().map(|line| line[name].as_u64().unwrap_or_else(|| panic!("{name} in {line}"))).collect()
}

/// A copy of the smallest golden model, to be broken.
pub struct Broken {
    folder: TempDir,
}

type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

impl Broken {
    /// Whole, so far.
    pub fn new() -> Broken {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for file in ["config.json", "model.safetensors"] {
            let bytes = fs::read(Path::new(&golden("cosmicfish_hrm/one-step")).join(file)).expect(file);
            fs::write(folder.path().join(file), bytes).expect("a copy");
        }
        Broken { folder }
    }

    /// For `-m`.
    pub fn path(&self) -> String {
        self.folder.path().display().to_string()
    }

    /// One of its files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Changes the tensors of model.safetensors.
    pub fn tensors(self, change: impl FnOnce(&mut Tensors)) -> Broken {
        let file = self.file("model.safetensors");
        let bytes = fs::read(&file).expect("weights");
        let read = SafeTensors::deserialize(&bytes).expect("safetensors");
        let owned = |view: TensorView| (view.dtype(), view.shape().to_vec(), view.data().to_vec());
        let mut tensors: Tensors =
            read.tensors().into_iter().map(|(name, view)| (name, owned(view))).collect();
        change(&mut tensors);
        let views = tensors.iter().map(|(name, (dtype, shape, data))| {
            (name.as_str(), TensorView::new(*dtype, shape.clone(), data).expect("a tensor"))
        });
        let bytes = serialize(views, None::<HashMap<String, String>>).expect("safetensors");
        fs::write(file, bytes).expect("weights");
        self
    }

    /// Changes the fields of config.json.
    pub fn config(self, change: impl FnOnce(&mut Value)) -> Broken {
        let file = self.file("config.json");
        let mut config = serde_json::from_str(&fs::read_to_string(&file).expect("config")).expect("JSON");
        change(&mut config);
        fs::write(file, config.to_string()).expect("config");
        self
    }

    /// What `fathom forward` says about it.
    pub fn forward(&self) -> Outcome {
        fathom(&["forward", "-m", &self.path(), "--tokens", "3,2,1", "--json"])
    }
}
