//! The names that a pickle may use, and what calling them gives.

use anyhow::{Context, anyhow, bail, ensure};

use super::tensor::{ElementType, TensorView};
use super::value::{Id, Object};

/// A name that is understood. There are no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Global {
    /// `collections.OrderedDict`
    OrderedDict,
    /// `torch._utils._rebuild_tensor_v2`
    RebuildTensor,
    /// `torch._utils._rebuild_parameter`
    RebuildParameter,
    /// `torch.FloatStorage` and its siblings
    Storage(ElementType),
    /// `torch.Size`
    Size,
    /// `torch.device`
    Device,
    /// `_codecs.encode`, by which the older protocols write bytes
    Encode,
    /// `builtins.set` and `frozenset`
    Set,
    /// `builtins.bytes` and `bytearray`, empty or out of a list
    Bytes,
    /// `HRMCosmicFishConfig` of whatever module
    Config,
}

/// The authors' name of their configuration.
const CONFIG_CLASS: &str = "HRMCosmicFishConfig";

/// The object that a name stands for; `how` is the instruction that names it.
///
/// # Errors
/// Every name but those of [`Global`] and of the types of numbers.
pub fn find(how: &str, module: &str, name: &str) -> anyhow::Result<Object> {
    let global = match (module, name) {
        (_, CONFIG_CLASS) => Global::Config,
        ("collections", "OrderedDict") => Global::OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2") => Global::RebuildTensor,
        ("torch._utils", "_rebuild_parameter") => Global::RebuildParameter,
        ("torch", "Size") => Global::Size,
        ("torch", "device") => Global::Device,
        ("_codecs", "encode") => Global::Encode,
        ("builtins" | "__builtin__", "set" | "frozenset") => Global::Set,
        ("builtins" | "__builtin__", "bytes" | "bytearray") => Global::Bytes,
        ("torch", name) => {
            if let Some(element) = name.strip_suffix("Storage").and_then(ElementType::of_storage) {
                Global::Storage(element)
            } else if ElementType::is_dtype(name) {
                return Ok(Object::Str(name.into()));
            } else {
                return Err(refused(how, module, name));
            }
        }
        _ => return Err(refused(how, module, name)),
    };
    Ok(Object::Global(global))
}

fn refused(how: &str, module: &str, name: &str) -> anyhow::Error {
    let full = shortened(&format!("{module}.{name}"));
    anyhow!("{how} {full}: only tensors and plain data are read")
}

/// The beginning of a text out of a file that may be of any length and hold anything, for an error.
pub fn shortened(text: &str) -> String {
    const MOST_CHARS: usize = 120;
    let mut short: String = text.chars().take(MOST_CHARS).flat_map(char::escape_debug).collect();
    if text.chars().nth(MOST_CHARS).is_some() {
        short.push('…');
    }
    short
}

impl Global {
    /// What the name gives for these arguments. `get` finds an object by its number.
    ///
    /// # Errors
    /// Arguments that it cannot have, said in a sentence.
    pub fn call<'a>(self, arguments: &[Id], get: &dyn Fn(Id) -> &'a Object) -> anyhow::Result<Object> {
        let first = arguments.first().map(|&id| get(id));
        match (self, arguments.len()) {
            (Global::OrderedDict, 0) => Ok(Object::Dict(Vec::new())),
            (Global::Config, 0) => Ok(Object::Config(Vec::new())),
            (Global::RebuildTensor, 6 | 7) => {
                let Some(Object::Storage(storage)) = first else {
                    bail!("a tensor without a storage");
                };
                let offset = size(get(arguments[1])).context("the offset of a tensor")?;
                let shape = sizes(get(arguments[2]), get).context("the shape of a tensor")?;
                let strides = sizes(get(arguments[3]), get).context("the strides of a tensor")?;
                Ok(Object::Tensor(Box::new(TensorView::new(storage.clone(), offset, shape, strides)?)))
            }
            (Global::RebuildParameter, 3) => match first {
                Some(tensor @ Object::Tensor(_)) => Ok(tensor.clone()),
                _ => bail!("a parameter without a tensor"),
            },
            (Global::Size, 1) => Ok(Object::Tuple(items(first)?)),
            (Global::Device, 1 | 2) => match first {
                Some(text @ Object::Str(_)) => Ok(text.clone()),
                _ => bail!("a device without a name"),
            },
            (Global::Set, 0) => Ok(Object::Set(Vec::new())),
            (Global::Set, 1) => Ok(Object::Set(items(first)?)),
            (Global::Bytes, 0) => Ok(Object::Bytes(Box::default())),
            (Global::Bytes, 1) => match first {
                Some(Object::Bytes(bytes)) => Ok(Object::Bytes(bytes.clone())),
                _ => bail!("bytes out of something else"),
            },
            (Global::Encode, 2) => match (first, get(arguments[1])) {
                (Some(Object::Str(text)), Object::Str(how)) if matches!(&**how, "latin1" | "latin-1") => {
                    let bytes = text.chars().map(|c| u8::try_from(u32::from(c)));
                    Ok(Object::Bytes(bytes.collect::<Result<_, _>>().context("bytes written as a text")?))
                }
                _ => bail!("_codecs.encode of anything but Latin-1"),
            },
            (Global::Storage(_), _) => bail!("a storage that does not come from the archive"),
            (global, n) => bail!("{global:?} called with {n} arguments"),
        }
    }
}

fn items(object: Option<&Object>) -> anyhow::Result<Vec<Id>> {
    match object {
        Some(Object::Tuple(items) | Object::List(items) | Object::Set(items)) => Ok(items.clone()),
        other => bail!("expected a list, found {}", other.map_or("nothing", Object::kind)),
    }
}

/// A whole number from 0 on.
pub fn size(object: &Object) -> anyhow::Result<u64> {
    match object {
        Object::Int(n) => u64::try_from(*n).map_err(|_| anyhow!("expected a size, found {n}")),
        other => bail!("expected a size, found {}", other.kind()),
    }
}

fn sizes<'a>(object: &Object, get: &dyn Fn(Id) -> &'a Object) -> anyhow::Result<Vec<u64>> {
    /// More than any tensor of a model has.
    const MOST_DIMENSIONS: usize = 16;
    let items = items(Some(object))?;
    ensure!(items.len() <= MOST_DIMENSIONS, "{} dimensions, above {MOST_DIMENSIONS}", items.len());
    items.into_iter().map(|id| size(get(id))).collect()
}
