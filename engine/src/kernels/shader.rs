//! What `build.rs` reflected from the files of `shaders/`.

/// How a shader uses a buffer of group 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// `var<storage, read>`.
    Read,
    /// `var<storage, read_write>`.
    Write,
}

/// One WGSL file with one entry point `main`.
#[derive(Debug, Clone)]
pub struct Shader {
    /// The file's name without its ending.
    pub name: &'static str,
    /// The WGSL.
    pub source: &'static str,
    /// The storage buffers of group 0, in binding order.
    pub bindings: &'static [Access],
    /// Names and offsets of the parameter struct, `@group(1) @binding(0)`.
    pub params: &'static [(&'static str, u32)],
    /// Its size in bytes.
    pub params_bytes: u32,
    /// The names of its `override` constants.
    pub overrides: &'static [&'static str],
    /// Invocations in a workgroup.
    pub workgroup_size: u32,
}

include!(concat!(env!("OUT_DIR"), "/shaders.rs"));
