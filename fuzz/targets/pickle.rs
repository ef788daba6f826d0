//! PyTorch's pickles: read, and every tensor of it read out of a storage of the promised length.

#![no_main]

use fathom_cli::pytorch::pickle;
use fathom_cli::pytorch::value::Object;
use libfuzzer_sys::fuzz_target;

/// Longer storages are not made up; a real one comes from a file.
const MOST_STORAGE_BYTES: u64 = 1 << 16;

fuzz_target!(|bytes: &[u8]| {
    let Ok(read) = pickle::read(bytes) else { return };
    for object in &read.objects {
        let Object::Tensor(tensor) = object else { continue };
        let n_bytes = tensor.storage.n.saturating_mul(tensor.storage.element.size_bytes());
        if n_bytes <= MOST_STORAGE_BYTES {
            let storage = vec![0; n_bytes as usize];
            let found = tensor.bytes(&storage).expect("a view that was checked lies within its storage");
            assert_eq!(found.len() as u64, tensor.n() * tensor.storage.element.size_bytes());
        }
    }
});
