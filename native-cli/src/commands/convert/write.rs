//! The weights as safetensors, one tensor after the other, in one file or several.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use fathom_engine::{BLOCK, in_file, scale_name};
use safetensors::tensor::Dtype;
use serde_json::{Map, Value, json};

use super::numbers;
use super::plan::Planned;
use super::source::Input;

/// A file that was written.
pub struct Written {
    /// Its name in the folder.
    pub name: String,
    /// Its size.
    pub n_bytes: u64,
}

/// The tensors of each file, in order; a file holds at most so many bytes of them, but at least one.
pub fn shards(tensors: Vec<Planned>, most_bytes: Option<u64>) -> Vec<Vec<Planned>> {
    let mut shards: Vec<Vec<Planned>> = vec![Vec::new()];
    let mut n_bytes = 0_u64;
    for tensor in tensors {
        n_bytes = n_bytes.saturating_add(tensor.n_bytes());
        match shards.last_mut() {
            Some(last) if last.is_empty() || most_bytes.is_none_or(|most| n_bytes <= most) => {
                last.push(tensor)
            }
            _ => {
                n_bytes = tensor.n_bytes();
                shards.push(vec![tensor]);
            }
        }
    }
    shards
}

/// Writes the files and, where there are several, their index, in Hugging Face's layout. `done` is told the bytes
/// of each tensor that was written, and may stop it.
///
/// # Errors
/// A tensor that cannot be read or does not fit its type; what the disk says.
pub fn write(
    input: &mut Input,
    shards: Vec<Vec<Planned>>,
    folder: &Path,
    done: &mut dyn FnMut(u64) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Written>> {
    let n_shards = shards.len();
    let mut written = Vec::new();
    let mut weight_map = Map::new();
    let mut total_size = 0;
    for (i, mut tensors) in shards.into_iter().enumerate() {
        let name = match n_shards {
            1 => "model.safetensors".to_owned(),
            _ => format!("model-{:05}-of-{n_shards:05}.safetensors", i + 1),
        };
        // Wider numbers first, so that each lies at a multiple of its size.
        let width = |tensor: &Planned| tensor.to.data_bytes(2);
        tensors.sort_by(|a, b| width(b).cmp(&width(a)).then_with(|| a.name.cmp(&b.name)));
        for tensor in &tensors {
            weight_map.insert(tensor.name.clone(), name.clone().into());
            if tensor.to.is_quantized() {
                weight_map.insert(scale_name(&tensor.name), name.clone().into());
            }
            total_size += tensor.n_bytes();
        }
        let n_bytes = write_file(input, &tensors, &folder.join(&name), done)?;
        written.push(Written { name, n_bytes });
    }
    if n_shards > 1 {
        let index = json!({"metadata": {"total_size": total_size}, "weight_map": weight_map});
        let text = serde_json::to_string_pretty(&index)? + "\n";
        written.push(write_text(folder, "model.safetensors.index.json", &text)?);
    }
    Ok(written)
}

/// Writes a small file.
///
/// # Errors
/// What the disk says.
pub fn write_text(folder: &Path, name: &str, text: &str) -> anyhow::Result<Written> {
    let write = || -> std::io::Result<()> {
        let mut file = File::create_new(folder.join(name))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().with_context(|| format!("{name} cannot be written"))?;
    Ok(Written { name: name.to_owned(), n_bytes: text.len() as u64 })
}

/// Copies a small file as it is.
///
/// # Errors
/// What the disk says.
pub fn copy(from: &Path, folder: &Path, name: &str) -> anyhow::Result<Written> {
    let copy = || -> std::io::Result<u64> {
        // Only the contents: a read-only original must not make a read-only copy.
        let mut file = File::create_new(folder.join(name))?;
        let n_bytes = std::io::copy(&mut File::open(from)?, &mut file)?;
        file.sync_all()?;
        Ok(n_bytes)
    };
    let n_bytes = copy().with_context(|| format!("{} cannot be copied", from.display()))?;
    Ok(Written { name: name.to_owned(), n_bytes })
}

fn write_file(
    input: &mut Input,
    tensors: &[Planned],
    path: &Path,
    done: &mut dyn FnMut(u64) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    let cannot = || format!("{} cannot be written", path.file_name().unwrap_or_default().display());
    let header = header(tensors)?;
    let file = File::create_new(path).with_context(cannot)?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    out.write_all(&(header.len() as u64).to_le_bytes()).with_context(cannot)?;
    out.write_all(header.as_bytes()).with_context(cannot)?;
    for tensor in tensors {
        let element = input.tensors[tensor.from].element;
        let bytes = input.read(tensor.from)?;
        numbers::write(&bytes, element, tensor.to, &mut out)
            .with_context(|| format!("tensor {}", tensor.name))?;
        done(tensor.n_bytes())?;
    }
    let file = out.into_inner().map_err(|e| e.into_error()).with_context(cannot)?;
    file.sync_all().with_context(cannot)?;
    Ok(fs::metadata(path)?.len())
}

/// The JSON that says where each tensor is, as long as a multiple of eight bytes.
fn header(tensors: &[Planned]) -> anyhow::Result<String> {
    let mut fields = Map::new();
    fields.insert("__metadata__".to_owned(), json!({"format": "pt"}));
    let mut start = 0;
    for tensor in tensors {
        let mut field = |name: String, dtype: Dtype, shape: Vec<usize>, n_bytes: u64| {
            let end = start + n_bytes;
            fields.insert(name, json!({"dtype": dtype, "shape": shape, "data_offsets": [start, end]}));
            start = end;
        };
        let Planned { name, shape, to, n, .. } = tensor;
        field(name.clone(), to.dtype(), in_file(*to, shape), to.data_bytes(*n));
        if let ([n_out, n_in], true) = (shape.as_slice(), to.is_quantized()) {
            field(scale_name(name), Dtype::F16, vec![*n_out, n_in / BLOCK], to.scale_bytes(*n));
        }
    }
    let mut text = Value::Object(fields).to_string();
    let padded = text.len().next_multiple_of(8);
    text.extend(std::iter::repeat_n(' ', padded - text.len()));
    Ok(text)
}

#[cfg(test)]
mod tests {
    use fathom_engine::WeightType;

    use super::*;

    #[test]
    fn files_are_filled_in_order() {
        let tensor = |n| Planned { from: 0, name: String::new(), shape: vec![], to: WeightType::F16, n };
        let sizes = |most| -> Vec<Vec<u64>> {
            let tensors = [3, 1, 9, 2, 2].map(tensor).into_iter().collect();
            shards(tensors, most).iter().map(|s| s.iter().map(|t| t.n).collect()).collect()
        };
        assert_eq!(sizes(None), [vec![3, 1, 9, 2, 2]]);
        assert_eq!(sizes(Some(8)), [vec![3, 1], vec![9], vec![2, 2]]);
        assert_eq!(sizes(Some(1)), [vec![3], vec![1], vec![9], vec![2], vec![2]]);
    }
}
