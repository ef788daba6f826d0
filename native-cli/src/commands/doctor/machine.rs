//! The program and the machine it runs on, without a name of a person in it.

use std::env;
use std::fs;

use serde::Serialize;

/// What was built.
#[derive(Serialize)]
pub struct Program {
    pub version: &'static str,
    pub commit: &'static str,
    pub profile: &'static str,
    pub target: &'static str,
    /// The version of what stands between the engine and the drivers.
    pub graphics_library: &'static str,
}

/// What it runs on; null what this system does not tell.
#[derive(Serialize)]
pub struct Machine {
    /// As the system calls itself.
    pub system: String,
    /// Names of the distribution and of those it descends from; for what to install.
    pub family: Vec<String>,
    pub kernel: Option<String>,
    pub arch: &'static str,
    pub processor: Option<String>,
    /// What the twins use, of what the processor has.
    pub processor_features: Vec<&'static str>,
    pub n_threads: usize,
    pub memory_bytes: Option<u64>,
    pub free_memory_bytes: Option<u64>,
}

impl Program {
    /// This one.
    pub fn this() -> Program {
        Program {
            version: env!("CARGO_PKG_VERSION"),
            commit: env!("FATHOM_BUILD_COMMIT"),
            profile: env!("FATHOM_BUILD_PROFILE"),
            target: env!("FATHOM_BUILD_TARGET"),
            graphics_library: env!("FATHOM_BUILD_WGPU"),
        }
    }
}

impl Machine {
    /// This one.
    pub fn this() -> Machine {
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease");
        let kib = |name: &str| field(&memory, name, ':')?.split(' ').next()?.parse::<u64>().ok();
        let family = [field(&release, "ID", '='), field(&release, "ID_LIKE", '=')];
        Machine {
            system: field(&release, "PRETTY_NAME", '=').unwrap_or(env::consts::OS).to_owned(),
            family: family.into_iter().flatten().flat_map(str::split_whitespace).map(str::to_owned).collect(),
            kernel: kernel.ok().map(|kernel| kernel.trim().to_owned()),
            arch: env::consts::ARCH,
            processor: field(&processor, "model name", ':').map(str::to_owned),
            processor_features: processor_features(),
            n_threads: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: kib("MemTotal").map(|n| n * 1024),
            free_memory_bytes: kib("MemAvailable").map(|n| n * 1024),
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn processor_features() -> Vec<&'static str> {
    let named =
        [("avx2", std::is_x86_feature_detected!("avx2")), ("f16c", std::is_x86_feature_detected!("f16c"))];
    named.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn processor_features() -> Vec<&'static str> {
    vec![]
}

/// The value of the first line `name<separator>value`.
fn field<'a>(text: &'a str, name: &str, separator: char) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(separator)?;
        (found.trim() == name).then(|| value.trim().trim_matches('"'))
    })
}

/// Leaves out who it is that runs this: home folders become `~`.
pub fn without_names(text: &str) -> String {
    let home = env::var("HOME").or_else(|_| env::var("USERPROFILE")).unwrap_or_default();
    without(text, &home)
}

fn without(text: &str, home: &str) -> String {
    // A home of `/` or `/root` names nobody.
    let mut text = if home.len() > 1 && home != "/root" { text.replace(home, "~") } else { text.to_owned() };
    for (homes, separator) in [("/home/", '/'), ("/Users/", '/'), ("\\Users\\", '\\')] {
        let mut from = 0;
        while let Some(at) = text[from..].find(homes).map(|at| from + at) {
            let name = at + homes.len();
            let end =
                text[name..].find([separator, ':', ';', ' ', '"', '\'']).map_or(text.len(), |n| name + n);
            text.replace_range(at..end, "~");
            from = at + 1;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_named() {
        assert_eq!(without("/home/ann/x:/home/bob/y", "/home/ann"), "~/x:~/y");
        assert_eq!(without("cannot read /Users/ann: no", ""), "cannot read ~: no");
        assert_eq!(without(r"C:\Users\ann\x", r"D:\ann"), r"C:~\x");
        assert_eq!(without("/data/ann/icd.json", "/data/ann"), "~/icd.json");
        assert_eq!(without("/usr/share", "/"), "/usr/share");
    }

    #[test]
    fn fields() {
        assert_eq!(field("ID=debian\nPRETTY_NAME=\"Debian 12\"", "PRETTY_NAME", '='), Some("Debian 12"));
        assert_eq!(field("MemTotal:   16 kB", "MemTotal", ':'), Some("16 kB"));
        assert_eq!(field("MemTotal:   16 kB", "Mem", ':'), None);
    }
}
