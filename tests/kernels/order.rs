//! Kernels whose workgroups work in another order, on memory that is not clean.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use fathom_engine::kernels::{Kernel, Shader};

/// In which order workgroups do their work, where it is not the driver's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    Backwards,
    Scattered,
}

/// Changed kernels; each is made once, so that a device compiles it once.
#[derive(Default)]
pub struct Reordered(Mutex<HashMap<(&'static str, Order), &'static Kernel>>);

impl Reordered {
    /// The kernel in that order.
    pub fn get(&self, kernel: &'static Kernel, order: Order) -> &'static Kernel {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        made.entry((kernel.shader.name, order)).or_insert_with(|| order.of(kernel))
    }
}

impl Order {
    /// The kernel with its workgroup numbers changed, and junk in its workgroup memory.
    fn of(self, kernel: &'static Kernel) -> &'static Kernel {
        let number = match self {
            Order::Backwards => "n_groups - 1u - group_in",
            // 7 has no divisor in common with most grids; where it has, backwards again.
            Order::Scattered => {
                "select(n_groups - 1u - group_in, (group_in * 7u + 3u) % n_groups, n_groups % 7u != vec3<u32>(0u))"
            }
        };
        let shader = kernel.shader;
        let source = shader.source.replacen(
            "@builtin(workgroup_id) group: vec3<u32>",
            "@builtin(workgroup_id) group_in: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>",
            1,
        );
        let main = source.find("fn main(").expect("an entry point");
        let body = main + source[main..].find(") {").expect("its body") + ") {".len();
        let poison = poison_workgroup(&source);
        let source = format!("{}\n    let group = {number};{poison}{}", &source[..body], &source[body..]);
        let shader: &Shader = Box::leak(Box::new(Shader { source: source.leak(), ..shader.clone() }));
        Box::leak(Box::new(Kernel { shader, fields: kernel.fields, twin: kernel.twin }))
    }
}

/// WGSL that fills the arrays of workgroup memory, so that a read before the first write shows.
fn poison_workgroup(source: &str) -> String {
    let mut filling = String::new();
    for line in source.lines().filter_map(|line| line.strip_prefix("var<workgroup> ")) {
        let Some((name, rest)) = line.split_once(": array<") else { continue };
        let (of, n) = rest.split_once(">;").and_then(|(rest, _)| rest.rsplit_once(", ")).expect("a length");
        let junk = match of {
            "u32" => "77u".to_owned(),
            "mat2x4<f32>" => "mat2x4<f32>(vec4<f32>(1e30), vec4<f32>(1e30))".to_owned(),
            _ => format!("{of}(1e30)"),
        };
        filling += &format!("for (var at = 0u; at < u32({n}); at++) {{ {name}[at] = {junk}; }}\n");
    }
    format!("\n{filling}workgroupBarrier();\n")
}
