//! What `fathom --version` says of the build: the commit, where it is built in a checkout, and wgpu's version.

use std::env;
use std::fs;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=../.git/HEAD");
    println!("cargo::rerun-if-changed=../.git/logs/HEAD");
    println!("cargo::rerun-if-changed=../Cargo.lock");
    let git = Command::new("git").args(["rev-parse", "--short=10", "HEAD"]).output();
    let commit = git.ok().filter(|output| output.status.success());
    let commit = commit.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    for (name, value) in [
        ("COMMIT", commit.unwrap_or_else(|| "unknown".to_owned())),
        ("WGPU", wgpu().unwrap_or_else(|| "unknown".to_owned())),
        ("TARGET", env::var("TARGET").unwrap_or_default()),
        ("PROFILE", env::var("PROFILE").unwrap_or_default()),
    ] {
        println!("cargo::rustc-env=FATHOM_BUILD_{name}={value}");
    }
}

/// Its version in the lock file.
fn wgpu() -> Option<String> {
    let lock = fs::read_to_string("../Cargo.lock").ok()?;
    let package = lock.split("[[package]]").find(|package| package.contains("\nname = \"wgpu\"\n"))?;
    let version = package.lines().find_map(|line| line.strip_prefix("version = "))?;
    Some(version.trim_matches('"').to_owned())
}
