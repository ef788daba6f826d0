//! Compiled shaders, bound buffers and the parameters of calls; each is made once and kept.

use std::collections::HashMap;
use std::sync::Arc;

use crate::device::held::{Held, Owner, Share};
use crate::error::Result;
use crate::kernels::{Access, Shader};
use crate::recording::Call;

/// Room for one call's parameters: WebGPU's default offset alignment.
pub const PARAMS_STRIDE: usize = 256;
/// The most bytes of a parameter struct.
const MOST_PARAMS_BYTES: u64 = 80;

/// The address of a shader's source. Not its name: tests run changed shaders.
type ShaderKey = usize;
/// Values of `override` constants.
type Constants = Vec<(&'static str, u32)>;

/// A call, ready to be dispatched.
pub struct Bound {
    /// The compiled shader.
    pub pipeline: wgpu::ComputePipeline,
    /// Group 0.
    pub buffers: wgpu::BindGroup,
}

/// What calls need of the driver.
pub struct Pipelines {
    params_layout: wgpu::BindGroupLayout,
    params: Params,
    held: Arc<Held>,
    layouts: HashMap<ShaderKey, wgpu::BindGroupLayout>,
    compiled: HashMap<(ShaderKey, Constants), wgpu::ComputePipeline>,
    /// By the shader and the numbers of its buffers.
    bound: HashMap<(ShaderKey, Vec<u64>), wgpu::BindGroup>,
}

/// The uniform that holds the parameters of all calls of a submission.
struct Params {
    buffer: wgpu::Buffer,
    group: wgpu::BindGroup,
    _share: Share,
}

impl Params {
    fn new(
        device: &wgpu::Device,
        layout: &wgpu::BindGroupLayout,
        n_calls: usize,
        held: &Arc<Held>,
    ) -> Params {
        let size = (n_calls * PARAMS_STRIDE) as u64;
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("parameters"),
            size,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let window = wgpu::BufferBinding {
            buffer: &buffer,
            offset: 0,
            size: std::num::NonZero::new(MOST_PARAMS_BYTES),
        };
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("parameters"),
            layout,
            entries: &[wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::Buffer(window) }],
        });
        Params { buffer, group, _share: held.share(Owner::Device, size) }
    }
}

impl Pipelines {
    /// Nothing is compiled yet.
    pub fn new(device: &wgpu::Device, held: Arc<Held>) -> Pipelines {
        let uniform = wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Uniform,
            has_dynamic_offset: true,
            min_binding_size: None,
        };
        let params_layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("parameters"),
            entries: &[entry(0, uniform)],
        });
        Pipelines {
            params: Params::new(device, &params_layout, 64, &held),
            held,
            params_layout,
            layouts: HashMap::new(),
            compiled: HashMap::new(),
            bound: HashMap::new(),
        }
    }

    /// Writes the parameters of all calls and returns the offset of each.
    pub fn write_params<'a>(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        calls: impl Iterator<Item = &'a Call>,
    ) -> Vec<u32> {
        let mut bytes = Vec::new();
        let mut offsets = Vec::new();
        for call in calls {
            offsets.push(bytes.len() as u32);
            bytes.extend_from_slice(&call.params);
            bytes.resize(bytes.len().next_multiple_of(PARAMS_STRIDE), 0);
        }
        if bytes.len() as u64 > self.params.buffer.size() {
            let n_calls = offsets.len().next_power_of_two();
            self.params = Params::new(device, &self.params_layout, n_calls, &self.held);
        }
        queue.write_buffer(&self.params.buffer, 0, &bytes);
        offsets
    }

    /// Group 1, to be set with a call's offset.
    pub fn params(&self) -> &wgpu::BindGroup {
        &self.params.group
    }

    /// The pipeline and the buffers of a call.
    pub fn bind(&mut self, device: &wgpu::Device, call: &Call) -> Result<Bound> {
        let shader = call.kernel.shader;
        let key = shader.source.as_ptr() as ShaderKey;
        let layout = self.layouts.entry(key).or_insert_with(|| layout(device, shader));

        let compiled = self.compiled.entry((key, call.constants.clone()));
        let pipeline = compiled
            .or_insert_with(|| compile(device, shader, &call.constants, layout, &self.params_layout))
            .clone();

        let ids = call.buffers.iter().map(super::super::Buffer::id).collect();
        let buffers = match self.bound.entry((key, ids)) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.get().clone(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let memories = call.buffers.iter().map(|buffer| buffer.gpu()).collect::<Result<Vec<_>>>()?;
                let entries: Vec<_> = (0..)
                    .zip(memories)
                    .map(|(binding, memory)| wgpu::BindGroupEntry {
                        binding,
                        resource: memory.buffer.as_entire_binding(),
                    })
                    .collect();
                let descriptor =
                    wgpu::BindGroupDescriptor { label: Some(shader.name), layout, entries: &entries };
                entry.insert(device.create_bind_group(&descriptor)).clone()
            }
        };
        Ok(Bound { pipeline, buffers })
    }

    /// Shader variants so far.
    pub fn n_compiled(&self) -> usize {
        self.compiled.len()
    }

    /// Drops the bindings of buffers that are gone.
    pub fn forget(&mut self, freed: &[u64]) {
        if !freed.is_empty() {
            self.bound.retain(|(_, ids), _| !ids.iter().any(|id| freed.contains(id)));
        }
    }
}

fn layout(device: &wgpu::Device, shader: &Shader) -> wgpu::BindGroupLayout {
    let storage = |access: &Access| wgpu::BindingType::Buffer {
        ty: wgpu::BufferBindingType::Storage { read_only: *access == Access::Read },
        has_dynamic_offset: false,
        min_binding_size: None,
    };
    let entries: Vec<_> =
        (0..).zip(shader.bindings).map(|(binding, access)| entry(binding, storage(access))).collect();
    let descriptor = wgpu::BindGroupLayoutDescriptor { label: Some(shader.name), entries: &entries };
    device.create_bind_group_layout(&descriptor)
}

fn entry(binding: u32, ty: wgpu::BindingType) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry { binding, visibility: wgpu::ShaderStages::COMPUTE, ty, count: None }
}

fn compile(
    device: &wgpu::Device,
    shader: &Shader,
    constants: &[(&str, u32)],
    buffers: &wgpu::BindGroupLayout,
    params: &wgpu::BindGroupLayout,
) -> wgpu::ComputePipeline {
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(shader.name),
        source: wgpu::ShaderSource::Wgsl(shader.source.into()),
    });
    let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(shader.name),
        bind_group_layouts: &[Some(buffers), Some(params)],
        immediate_size: 0,
    });
    let constants: Vec<(&str, f64)> = constants.iter().map(|&(name, value)| (name, value.into())).collect();
    device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(shader.name),
        layout: Some(&layout),
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions {
            constants: &constants,
            // No kernel reads workgroup memory that it has not written.
            zero_initialize_workgroup_memory: false,
        },
        cache: None,
    })
}
