//! Parses, validates and reflects every shader, so that a broken shader does not compile the
//! crate and bindings are never typed twice. Writes `shaders.rs`: one `Shader` for each file.

// A build script says what is wrong by panicking.
#![allow(clippy::expect_used)]

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use naga::front::wgsl;
// unpack2x16float is part of every WebGPU; naga counts it as a capability.
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, Module, StorageAccess, TypeInner};

fn main() {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("set by cargo")).join("../shaders");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut paths: Vec<_> = fs::read_dir(&folder)
        .expect("the folder shaders/ beside engine/")
        .map(|entry| entry.expect("a readable folder entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wgsl"))
        .collect();
    paths.sort();

    let mut code = String::new();
    for path in &paths {
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a shader's name");
        let source = fs::read_to_string(path).expect("a readable shader");
        let module = wgsl::parse_str(&source).unwrap_or_else(|error| {
            panic!("{}", error.emit_to_string_with_path(&source, &path.to_string_lossy()))
        });
        Validator::new(ValidationFlags::all(), Capabilities::SHADER_FLOAT16_IN_FLOAT32)
            .validate(&module)
            .unwrap_or_else(|error| {
                panic!("{}", error.emit_to_string_with_path(&source, &path.to_string_lossy()))
            });
        let constant = name.to_uppercase();
        writeln!(
            code,
            "/// `shaders/{name}.wgsl`.\npub static {constant}: Shader = {};",
            reflect(name, path, &module)
        )
        .expect("writing to a string");
    }
    let out = Path::new(&env::var("OUT_DIR").expect("set by cargo")).join("shaders.rs");
    fs::write(out, code).expect("a writable OUT_DIR");
}

/// The Rust literal of a shader: its bindings in group 0, parameter layout, overrides and sizes.
fn reflect(name: &str, path: &Path, module: &Module) -> String {
    let entry = match module.entry_points.as_slice() {
        [entry] if entry.name == "main" => entry,
        _ => panic!("{}: one entry point `main` is expected", path.display()),
    };
    let mut bindings = Vec::new();
    let mut params = String::new();
    let mut params_bytes = 0;
    for (_, variable) in module.global_variables.iter() {
        match (variable.space, &variable.binding) {
            (AddressSpace::Storage { access }, Some(binding)) if binding.group == 0 => {
                let access = if access.contains(StorageAccess::STORE) { "Write" } else { "Read" };
                bindings.push((binding.binding, access));
            }
            (AddressSpace::Uniform, Some(binding)) if binding.group == 1 && binding.binding == 0 => {
                let TypeInner::Struct { members, span } = &module.types[variable.ty].inner else {
                    panic!("{}: the parameters are a struct", path.display());
                };
                params_bytes = *span;
                for member in members {
                    let name = member.name.as_deref().unwrap_or_default();
                    write!(params, "({name:?}, {}), ", member.offset).expect("writing to a string");
                }
            }
            (AddressSpace::WorkGroup, None) => {}
            _ => panic!(
                "{}: only storage in group 0, parameters in group 1 and workgroup memory",
                path.display()
            ),
        }
    }
    bindings.sort_unstable();
    for (position, (binding, _)) in bindings.iter().enumerate() {
        assert_eq!(position as u32, *binding, "{}: bindings of group 0 count from 0", path.display());
    }
    let accesses: String = bindings.iter().map(|(_, access)| format!("Access::{access}, ")).collect();
    // An array whose length is an override expression brings an override without a name.
    let overrides: String = module
        .overrides
        .iter()
        .filter_map(|(_, constant)| constant.name.as_deref())
        .map(|name| format!("{name:?}, "))
        .collect();
    format!(
        "Shader {{ name: {name:?}, source: include_str!({:?}), bindings: &[{accesses}], params: &[{params}], \
         params_bytes: {params_bytes}, overrides: &[{overrides}], workgroup_size: {} }}",
        path.canonicalize().expect("a shader's path"),
        entry.workgroup_size.iter().product::<u32>(),
    )
}
