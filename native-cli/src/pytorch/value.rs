//! What a pickle builds: plain data and descriptions of tensors.
//!
//! Objects lie in one list and speak of each other by number. So an object that is in many places costs nothing
//! more, one that holds itself is harmless, and nesting as deep as a file likes never needs our own stack.

use super::globals::Global;
use super::tensor::{Storage, TensorView};

/// The number of an object.
pub type Id = u32;

/// One object of a pickle.
#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    /// `None`
    None,
    /// `True`, `False`
    Bool(bool),
    /// A whole number of at most 16 bytes.
    Int(i128),
    /// A 64-bit float.
    Float(f64),
    /// A text; also a `torch.dtype`, by its name.
    Str(Box<str>),
    /// `bytes` and `bytearray`
    Bytes(Box<[u8]>),
    /// Also a `torch.Size`.
    Tuple(Vec<Id>),
    /// `list`
    List(Vec<Id>),
    /// `set` and `frozenset`
    Set(Vec<Id>),
    /// Also an `OrderedDict`: its items in order, a key that was set twice twice.
    Dict(Vec<(Id, Id)>),
    /// The model's configuration, a dataclass: its fields.
    Config(Vec<(Id, Id)>),
    /// One of the names that may be called.
    Global(Global),
    /// Numbers that lie in the archive.
    Storage(Storage),
    /// A view of a storage.
    Tensor(Box<TensorView>),
}

impl Object {
    /// What it is, for an error.
    pub fn kind(&self) -> &'static str {
        match self {
            Object::None => "None",
            Object::Bool(_) => "a bool",
            Object::Int(_) => "an int",
            Object::Float(_) => "a float",
            Object::Str(_) => "a str",
            Object::Bytes(_) => "bytes",
            Object::Tuple(_) => "a tuple",
            Object::List(_) => "a list",
            Object::Set(_) => "a set",
            Object::Dict(_) => "a dict",
            Object::Config(_) => "a configuration",
            Object::Global(_) => "a name",
            Object::Storage(_) => "a storage",
            Object::Tensor(_) => "a tensor",
        }
    }
}

/// A pickle that was read to its end.
#[derive(Debug)]
pub struct Pickle {
    /// All objects.
    pub objects: Vec<Object>,
    /// The one that it is about.
    pub root: Id,
}

impl Pickle {
    /// One object. Every number inside a pickle that was read is that of an object.
    pub fn get(&self, id: Id) -> &Object {
        self.objects.get(id as usize).unwrap_or(&Object::None)
    }

    /// The value under a text in a list of items; the last one, as in Python.
    pub fn item(&self, items: &[(Id, Id)], key: &str) -> Option<&Object> {
        let is_key = |id| matches!(self.get(id), Object::Str(text) if **text == *key);
        items.iter().rev().find(|(id, _)| is_key(*id)).map(|&(_, value)| self.get(value))
    }
}
