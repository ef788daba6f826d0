//! Tests of `pickle.rs`: what is built, what is refused, what hostile bytes cost.

use super::*;

fn error(bytes: &[u8]) -> String {
    format!("{:#}", read(bytes).unwrap_err())
}

#[track_caller]
fn refuses(bytes: &[u8], words: &str) {
    let found = error(bytes);
    assert!(found.contains(words), "{words:?} is not in {found:?}");
}

/// Shows an object with all that it holds.
fn shown(pickle: &Pickle, id: Id) -> String {
    let list = |ids: &[Id]| ids.iter().map(|&id| shown(pickle, id)).collect::<Vec<_>>().join(",");
    match pickle.get(id) {
        Object::None => "None".to_owned(),
        Object::Bool(value) => value.to_string(),
        Object::Int(value) => value.to_string(),
        Object::Float(value) => format!("{value:?}"),
        Object::Str(text) => format!("{text:?}"),
        Object::Bytes(bytes) => format!("b{bytes:?}"),
        Object::Tuple(items) => format!("({})", list(items)),
        Object::List(items) => format!("[{}]", list(items)),
        Object::Set(items) => format!("set({})", list(items)),
        Object::Dict(items) | Object::Config(items) => {
            let item = |&(key, value)| format!("{}:{}", shown(pickle, key), shown(pickle, value));
            format!("{{{}}}", items.iter().map(item).collect::<Vec<_>>().join(","))
        }
        Object::Global(global) => format!("{global:?}"),
        Object::Storage(storage) => format!("storage {}", storage.key),
        Object::Tensor(tensor) => format!("tensor {:?}", tensor.shape),
    }
}

#[track_caller]
fn reads(bytes: &[u8], expected: &str) {
    let pickle = read(bytes).unwrap();
    assert_eq!(shown(&pickle, pickle.root), expected);
}

#[test]
fn plain_data() {
    reads(b"\x80\x02N.", "None");
    reads(b"(\x88\x89K\x07M\x00\x01J\xff\xff\xff\xfft.", "(true,false,7,256,-1)");
    reads(
        b"(\x8a\x00\x8a\x01\xff\x8a\x05\x00\x00\x00\x00\x01\x8b\x01\x00\x00\x00\x80t.",
        "(0,-1,4294967296,-128)",
    );
    reads(b"G\x3f\xf8\x00\x00\x00\x00\x00\x00.", "1.5");
    reads("X\x02\0\0\0é.".as_bytes(), "\"é\"");
    reads(b"\x80\x05\x95\x06\0\0\0\0\0\0\0\x8c\x02hi\x94.", "\"hi\"");
    reads(b"C\x02\xff\x00.", "b[255, 0]");
    reads(b"](K\x01K\x02eK\x03a.", "[1,2,3]");
    reads(b"}(X\x01\0\0\0aK\x01uX\x01\0\0\0bNs.", "{\"a\":1,\"b\":None}");
    reads(b"\x8f(K\x01\x90.", "set(1)");
    reads(b"K\x01K\x02\x86K\x03\x86.", "((1,2),3)");
    reads(b"K\x012(K\x091K\x0200.", "1");
    // The same list twice, filled afterwards.
    reads(b"]q\x00h\x00\x86h\x00K\x05a0.", "([5],[5])");
}

#[test]
fn what_protocol_2_spells_as_calls() {
    reads(b"ccollections\nOrderedDict\n)R(X\x01\0\0\0aK\x01u.", "{\"a\":1}");
    reads(b"ccollections\nOrderedDict\n)R}X\x09\0\0\0_metadata}sb.", "{}");
    reads(b"c_codecs\nencode\nX\x03\0\0\0a\xc3\xbfX\x06\0\0\0latin1\x86R.", "b[97, 255]");
    reads(b"c__builtin__\nset\n](K\x01e\x85R.", "set(1)");
    reads(b"ctorch\nSize\n(K\x02K\x03t\x85R.", "(2,3)");
    reads(b"ctorch\nfloat32\n.", "\"float32\"");
    reads(b"cany.module\nHRMCosmicFishConfig\n)\x81}X\x01\0\0\0aK\x01sb.", "{\"a\":1}");
    reads(b"\x8c\x08__main__\x8c\x13HRMCosmicFishConfig\x93)\x81N}X\x01\0\0\0aK\x01s\x86b.", "{\"a\":1}");
}

#[test]
fn tensors() {
    let start = b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0\x30X\x03\0\0\0cpuK\x06tQ";
    let whole = |rest: &[u8]| [&start[..], rest].concat();
    reads(&whole(b"K\x00K\x02K\x03\x86K\x03K\x01\x86\x89NtR."), "tensor [2, 3]");
    refuses(&whole(b"K\x01K\x02K\x03\x86K\x03K\x01\x86\x89NtR."), "outside of its 6 numbers");
    refuses(&whole(b"K\x00K\x07\x85K\x00\x85\x89NtR."), "repeats its 6 numbers");
    refuses(
        &whole(b"K\x00J\xff\xff\xff\xff\x85K\x01\x85\x89NtR."),
        "shape of a tensor: expected a size, found -1",
    );
    refuses(
        &whole(b"K\x00K\x02\x85J\xff\xff\xff\xff\x85\x89NtR."),
        "strides of a tensor: expected a size, found -1",
    );
    refuses(
        &whole(b"J\xfe\xff\xff\xffK\x02\x85K\x01\x85\x89NtR."),
        "offset of a tensor: expected a size, found -2",
    );
    refuses(&whole(b"NK\x02\x85K\x01\x85\x89NtR."), "offset of a tensor: expected a size, found None");
    refuses(&whole(b"K\x00K\x02\x85)\x89NtR."), "1 dimensions and 0 strides");
    refuses(b"ctorch._utils\n_rebuild_tensor_v2\n(NK\x00))\x89NtR.", "without a storage");
    refuses(b"ctorch\nFloatStorage\n)R.", "does not come from the archive");
    refuses(b"X\x01\0\0\0aQ.", "BINPERSID without a tuple");
}

#[test]
fn everything_else_is_refused_by_name() {
    refuses(b"cos\nsystem\nX\x02\0\0\0id\x85R.", "GLOBAL os.system: only tensors and plain data");
    refuses(b"\x8c\x02os\x8c\x06system\x93.", "STACK_GLOBAL os.system");
    refuses(b"(X\x02\0\0\0idios\nsystem\n.", "INST os.system");
    refuses(b"(icollections\nOrderedDict\n.", "INST collections.OrderedDict");
    refuses(b"(ccollections\nOrderedDict\no.", "OBJ: only tensors");
    refuses(b"c__builtin__\neval\n.", "GLOBAL __builtin__.eval");
    refuses(b"cbuiltins\ngetattr\n.", "GLOBAL builtins.getattr");
    refuses(b"ctorch\nload\n.", "GLOBAL torch.load");
    refuses(b"ctorch\n_weird.Storage\n.", "GLOBAL torch._weird.Storage");
    refuses(b"ccollections\nOrderedDict.update\n.", "GLOBAL collections.OrderedDict.update");
    refuses(b"X\x02\0\0\0id)R.", "REDUCE of a str");
    refuses(b"ccollections\nOrderedDict\n)\x81.", "NEWOBJ of a name");
    refuses(b"]}b.", "BUILD of a list");
    refuses(b"}X\x01\0\0\0ab.", "BUILD out of a str");
    refuses(b"c_codecs\nencode\nX\x01\0\0\0aX\x03\0\0\0hex\x86R.", "_codecs.encode");
    refuses(b"\x82\x01.", "EXT1");
    refuses(b"Pid\n.", "PERSID");
    refuses(b"I7\n.", "INT");
    refuses(b"\xff.", "0xff is no instruction");
    refuses(b"\x80\x01N.", "protocol 1");
    refuses(b"c\x1b[31m\n\x07\n.", "GLOBAL \\u{1b}[31m.\\u{7}");
}

#[test]
fn broken_bytes() {
    for (bytes, words) in [
        (&b""[..], "ends too early"),
        (b"N", "ends too early"),
        (b".", "nothing is on the stack"),
        (b"0", "nothing is on the stack"),
        (b"(N", "ends too early"),
        (b"N(.", "nothing is on the stack"),
        (b"t.", "no mark"),
        (b"K\x01(K\x02\x86.", "a tuple of what is not there"),
        (b"h\x00.", "nothing was remembered as 0"),
        (b"}(K\x01u.", "a key without its value"),
        (b"K\x01K\x02a.", "APPEND to an int"),
        (b"X\xff\xff\xff\x7fa", "promised"),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffa", "promised"),
        (b"\x8e\0\0\0\0\0\0\0\x80a", "promised"),
        (b"\x8b\xff\xff\xff\xff", "promised"),
        (b"\x8a\x11aaaaaaaaaaaaaaaaa.", "17 bytes"),
        (b"X\x01\0\0\0\xff.", "not UTF-8"),
        (b"cos", "a name without an end"),
    ] {
        refuses(bytes, words);
    }
}

#[test]
fn bombs_stay_small() {
    // Each list holds the one before it, ever deeper; and twice as much as the one before it.
    let deep = [&b"]"[..], &b"]q\x00"[..0], &b"\x85".repeat(1_000_000), b"."].concat();
    assert_eq!(read(&deep).unwrap().objects.len(), 1_000_001);
    let doubled = [&b"]"[..], &b"2\x86".repeat(500_000), b"."].concat();
    assert_eq!(read(&doubled).unwrap().objects.len(), 500_001);
    refuses(&b"N".repeat(MOST_DEEP + 1), "stack of more than");
    refuses(&b"(".repeat(MOST_DEEP + 1), "marks");
    refuses(&[&b"N0".repeat(MOST_OBJECTS)[..], b"N."].concat(), "objects");
    // A large set, copied again and again.
    let set = [&b"]q\x00("[..], &b"N".repeat(100_000), b"ec__builtin__\nset\nq\x010"].concat();
    let copies = b"h\x01h\x00\x85R0".repeat(1000);
    refuses(&[&set[..], &copies, b"N."].concat(), "bytes of copies");
    let key = [&b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x41\0\0\0"[..], &b"k".repeat(65), b"NK\x01tQ."]
        .concat();
    refuses(&key, "name of a storage");
}

/// A real checkpoint's pickle with a few bytes changed, cut out or doubled: an error or an object, never a panic, and
/// every tensor within its storage. (The fuzz targets do this for longer.)
#[test]
fn damaged_pickles() {
    const REAL: &[u8] = include_bytes!("../../../tests/golden/checkpoints/hrm/data.pkl");
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % n as u64) as usize
    };
    let mut n_read = 0;
    for _ in 0..3000 {
        let mut bytes = REAL.to_vec();
        for _ in 0..=random(3) {
            let at = random(bytes.len());
            match random(4) {
                0 => bytes[at] = random(256) as u8,
                1 => bytes[at] ^= 1 << random(8),
                2 => drop(bytes.drain(at..(at + 1 + random(4)).min(bytes.len()))),
                _ => bytes.insert(at, REAL[random(REAL.len())]),
            }
        }
        let Ok(pickle) = read(&bytes) else { continue };
        n_read += 1;
        for object in &pickle.objects {
            if let Object::Tensor(tensor) = object
                && tensor.storage.n < 1 << 20
            {
                let storage = vec![0; (tensor.storage.n * tensor.storage.element.size_bytes()) as usize];
                tensor.bytes(&storage).unwrap();
            }
        }
    }
    assert!(n_read > 100, "{n_read} of 3000 could be read");
}
