//! Tests of `weights`: hostile files, wrong tensors, tied names.

use std::pin::Pin;
use std::rc::Rc;

use half::{bf16, f16};
use serde_json::json;

use super::*;
use crate::config::tests::released;

/// Name, type, shape, bytes.
type Raw = (String, &'static str, Vec<usize>, Vec<u8>);

/// A file of zeros: name, shape and bytes per number (4: F32, 2: F16).
pub(crate) fn safetensors_file(tensors: &[(&str, &[usize], usize)]) -> Vec<u8> {
    let tensors: Vec<_> = tensors
        .iter()
        .map(|(name, shape, n)| {
            let dtype = if *n == 4 { "F32" } else { "F16" };
            ((*name).to_owned(), dtype, shape.to_vec(), vec![0; shape.iter().product::<usize>() * n])
        })
        .collect();
    raw_file(&tensors)
}

fn raw_file(tensors: &[Raw]) -> Vec<u8> {
    let mut header = json!({"__metadata__": {"format": "pt"}});
    let mut data = Vec::new();
    for (name, dtype, shape, bytes) in tensors {
        let offsets = [data.len(), data.len() + bytes.len()];
        header[name] = json!({"dtype": dtype, "shape": shape, "data_offsets": offsets});
        data.extend_from_slice(bytes);
    }
    file(&header.to_string(), &data)
}

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

fn read(file: Vec<u8>) -> Result<Weights> {
    Weights::from_files(&[WeightFile::in_memory("m.safetensors", file)])
}

/// What comes of a future that waits for nothing: everything is in memory.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

/// A file that lies elsewhere, and notes what is read of it.
#[derive(Debug)]
struct Elsewhere {
    bytes: Bytes,
    reads: std::cell::RefCell<Vec<Range<u64>>>,
}

impl ReadAt for Elsewhere {
    fn n_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read(&self, range: Range<u64>) -> Pin<Box<dyn Future<Output = Result<Bytes>> + '_>> {
        self.reads.borrow_mut().push(range.clone());
        let bytes = self.bytes.slice(range.start as usize..range.end as usize).unwrap();
        Box::pin(std::future::ready(Ok(bytes)))
    }
}

#[test]
fn a_file_elsewhere_is_read_in_ranges() {
    let file = safetensors_file(&[("a", &[2], 4), ("b", &[3], 2)]);
    let data_start = (file.len() - 14) as u64;
    let elsewhere = Rc::new(Elsewhere { bytes: file.clone().into(), reads: Default::default() });
    let opened = now(WeightFile::open("m.safetensors", elsewhere.clone())).unwrap();
    let weights = Weights::from_files(&[opened]).unwrap();
    assert_eq!(*elsewhere.reads.borrow(), [0..8, 0..data_start]);
    let b = weights.tensor("b", &[3]).unwrap();
    assert_eq!(*now(b.read(1..3)).unwrap().data, [0; 4]);
    assert_eq!(elsewhere.reads.borrow().last(), Some(&(data_start + 10..data_start + 14)));
    assert_eq!(code(now(b.read(1..4))), "internal");

    for n in 0..file.len() {
        let bytes = Bytes::from(file[..n].to_vec());
        let opened = now(WeightFile::open("m", Rc::new(Elsewhere { bytes, reads: Default::default() })));
        assert_eq!(code(Weights::from_files(&[opened.unwrap()])), "weights-truncated", "{n} bytes");
    }
}

#[test]
fn pieces_cover_everything_once() {
    assert_eq!(pieces(0).count(), 0);
    for n in [1, (2 << 20) - 32, 2 << 20, (2 << 20) + 32, 5 << 20] {
        let mut end = 0;
        for piece in pieces(n) {
            assert_eq!(piece.start, end);
            assert!(piece.start < piece.end && piece.end - piece.start <= 2 << 20);
            end = piece.end;
        }
        assert_eq!(end, n);
    }
}

fn code<T>(result: Result<T>) -> &'static str {
    result.err().map_or("no error", |e| e.code())
}

#[test]
fn numbers() {
    let f32s = [1.5_f32, -2.0].map(f32::to_le_bytes).concat();
    let f16s = [1.5, -2.0].map(|x| f16::from_f32(x).to_le_bytes()).concat();
    let bf16s = [1.5, -2.0].map(|x| bf16::from_f32(x).to_le_bytes()).concat();
    for (name, size, bytes) in [("F32", 8, f32s), ("F16", 4, f16s), ("BF16", 4, bf16s)] {
        // One tensor before it, so that the bytes lie at an odd address.
        let odd = ("odd".to_owned(), "U8", vec![1], vec![9]);
        let weights = read(raw_file(&[odd, ("a".to_owned(), name, vec![2, 1], bytes.clone())])).unwrap();
        let tensor = weights.tensor("a", &[2, 1]).unwrap();
        let found = now(tensor.read(0..tensor.n())).unwrap();
        assert_eq!(tensor.dtype.to_f32(&found.data, &found.scales), [1.5, -2.0]);
        assert_eq!((&*found.data, tensor.n_bytes()), (bytes.as_slice(), size));
        assert_eq!(weights.weight_type(), tensor.dtype);
    }
}

#[test]
fn wrong_tensors_are_named() {
    let weights = read(safetensors_file(&[("a", &[2, 3], 4), ("b", &[3], 2)])).unwrap();
    assert_eq!(code(weights.tensor("c", &[2, 3])), "tensor-missing");
    let error = weights.tensor("a", &[3, 2]).unwrap_err().to_string();
    assert_eq!(error, "m.safetensors: the tensor a must have the shape [3, 2], found [2, 3]");
    let integers = read(raw_file(&[("a".to_owned(), "I32", vec![1], vec![0; 4])])).unwrap();
    assert_eq!(code(integers.tensor("a", &[1])), "tensor-type");
    let part = |name: &str| WeightFile::in_memory(name, safetensors_file(&[("a", &[1], 4)]));
    let error = Weights::from_files(&[part("1"), part("2")]).unwrap_err();
    assert_eq!(error.to_string(), "the tensor a is in 1 and again in 2");
    assert_eq!(code(Weights::from_files(&[]).unwrap().tensor("a", &[])), "tensor-missing");
}

#[test]
fn weight_type_is_that_of_most_numbers_of_matrices() {
    let half = read(safetensors_file(&[("a", &[2, 3], 2), ("norm", &[30], 4)])).unwrap();
    assert_eq!(half.weight_type(), WeightType::F16);
    let mixed = read(safetensors_file(&[("a", &[2, 3], 2), ("b", &[2, 5], 4)])).unwrap();
    assert_eq!(mixed.weight_type(), WeightType::F32);
    assert_eq!(quantised(|_| ()).weight_type(), WeightType::Q8);
}

#[test]
fn every_prefix_of_a_file_is_refused() {
    let whole = safetensors_file(&[("a", &[2], 4), ("b", &[3], 2)]);
    for n in 0..whole.len() {
        assert_eq!(code(read(whole[..n].to_vec())), "weights-truncated", "{n} bytes");
    }
    assert_eq!(code(read([whole.as_slice(), &[0]].concat())), "weights-header");
}

#[test]
fn lying_headers() {
    let tensor = |shape: &str, offsets: &str| {
        format!("{{\"a\": {{\"dtype\": \"F32\", \"shape\": {shape}, \"data_offsets\": {offsets}}}}}")
    };
    let max = u64::MAX;
    // Tensors of 2^60 bytes up to the last byte that a u64 can name: their end overflows when the header's own
    // length is added to it.
    let step = 1_u64 << 60;
    let huge: Vec<String> = (0..16)
        .map(|i| {
            let end = if i == 15 { max } else { (i + 1) * step };
            let n = end - i * step;
            format!(
                "\"t{i}\": {{\"dtype\": \"U8\", \"shape\": [{n}], \"data_offsets\": [{}, {end}]}}",
                i * step
            )
        })
        .collect();
    for (header, code_) in [
        (String::new(), "weights-header"),
        ("[]".to_owned(), "weights-header"),
        ("{\"a\": 1}".to_owned(), "weights-header"),
        (tensor("[2]", "[0, 4]"), "weights-header"),
        (tensor("[1]", "[4, 8]"), "weights-header"),
        (tensor("[1]", "[8, 4]"), "weights-header"),
        (tensor("[1]", "[-4, 0]"), "weights-header"),
        (tensor("[2]", "[0, 8]"), "weights-truncated"),
        (tensor(&format!("[{max}, {max}]"), "[0, 4]"), "weights-header"),
        (tensor("[1]", "[0, 4]").replace("F32", "F33"), "weights-header"),
        (format!("{{{}}}", huge.join(",")), "weights-truncated"),
        ("[".repeat(100_000), "weights-header"),
    ] {
        assert_eq!(code(read(file(&header, &[0; 4]))), code_, "{header:.80}");
    }
    assert_eq!(code(read(max.to_le_bytes().to_vec())), "weights-header");
    assert_eq!(code(read([99_u64.to_le_bytes().as_slice(), b"{}"].concat())), "weights-truncated");
    assert_eq!(code(read(file("{\"\u{0}", &[]))), "weights-header");
    let not_utf8 = [&2_u64.to_le_bytes()[..], b"\xff\xff"].concat();
    assert_eq!(code(read(not_utf8)), "weights-header");
}

/// A tiny configuration in which every optional tensor exists.
fn small() -> Config {
    released(json!({
        "vocab_size": 5, "n_embd": 8, "block_size": 3, "n_head": 2, "n_kv_head": 1, "n_input_layers": 1,
        "n_output_layers": 1, "hrm_H_layers": 1, "hrm_L_layers": 2, "eos_token_id": null,
        "use_rotary": false, "bias": true, "use_swiglu": false
    }))
    .unwrap()
}

/// The tensors of `small`, as zeros in f16, changed by `edit`.
fn small_weights(edit: impl FnOnce(&mut Vec<Raw>)) -> Weights {
    let mut tensors = expected_tensors(&small())
        .into_iter()
        .map(|(name, shape)| {
            let zeros = vec![0; 2 * shape.iter().product::<usize>()];
            (name, "F16", shape, zeros)
        })
        .collect();
    edit(&mut tensors);
    read(raw_file(&tensors)).unwrap()
}

#[test]
fn a_whole_model() {
    let config = small();
    let names: Vec<String> = expected_tensors(&config).into_iter().map(|(name, _)| name).collect();
    for name in
        ["wpe.weight", "hrm_core.L_level.layers.1.mlp.c_fc.bias", "output_blocks.0.attn.k_proj.weight"]
    {
        assert!(names.iter().any(|n| n == name), "{name}");
    }
    assert!(now(small_weights(|_| ()).check(&config)).is_ok());
    for (i, name) in names.iter().enumerate() {
        let error = now(small_weights(|t| drop(t.remove(i))).check(&config)).unwrap_err();
        assert_eq!(error.code(), "tensor-missing");
        assert!(error.to_string().contains(name), "{error}");
    }
    let extra =
        small_weights(|t| t.push(("input_blocks.1.ln_1.weight".to_owned(), "F16", vec![8], vec![0; 16])));
    assert_eq!(code(now(extra.check(&config))), "tensor-unexpected");
    let integers = small_weights(|t| t[3].1 = "I16");
    assert_eq!(code(now(integers.check(&config))), "tensor-type");
}

/// `a [2, 64]` in q8 and `b [3, 32]` in q4, with their scales.
fn quantised(edit: impl FnOnce(&mut Vec<Raw>)) -> Weights {
    let scales = |n: usize| f16::from_f32(0.5).to_le_bytes().repeat(n);
    let mut tensors = vec![
        ("a".to_owned(), "I8", vec![2, 64], (0..128).map(|i| i as u8 ^ 0x80).collect()),
        ("a_scale".to_owned(), "F16", vec![2, 2], scales(4)),
        ("b".to_owned(), "U8", vec![3, 16], vec![0x2f; 48]),
        ("b_scale".to_owned(), "F16", vec![3, 1], scales(3)),
    ];
    edit(&mut tensors);
    read(raw_file(&tensors)).unwrap()
}

#[test]
fn quantised_tensors_have_scales() {
    let weights = quantised(|_| ());
    let (a, b) = (weights.tensor("a", &[2, 64]).unwrap(), weights.tensor("b", &[3, 32]).unwrap());
    assert_eq!((a.dtype, b.dtype), (WeightType::Q8, WeightType::Q4));
    assert_eq!((a.n_bytes(), b.n_bytes(), weights.n_bytes()), (136, 54, 190));
    let numbers = |tensor: &Tensor, range| {
        let found = now(tensor.read_as(WeightType::F32, range)).unwrap().data;
        WeightType::F32.to_f32(&found, &[])
    };
    assert_eq!(numbers(&a, 0..32)[..3], [-64.0, -63.5, -63.0]);
    assert_eq!(numbers(&a, 96..128)[31], -0.5);
    assert_eq!(numbers(&b, 32..64)[..2], [3.5, -3.0]);
    // Narrowed on the way, and what does not fit is named.
    let narrowed = now(a.read_as(WeightType::Q4, 0..128)).unwrap();
    assert_eq!((narrowed.data.len(), narrowed.scales.len()), (64, 8));
    let large = quantised(|t| t[1].3 = f16::MAX.to_le_bytes().repeat(4)).tensor("a", &[2, 64]).unwrap();
    let error = now(large.read_as(WeightType::F16, 0..128)).unwrap_err();
    assert_eq!(error.code(), "number-does-not-fit");
    assert!(error.to_string().contains("the tensor a holds the number -8384512"), "{error}");

    let broken = |edit: fn(&mut Vec<Raw>)| code(quantised(edit).tensor("a", &[2, 64]));
    assert_eq!(broken(|t| drop(t.remove(1))), "tensor-missing");
    assert_eq!(broken(|t| t[1].2 = vec![4, 1]), "tensor-shape");
    assert_eq!(broken(|t| t[1].1 = "BF16"), "scale-type");
    assert_eq!(code(weights.tensor("a", &[2, 32])), "tensor-shape");
    assert_eq!(code(weights.tensor("a", &[64, 2])), "tensor-type");
    assert_eq!(code(quantised(|t| t[0].2 = vec![128]).tensor("a", &[128])), "tensor-type");
    assert_eq!(code(quantised(|t| t[0].2 = vec![8, 16]).tensor("a", &[8, 16])), "tensor-type");
}

/// Scales belong to a quantised tensor of the model; beside another one they have no place.
#[test]
fn scales_without_a_tensor() {
    let config = small();
    let scale = |name: &str| (scale_name(name), "F16", vec![8, 1], vec![0; 16]);
    for name in ["input_blocks.0.mlp.c_proj.weight", "nobody"] {
        let weights = small_weights(|t| t.push(scale(name)));
        assert_eq!(code(now(weights.check(&config))), "tensor-unexpected", "{name}");
    }
    let weights = small_weights(|t| {
        let name = "input_blocks.0.mlp.c_proj.weight";
        let tensor = t.iter_mut().find(|tensor| tensor.0 == name).unwrap();
        (tensor.1, tensor.3) = ("I8", vec![1; 8 * 32]);
        t.push(scale(name));
    });
    assert_eq!(code(now(weights.check(&config))), "no error");
}

fn push_lm_head(tensors: &mut Vec<Raw>) {
    let mut tensor = tensors[0].clone();
    tensor.0 = "lm_head.weight".to_owned();
    tensors.push(tensor);
}

#[test]
fn tied_names() {
    let config = small();
    let other_name = small_weights(|t| t[0].0 = "lm_head.weight".to_owned());
    assert_eq!(now(other_name.resolve_tied(&config)).unwrap().name, "lm_head.weight");
    assert!(now(other_name.check(&config)).is_ok());
    let both = small_weights(push_lm_head);
    assert_eq!(now(both.resolve_tied(&config)).unwrap().name, "wte.weight");
    assert!(now(both.check(&config)).is_ok());
    let differing = small_weights(|t| {
        push_lm_head(t);
        t[0].3[7] = 1;
    });
    assert_eq!(code(now(differing.check(&config))), "tied-tensors-differ");
    // Equal bytes of another type are other numbers.
    let other_type = small_weights(|t| {
        push_lm_head(t);
        t[0].1 = "BF16";
    });
    assert_eq!(code(now(other_type.resolve_tied(&config))), "tied-tensors-differ");
}
