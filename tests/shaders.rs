//! The shaders as text: layouts, WebGPU's default limits, and what naga makes of every variant for each backend.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use fathom_engine::kernels::{ALL, Kernel};
use naga::back::{hlsl, msl, pipeline_constants::process_overrides, spv};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, ShaderStage};

/// Every value of every `override` constant that the engine may ask for.
fn values(constant: &str) -> &'static [u32] {
    match constant {
        "WEIGHTS" => &[0, 1, 2, 3, 4],
        "EPILOGUE" => &[0, 1, 2, 3, 4],
        "ROWS" => &[1, 4],
        "OUTS" => &[2, 4, 8],
        "GROUP" => &[1, 2, 4],
        "HEAD_DIM" => &[8, 18, 56, 64, 128, 256],
        "GREEDY" | "KV" | "NORM" | "PATH" | "LEARNED_POSITIONS" => &[0, 1],
        other => panic!("{other}: which values does it take?"),
    }
}

fn variants(kernel: &Kernel) -> Vec<Vec<(&'static str, u32)>> {
    kernel.shader.overrides.iter().fold(vec![vec![]], |variants, name| {
        let with = |&value: &u32| {
            variants.iter().map(move |variant: &Vec<_>| [&variant[..], &[(*name, value)]].concat())
        };
        values(name).iter().flat_map(with).filter(|variant| fits(variant)).collect()
    })
}

/// Those that there are: attention takes no more heads together than fit a workgroup's memory, only q, k and v care for
/// the cache, and how many outputs a lane makes depends on what is done with them. As far as the constants are set.
fn fits(variant: &[(&str, u32)]) -> bool {
    let is = |name: &str, good: &dyn Fn(u32) -> bool| {
        variant.iter().find(|(n, _)| *n == name).is_none_or(|&(_, value)| good(value))
    };
    let has = |name: &str, value: u32| variant.contains(&(name, value));
    let heads = variant.iter().find(|(n, _)| *n == "GROUP").map_or(1, |(_, value)| *value);
    is("HEAD_DIM", &|size| heads * size.div_ceil(64) <= 4)
        && (!has("KV", 1) || is("EPILOGUE", &|epilogue| epilogue == 4))
        && (!has("OUTS", 2) || is("EPILOGUE", &|epilogue| epilogue == 3))
        && (!has("OUTS", 8) || is("EPILOGUE", &|epilogue| epilogue == 0) && is("ROWS", &|rows| rows == 1))
}

#[test]
fn every_shader_has_its_kernel() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shaders");
    let stems = fs::read_dir(folder).expect("shaders/").map(|entry| {
        let path = entry.expect("an entry").path();
        assert_eq!(path.extension().and_then(|e| e.to_str()), Some("wgsl"), "{}", path.display());
        path.file_stem().expect("a name").to_string_lossy().into_owned()
    });
    let files: BTreeSet<String> = stems.collect();
    let kernels: BTreeSet<String> = ALL.iter().map(|kernel| kernel.shader.name.to_owned()).collect();
    assert_eq!(files, kernels);
    assert_eq!(kernels.len(), ALL.len(), "each once");
}

#[test]
fn parameters_lie_where_the_shader_reads_them() {
    for kernel in ALL {
        let rust: Vec<(&str, u32)> = kernel.fields.iter().map(|&(name, at)| (name, at as u32)).collect();
        assert_eq!(rust, kernel.shader.params, "{}", kernel.shader.name);
        assert!(kernel.shader.params_bytes <= 80, "{}: the window that is bound", kernel.shader.name);
    }
}

#[test]
fn every_variant_keeps_the_default_limits_and_translates() {
    for kernel in ALL {
        let shader = kernel.shader;
        assert!(shader.bindings.len() <= 8, "{}: storage buffers", shader.name);
        assert!(shader.workgroup_size <= 256, "{}: invocations", shader.name);
        let parsed = naga::front::wgsl::parse_str(shader.source).expect(shader.name);
        let validate = |module: &naga::Module| {
            // unpack2x16float is part of every WebGPU; naga counts it as a capability.
            Validator::new(ValidationFlags::all(), Capabilities::SHADER_FLOAT16_IN_FLOAT32)
                .validate(module)
                .map_err(Box::new)
        };
        let info = validate(&parsed).expect(shader.name);
        for variant in variants(kernel) {
            let what = format!("{} {variant:?}", shader.name);
            let constants = variant.iter().map(|&(name, value)| (name.to_owned(), value.into())).collect();
            let (module, _) = process_overrides(&parsed, &info, None, &constants).expect(&what);
            let info = validate(&module).expect(&what);

            let in_workgroup = |variable: &naga::GlobalVariable| variable.space == AddressSpace::WorkGroup;
            let sizes = module.global_variables.iter().filter(|(_, variable)| in_workgroup(variable));
            let bytes: u32 = sizes.map(|(_, v)| module.types[v.ty].inner.size(module.to_ctx())).sum();
            assert!(bytes <= 16384, "{what}: {bytes} bytes of workgroup memory");

            let entry = || (ShaderStage::Compute, "main".to_owned());
            let pipeline =
                spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: entry().1 };
            let words =
                spv::write_vec(&module, &info, &spv::Options::default(), Some(&pipeline)).expect(&what);
            assert_eq!(words[0], 0x0723_0203, "{what}: SPIR-V's magic number");

            let mut text = String::new();
            let (options, pipeline) =
                (hlsl::Options::default(), hlsl::PipelineOptions { entry_point: Some(entry()) });
            hlsl::Writer::new(&mut text, &options, &pipeline).write(&module, &info, None).expect(&what);
            assert!(text.contains("[numthreads("), "{what}: {text}");

            let pipeline = msl::PipelineOptions { entry_point: Some(entry()), ..Default::default() };
            let (text, _) =
                msl::write_string(&module, &info, &msl::Options::default(), &pipeline).expect(&what);
            assert!(text.contains("kernel void main_"), "{what}: {text}");
        }
    }
}
