//! `cargo run -p fathom-package`: builds the npm package in `wasm/package/dist`.
//!
//! 1. the engine and its shell as wasm, with SIMD: the engine for speed, everything else for size;
//! 2. JavaScript bindings, by the wasm-bindgen of this very Cargo.lock, used as a library;
//! 3. Binaryen's optimiser;
//! 4. GPT-2's vocabulary as a file of its own, which is fetched only where a model needs it;
//! 5. the TypeScript around them.
//!
//! It prints what is downloaded, and fails where the wasm has grown too large.
//!
//! `cargo run -p fathom-package -- kernels`: builds the kernels' tests for browsers in `target/browser-kernels`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, bail};
use fathom_engine::Tokenizer;
use flate2::{Compression, write::GzEncoder};
use wasm_bindgen_cli_support::Bindgen;

const PROFILE: &str = "wasm";
const TARGET: &str = "wasm32-unknown-unknown";
/// The most bytes of wasm after gzip.
const MOST_WASM_BYTES: usize = 1_200_000;

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    match env::args().nth(1).as_deref() {
        None => package(&root),
        Some("kernels") => {
            let built = empty(root.join("target/browser-kernels"))?;
            bind(&compile(&root, "fathom-browser-kernels")?, &built, "kernels")
        }
        Some(other) => bail!("{other}: what is to be built? Nothing for the npm package, or `kernels`"),
    }
}

fn package(root: &Path) -> Result<()> {
    let package = root.join("wasm/package");
    let dist = empty(package.join("dist"))?;
    let modified = |name: &str| fs::metadata(package.join(name)).and_then(|about| about.modified()).ok();
    if modified("node_modules/.package-lock.json") < modified("package-lock.json") {
        run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&package))?;
    }
    bind(&compile(root, "fathom-wasm")?, &dist, "fathom")?;
    shrink(&package)?;
    fs::write(dist.join("gpt2.tiktoken"), Tokenizer::gpt2_file()?)?;
    for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
        fs::copy(root.join(licence), package.join(licence)).context(licence)?;
    }
    run(Command::new("npx").args(["tsc", "-p", "."]).current_dir(&package))?;
    report(&dist)
}

/// The folder, with nothing in it.
fn empty(folder: PathBuf) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("emptying {}", folder.display()))?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// A crate as wasm.
fn compile(root: &Path, name: &str) -> Result<PathBuf> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--locked", "--lib", "-p", name, "--target", TARGET, "--profile", PROFILE])
        // Every browser with WebGPU has it, and the processor's kernels are several times faster with it.
        .env("RUSTFLAGS", "-C target-feature=+simd128")
        .env("CARGO_TARGET_DIR", &target)
        .current_dir(root);
    run(&mut cargo)?;
    Ok(target.join(TARGET).join(PROFILE).join(name.replace('-', "_")).with_extension("wasm"))
}

/// `NAME.js` and `NAME_bg.wasm`.
fn bind(wasm: &Path, to: &Path, name: &str) -> Result<()> {
    let mut bindgen = Bindgen::new();
    bindgen.input_path(wasm).web(true)?.typescript(true).out_name(name);
    bindgen.generate(to).context("wasm-bindgen")
}

/// Binaryen takes another tenth off, and a fifth of what the browser has to compile.
fn shrink(package: &Path) -> Result<()> {
    const FEATURES: [&str; 7] = [
        "--enable-bulk-memory",
        "--enable-multivalue",
        "--enable-mutable-globals",
        "--enable-nontrapping-float-to-int",
        "--enable-reference-types",
        "--enable-sign-ext",
        "--enable-simd",
    ];
    const WASM: &str = "dist/fathom_bg.wasm";
    run(Command::new("npx").args(["wasm-opt", "-O2", "-o", WASM, WASM]).args(FEATURES).current_dir(package))
}

fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("{name} cannot be started; is it installed?"))?;
    if !status.success() {
        bail!("{name} failed");
    }
    Ok(())
}

/// What a browser downloads.
fn report(dist: &Path) -> Result<()> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(dist)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    for file in files.iter().filter(|file| !file.to_string_lossy().ends_with(".d.ts")) {
        let bytes = fs::read(file)?;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&bytes)?;
        let n_gzip = gzip.finish()?.len();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        println!("{name:<20} {:>9} bytes, {n_gzip:>8} after gzip", bytes.len());
        if name.ends_with(".wasm") && n_gzip > MOST_WASM_BYTES {
            bail!("{name} is larger than {MOST_WASM_BYTES} bytes after gzip");
        }
    }
    Ok(())
}
