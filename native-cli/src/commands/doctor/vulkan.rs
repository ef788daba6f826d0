//! Vulkan as Linux and the BSDs install it: a loader, and a manifest for each driver. Only files are looked at:
//! what becomes of them is seen by the adapters that there are.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::machine::without_names;

/// The loader's file.
const LOADER: &str = "libvulkan.so.1";

/// Where manifests are, below each of the folders of data and of settings.
const MANIFESTS: &str = "vulkan/icd.d";

/// What was found.
#[derive(Serialize)]
pub struct Vulkan {
    /// Where the loader is; null where it was not found.
    pub loader: Option<String>,
    /// The variable that replaces the list of manifests, where one is set.
    pub overridden_by: Option<&'static str>,
    pub manifests: Vec<Manifest>,
}

/// The file that tells the loader of a driver.
#[derive(Serialize)]
pub struct Manifest {
    pub file: String,
    /// The driver's library, as the file names it.
    pub library: Option<String>,
    /// What stands against it: the file or the library is not there.
    pub problem: Option<String>,
}

impl Vulkan {
    /// On this machine; None where graphics drivers are installed in another way.
    pub fn here() -> Option<Vulkan> {
        if cfg!(any(windows, target_os = "macos", target_os = "android", target_os = "ios")) {
            return None;
        }
        // The newer name counts where both are set.
        let overridden_by =
            ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].into_iter().find(|name| env::var_os(name).is_some());
        let mut files = match overridden_by.and_then(env::var_os) {
            Some(list) => env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect(),
            None => folders().iter().flat_map(|folder| json_files(folder)).collect::<Vec<PathBuf>>(),
        };
        if let Some(added) = env::var_os("VK_ADD_DRIVER_FILES") {
            files.extend(env::split_paths(&added));
        }
        let files =
            files.iter().flat_map(|path| if path.is_dir() { json_files(path) } else { vec![path.clone()] });
        Some(Vulkan {
            loader: library(LOADER).map(|path| shown(&path)),
            overridden_by,
            manifests: files.map(|file| Manifest::read(&file)).collect(),
        })
    }

    /// Drivers that a GPU may have.
    pub fn n_whole(&self) -> usize {
        self.manifests.iter().filter(|manifest| manifest.problem.is_none()).count()
    }
}

impl Manifest {
    fn read(file: &Path) -> Manifest {
        let library = || -> Result<String, String> {
            let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
            let json: serde_json::Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
            let path = json["ICD"]["library_path"].as_str();
            path.map(str::to_owned).ok_or_else(|| "it names no library".to_owned())
        };
        let (library, problem) = match library() {
            Ok(library) => {
                let is_there = library_is_there(file, &library);
                let problem = (!is_there).then(|| format!("{} is not there", without_names(&library)));
                (Some(without_names(&library)), problem)
            }
            Err(error) => (None, Some(without_names(&error))),
        };
        Manifest { file: shown(file), library, problem }
    }
}

/// A name is looked for where libraries are, a path from the manifest's folder on.
fn library_is_there(manifest: &Path, named: &str) -> bool {
    if named.contains('/') {
        manifest.parent().unwrap_or(Path::new("")).join(named).is_file()
    } else {
        library(named).is_some()
    }
}

fn folders() -> Vec<PathBuf> {
    let list = |name: &str, usual: &str| -> Vec<PathBuf> {
        let value = env::var(name).ok().filter(|value| !value.is_empty());
        env::split_paths(&value.unwrap_or_else(|| usual.to_owned())).collect()
    };
    let home = |below: &str| env::var("HOME").map(|home| format!("{home}/{below}")).unwrap_or_default();
    let mut folders = list("XDG_CONFIG_HOME", &home(".config"));
    folders.extend(list("XDG_CONFIG_DIRS", "/etc/xdg"));
    folders.push("/etc".into());
    folders.extend(list("XDG_DATA_HOME", &home(".local/share")));
    folders.extend(list("XDG_DATA_DIRS", "/usr/local/share:/usr/share"));
    folders.iter().filter(|folder| folder.is_absolute()).map(|folder| folder.join(MANIFESTS)).collect()
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect();
    files.sort();
    files
}

/// Where the dynamic linker finds a library of this name: by its variable, its cache, its usual folders.
fn library(name: &str) -> Option<PathBuf> {
    let listed = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let by_variable = env::split_paths(&listed).map(|folder| folder.join(name)).find(|path| path.is_file());
    let by_cache = || {
        // Paths stand in it as they are, each ended by a zero.
        let cache = fs::read("/etc/ld.so.cache").ok()?;
        let ending = format!("/{name}");
        let paths = cache.split(|&byte| byte == 0).filter_map(|path| std::str::from_utf8(path).ok());
        paths.filter(|path| path.ends_with(&ending)).map(PathBuf::from).find(|path| path.is_file())
    };
    let usual = || {
        let arch = env::consts::ARCH;
        let multiarch = format!("/usr/lib/{arch}-linux-gnu");
        ["/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/local/lib", multiarch.as_str()]
            .into_iter()
            .map(|folder| Path::new(folder).join(name))
            .find(|path| path.is_file())
    };
    by_variable.or_else(by_cache).or_else(usual)
}

fn shown(path: &Path) -> String {
    without_names(&path.display().to_string())
}

/// Variables that change which drivers are found, and what they do.
const VARIABLES: [&str; 17] = [
    "VK_DRIVER_FILES",
    "VK_ICD_FILENAMES",
    "VK_ADD_DRIVER_FILES",
    "VK_LOADER_DRIVERS_SELECT",
    "VK_LOADER_DRIVERS_DISABLE",
    "VK_INSTANCE_LAYERS",
    "VK_LAYER_PATH",
    "MESA_VK_DEVICE_SELECT",
    "MESA_LOADER_DRIVER_OVERRIDE",
    "LIBGL_ALWAYS_SOFTWARE",
    "LP_NUM_THREADS",
    "DRI_PRIME",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES",
    "LD_LIBRARY_PATH",
    "RAYON_NUM_THREADS",
];

/// Those that are set.
pub fn variables() -> Vec<(&'static str, String)> {
    let set = |name| env::var_os(name).map(|value| (name, without_names(&value.to_string_lossy())));
    VARIABLES.into_iter().filter_map(set).collect()
}
