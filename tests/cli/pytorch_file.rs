//! PyTorch files for tests: the pickles of real ones with numbers from elsewhere, and pickles written by hand.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use safetensors::SafeTensors;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::harness::golden;

/// A zip as PyTorch writes it: nothing is compressed.
pub fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in entries {
        zip.start_file(*name, stored).expect("an entry");
        zip.write_all(bytes).expect("an entry");
    }
    zip.finish().expect("a zip").into_inner()
}

/// A whole file, around this pickle and these storages.
pub fn pytorch(pickle: &[u8], storages: &[(String, Vec<u8>)]) -> Vec<u8> {
    let names: Vec<String> = storages.iter().map(|(key, _)| format!("CF/data/{key}")).collect();
    let mut entries: Vec<(&str, &[u8])> = vec![("CF/data.pkl", pickle), ("CF/byteorder", b"little")];
    entries.extend(names.iter().zip(storages).map(|(name, (_, bytes))| (name.as_str(), &bytes[..])));
    entries.push(("CF/version", b"3\n"));
    zip(&entries)
}

/// The pickle of a checkpoint that the authors' code saved (model cosmicfish_hrm/gqa-rope-swiglu).
pub fn cosmicfish_pickle() -> Vec<u8> {
    read("checkpoints/cosmicfish", "data.pkl")
}

/// The storages of that checkpoint: its tensors by name, counted from 0.
pub fn cosmicfish_storages() -> Vec<(String, Vec<u8>)> {
    let file = read("cosmicfish_hrm/gqa-rope-swiglu", "model.safetensors");
    let tensors = SafeTensors::deserialize(&file).expect("safetensors");
    let sorted: BTreeMap<String, Vec<u8>> =
        tensors.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect();
    (0..).map(|i: u32| i.to_string()).zip(sorted.into_values()).collect()
}

/// That checkpoint.
pub fn cosmicfish() -> Vec<u8> {
    pytorch(&cosmicfish_pickle(), &cosmicfish_storages())
}

/// One file of a golden case.
pub fn read(case: &str, name: &str) -> Vec<u8> {
    fs::read(Path::new(&golden(case)).join(name)).expect(name)
}

/// Pickles by hand, protocol 2.
#[derive(Clone, Default)]
pub struct Pickle(pub Vec<u8>);

impl Pickle {
    /// `\x80\x02`
    pub fn new() -> Pickle {
        Pickle(b"\x80\x02".to_vec())
    }

    /// Instructions as they stand.
    pub fn raw(mut self, bytes: &[u8]) -> Pickle {
        self.0.extend_from_slice(bytes);
        self
    }

    /// BINUNICODE
    pub fn text(self, text: &str) -> Pickle {
        self.raw(b"X").raw(&(text.len() as u32).to_le_bytes()).raw(text.as_bytes())
    }

    /// BININT
    pub fn int(self, n: i32) -> Pickle {
        self.raw(b"J").raw(&n.to_le_bytes())
    }

    /// GLOBAL
    pub fn global(self, module: &str, name: &str) -> Pickle {
        self.raw(format!("c{module}\n{name}\n").as_bytes())
    }

    fn ints(mut self, numbers: &[i32]) -> Pickle {
        self = self.raw(b"(");
        for &n in numbers {
            self = self.int(n);
        }
        self.raw(b"t")
    }

    /// A tensor of a storage of so many numbers.
    pub fn tensor(
        self,
        (key, class, n): (&str, &str, i32),
        offset: i32,
        shape: &[i32],
        strides: &[i32],
    ) -> Pickle {
        let storage = self.global("torch._utils", "_rebuild_tensor_v2").raw(b"((").text("storage");
        let storage = storage.global("torch", class).text(key).text("cpu").int(n).raw(b"tQ");
        let view = storage.int(offset).ints(shape).ints(strides).raw(b"\x89");
        view.global("collections", "OrderedDict").raw(b")RtR")
    }

    /// The file `{"model": {"wte.weight": <what came before>}}`.
    pub fn as_model(value: Pickle) -> Pickle {
        let start = Pickle::new().raw(b"}").text("model").raw(b"}").text("wte.weight");
        start.raw(&value.0).raw(b"ss.")
    }
}
