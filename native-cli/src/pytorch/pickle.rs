//! The stack machine of a pickle, without its power: it builds what [`Object`] has, calls what [`globals`] knows,
//! and stops at everything else.
//!
//! It never recurses, and holds no more than a small multiple of the pickle's own length: each instruction makes at
//! most one object, lengths are checked against the bytes that are left before anything is set aside for them, and
//! what is copied is counted.

use std::collections::HashMap;

use anyhow::{Context, anyhow, bail, ensure};

use super::globals::{self, Global, shortened, size};
use super::opcodes::*;
use super::tensor::Storage;
use super::value::{Id, Object, Pickle};

/// The longest pickle that is read; a checkpoint with the state of its optimizer has some hundred kilobytes.
pub const MOST_BYTES: u64 = 32 << 20;
/// The most values on the stack at a time.
const MOST_DEEP: usize = 1 << 20;
/// The most objects.
const MOST_OBJECTS: usize = 1 << 22;
/// The longest name of a storage; PyTorch counts them.
const MOST_KEY_BYTES: usize = 64;
/// The most bytes of a whole number.
const MOST_INT_BYTES: usize = 16;

/// Reads a pickle of protocol 2 to 5 as `torch.save` writes it.
///
/// # Errors
/// One sentence that names the instruction, and where it is.
pub fn read(bytes: &[u8]) -> anyhow::Result<Pickle> {
    ensure!(bytes.len() as u64 <= MOST_BYTES, "the pickle has {} bytes, above {MOST_BYTES}", bytes.len());
    let mut machine = Machine { input: bytes, ..Machine::default() };
    loop {
        let at = bytes.len() - machine.input.len();
        let opcode = machine.byte().context("the pickle ends too early")?;
        if opcode == STOP {
            let root = machine.pop().context("STOP")?;
            return Ok(Pickle { objects: machine.objects, root });
        }
        machine.follow(opcode).with_context(|| format!("byte {at} of the pickle"))?;
    }
}

#[derive(Default)]
struct Machine<'a> {
    input: &'a [u8],
    objects: Vec<Object>,
    stack: Vec<Id>,
    /// How high the stack was at each MARK.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    /// Bytes that were copied from one object into another.
    copied: usize,
}

impl<'a> Machine<'a> {
    fn follow(&mut self, opcode: u8) -> anyhow::Result<()> {
        match opcode {
            PROTO => match self.byte()? {
                2..=5 => Ok(()),
                found => bail!("protocol {found}, expected 2 to 5"),
            },
            // A frame's length only helps to read ahead.
            FRAME => self.number::<8>().map(drop),
            MARK => {
                ensure!(self.marks.len() < MOST_DEEP, "more than {MOST_DEEP} marks");
                self.marks.push(self.stack.len());
                Ok(())
            }
            POP if self.marks.last() == Some(&self.stack.len()) => self.take_to_mark().map(drop),
            POP => self.pop().map(drop),
            POP_MARK => self.take_to_mark().map(drop),
            DUP => {
                let top = self.top()?;
                self.push_id(top)
            }
            NONE => self.push(Object::None),
            NEWTRUE => self.push(Object::Bool(true)),
            NEWFALSE => self.push(Object::Bool(false)),
            BININT | BININT1 | BININT2 | LONG1 | LONG4 | BINFLOAT => self.number_object(opcode),
            BINUNICODE | SHORT_BINUNICODE | BINUNICODE8 => {
                let text = self.counted(opcode)?;
                let text = str::from_utf8(text).map_err(|_| anyhow!("a text that is not UTF-8"))?;
                self.push(Object::Str(text.into()))
            }
            BINBYTES | SHORT_BINBYTES | BINBYTES8 | BYTEARRAY8 => {
                let bytes = self.counted(opcode)?.into();
                self.push(Object::Bytes(bytes))
            }
            BINPUT | LONG_BINPUT | MEMOIZE | BINGET | LONG_BINGET => self.memory(opcode),
            GLOBAL | INST => {
                let how = if opcode == GLOBAL { "GLOBAL" } else { "INST" };
                let (module, name) = (self.line()?, self.line()?);
                let global = globals::find(how, module, name)?;
                ensure!(opcode == GLOBAL, "INST {module}.{name}: only tensors and plain data are read");
                self.push(global)
            }
            STACK_GLOBAL => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Object::Str(module), Object::Str(name)) = (self.get(module), self.get(name)) else {
                    bail!("STACK_GLOBAL without two texts");
                };
                let global = globals::find("STACK_GLOBAL", module, name)?;
                self.push(global)
            }
            REDUCE => self.call("REDUCE"),
            NEWOBJ => self.call("NEWOBJ"),
            BUILD => self.build(),
            BINPERSID => self.storage(),
            _ => self.container(opcode),
        }
    }

    fn number_object(&mut self, opcode: u8) -> anyhow::Result<()> {
        let int = match opcode {
            BININT => i32::from_le_bytes(*self.array()?).into(),
            BININT1 => self.byte()?.into(),
            BININT2 => u16::from_le_bytes(*self.array()?).into(),
            BINFLOAT => {
                let float = f64::from_be_bytes(*self.array()?);
                return self.push(Object::Float(float));
            }
            _ => {
                let n = if opcode == LONG1 { self.byte()?.into() } else { self.number::<4>()? };
                let bytes = self.take(n)?;
                let n = bytes.len();
                ensure!(n <= MOST_INT_BYTES, "a whole number of {n} bytes, above {MOST_INT_BYTES}");
                let negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
                let mut whole = [if negative { 0xff } else { 0 }; MOST_INT_BYTES];
                whole[..n].copy_from_slice(bytes);
                i128::from_le_bytes(whole)
            }
        };
        self.push(Object::Int(int))
    }

    fn container(&mut self, opcode: u8) -> anyhow::Result<()> {
        match opcode {
            EMPTY_TUPLE => self.push(Object::Tuple(Vec::new())),
            EMPTY_LIST => self.push(Object::List(Vec::new())),
            EMPTY_DICT => self.push(Object::Dict(Vec::new())),
            EMPTY_SET => self.push(Object::Set(Vec::new())),
            TUPLE1 | TUPLE2 | TUPLE3 => {
                let n = usize::from(opcode - TUPLE1) + 1;
                let from = self.stack.len().checked_sub(n).filter(|&from| from >= self.floor());
                let items = self.stack.split_off(from.context("a tuple of what is not there")?);
                self.push(Object::Tuple(items))
            }
            TUPLE => self.take_to_mark().and_then(|items| self.push(Object::Tuple(items))),
            LIST => self.take_to_mark().and_then(|items| self.push(Object::List(items))),
            FROZENSET => self.take_to_mark().and_then(|items| self.push(Object::Set(items))),
            DICT => {
                let items = pairs(&self.take_to_mark()?)?;
                self.push(Object::Dict(items))
            }
            APPEND => {
                let item = self.pop()?;
                self.extend_list("APPEND", &[item])
            }
            APPENDS => {
                let items = self.take_to_mark()?;
                self.extend_list("APPENDS", &items)
            }
            ADDITEMS => {
                let added = self.take_to_mark()?;
                match self.top_object()? {
                    Object::Set(items) => items.extend(added),
                    other => bail!("ADDITEMS to {}", other.kind()),
                }
                Ok(())
            }
            SETITEM => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.extend_dict("SETITEM", &[key, value])
            }
            SETITEMS => {
                let items = self.take_to_mark()?;
                self.extend_dict("SETITEMS", &items)
            }
            other => match refused_name(other) {
                Some(name) => bail!("{name}: only tensors and plain data are read"),
                None => bail!("0x{other:02x} is no instruction of a pickle"),
            },
        }
    }

    fn memory(&mut self, opcode: u8) -> anyhow::Result<()> {
        let key = match opcode {
            BINPUT | BINGET => self.byte()?.into(),
            MEMOIZE => u32::try_from(self.memo.len())?,
            _ => u32::from_le_bytes(*self.array()?),
        };
        if matches!(opcode, BINGET | LONG_BINGET) {
            let id = *self.memo.get(&key).with_context(|| format!("nothing was remembered as {key}"))?;
            return self.push_id(id);
        }
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    /// REDUCE and NEWOBJ: the name and a tuple of arguments give an object.
    fn call(&mut self, how: &str) -> anyhow::Result<()> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let function = match self.get(function) {
            Object::Global(global) if how == "REDUCE" || *global == Global::Config => *global,
            other => bail!("{how} of {}: only tensors and plain data are read", other.kind()),
        };
        let Object::Tuple(arguments) = self.get(arguments) else { bail!("{how} without a tuple") };
        let made = function.call(arguments, &|id| self.get(id))?;
        match &made {
            Object::Bytes(bytes) => self.copy(bytes.len())?,
            Object::Tuple(items) | Object::Set(items) => self.copy(size_of_val(&items[..]))?,
            _ => {}
        }
        self.push(made)
    }

    /// BUILD: the fields of the configuration. The attributes of a state dict (PyTorch's `_metadata`) are dropped.
    fn build(&mut self) -> anyhow::Result<()> {
        let state = self.pop()?;
        let mut fields = Vec::new();
        // A class with slots gives a pair: its dictionary or None, and its slots.
        let parts = match self.get(state) {
            Object::Tuple(parts) if parts.len() == 2 => parts.clone(),
            _ => vec![state],
        };
        for part in parts {
            match self.get(part) {
                Object::Dict(items) => fields.extend_from_slice(items),
                Object::None => {}
                other => bail!("BUILD out of {}: only tensors and plain data are read", other.kind()),
            }
        }
        self.copy(size_of_val(&fields[..]))?;
        match self.top_object()? {
            Object::Config(own) => own.extend(fields),
            Object::Dict(_) => {}
            other => bail!("BUILD of {}: only tensors and plain data are read", other.kind()),
        }
        Ok(())
    }

    /// BINPERSID: `("storage", class, key, where it was, how many numbers)`.
    fn storage(&mut self) -> anyhow::Result<()> {
        let id = self.pop()?;
        let Object::Tuple(parts) = self.get(id) else { bail!("BINPERSID without a tuple") };
        let parts: Vec<&Object> = parts.iter().map(|&id| self.get(id)).collect();
        let [Object::Str(word), class, Object::Str(key), _, n] = parts[..] else {
            bail!("BINPERSID without (\"storage\", class, key, place, size)");
        };
        ensure!(**word == *"storage", "BINPERSID \"{}\", expected \"storage\"", shortened(word));
        let Object::Global(Global::Storage(element)) = class else {
            bail!("BINPERSID: the class of storage {} is {}", shortened(key), class.kind());
        };
        ensure!(key.len() <= MOST_KEY_BYTES, "the name of a storage has {} bytes", key.len());
        let n = size(n).context("the size of a storage")?;
        let storage = Storage { key: (&**key).into(), element: *element, n };
        self.push(Object::Storage(storage))
    }

    fn extend_list(&mut self, how: &str, more: &[Id]) -> anyhow::Result<()> {
        match self.top_object()? {
            Object::List(items) => items.extend_from_slice(more),
            other => bail!("{how} to {}", other.kind()),
        }
        Ok(())
    }

    fn extend_dict(&mut self, how: &str, more: &[Id]) -> anyhow::Result<()> {
        let more = pairs(more)?;
        match self.top_object()? {
            Object::Dict(items) => items.extend(more),
            other => bail!("{how} to {}", other.kind()),
        }
        Ok(())
    }

    /// A few bytes may ask for the same large copy again and again; all copies together are bounded.
    fn copy(&mut self, n_bytes: usize) -> anyhow::Result<()> {
        self.copied = self.copied.saturating_add(n_bytes);
        ensure!(self.copied as u64 <= MOST_BYTES, "more than {MOST_BYTES} bytes of copies");
        Ok(())
    }

    fn get(&self, id: Id) -> &Object {
        self.objects.get(id as usize).unwrap_or(&Object::None)
    }

    fn push(&mut self, object: Object) -> anyhow::Result<()> {
        ensure!(self.objects.len() < MOST_OBJECTS, "more than {MOST_OBJECTS} objects");
        let id = Id::try_from(self.objects.len())?;
        self.objects.push(object);
        self.push_id(id)
    }

    fn push_id(&mut self, id: Id) -> anyhow::Result<()> {
        ensure!(self.stack.len() < MOST_DEEP, "a stack of more than {MOST_DEEP} values");
        self.stack.push(id);
        Ok(())
    }

    /// Where the values since the last mark begin: nothing reaches below it.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> anyhow::Result<Id> {
        self.stack[self.floor()..].last().copied().context("nothing is on the stack")
    }

    fn top_object(&mut self) -> anyhow::Result<&mut Object> {
        let top = self.top()?;
        self.objects.get_mut(top as usize).context("nothing is on the stack")
    }

    fn pop(&mut self) -> anyhow::Result<Id> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    /// What was put on the stack since the last mark.
    fn take_to_mark(&mut self) -> anyhow::Result<Vec<Id>> {
        let mark = self.marks.pop().context("no mark is on the stack")?;
        Ok(self.stack.split_off(mark))
    }

    fn take(&mut self, n: u64) -> anyhow::Result<&'a [u8]> {
        let left = self.input.len();
        let n = usize::try_from(n).ok().filter(|&n| n <= left);
        let n = n.with_context(|| format!("more bytes are promised than the {left} that are left"))?;
        let (taken, rest) = self.input.split_at(n);
        self.input = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> anyhow::Result<&'a [u8; N]> {
        self.take(N as u64)?.first_chunk().context("the pickle ends too early")
    }

    fn byte(&mut self) -> anyhow::Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    /// Little-endian, of at most eight bytes.
    fn number<const N: usize>(&mut self) -> anyhow::Result<u64> {
        Ok(self.array::<N>()?.iter().rev().fold(0, |n, &byte| n << 8 | u64::from(byte)))
    }

    /// The bytes of a text or of bytes, whose length comes first.
    fn counted(&mut self, opcode: u8) -> anyhow::Result<&'a [u8]> {
        let n = match opcode {
            SHORT_BINUNICODE | SHORT_BINBYTES => self.byte()?.into(),
            BINUNICODE | BINBYTES => self.number::<4>()?,
            _ => self.number::<8>()?,
        };
        self.take(n)
    }

    /// A text up to the end of its line.
    fn line(&mut self) -> anyhow::Result<&'a str> {
        let end = self.input.iter().position(|&byte| byte == b'\n').context("a name without an end")?;
        let line = self.take(end as u64 + 1)?;
        str::from_utf8(&line[..end]).map_err(|_| anyhow!("a name that is not UTF-8"))
    }
}

fn pairs(items: &[Id]) -> anyhow::Result<Vec<(Id, Id)>> {
    let (pairs, rest) = items.as_chunks::<2>();
    ensure!(rest.is_empty(), "a key without its value");
    Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "pickle_tests.rs"]
mod tests;
