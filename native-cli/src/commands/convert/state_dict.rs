//! Where a PyTorch file has the model's tensors and its configuration.

use std::collections::HashSet;

use anyhow::{Context, bail};
use serde_json::{Map, Number, Value};

use crate::pytorch::globals::shortened;
use crate::pytorch::tensor::TensorView;
use crate::pytorch::value::{Id, Object, Pickle};

/// The names under which people save a model's tensors.
const STATE_DICTS: [&str; 2] = ["model", "model_state_dict"];
const CONFIG: &str = "config";
/// Bytes of a tensor's or field's name. A pickle can name one long text a million times; copies of it must not count
/// up to more than the file.
const MOST_NAME_BYTES: usize = 1024;
/// Values in a configuration, and the bytes of one of its texts.
const MOST_VALUES: usize = 4096;
const MOST_TEXT_BYTES: usize = 4096;

/// What the file holds.
pub struct Found {
    /// By the file's own names, in its order.
    pub tensors: Vec<(String, TensorView)>,
    /// The configuration's fields.
    pub config: Option<Map<String, Value>>,
    /// Everything else, by name.
    pub left_out: Vec<String>,
}

/// Looks for the tensors under `model` or `model_state_dict`, or takes the whole file for them.
///
/// # Errors
/// Names what is there instead.
pub fn find(pickle: &Pickle) -> anyhow::Result<Found> {
    let root = match pickle.get(pickle.root) {
        Object::Dict(items) => items,
        other => bail!("expected a dict with the model's tensors, found {}", other.kind()),
    };
    let named = STATE_DICTS.iter().find_map(|&name| match pickle.item(root, name) {
        Some(Object::Dict(items)) => Some((name, items)),
        _ => None,
    });
    let Some((place, items)) = named else {
        let tensors = tensors(pickle, root).context("no dict called model or model_state_dict")?;
        return Ok(Found { tensors, config: None, left_out: Vec::new() });
    };
    let config = match pickle.item(root, CONFIG) {
        Some(Object::Config(fields) | Object::Dict(fields)) => {
            let mut n_left = MOST_VALUES;
            Some(object(pickle, fields, 0, &mut n_left).context("its config")?)
        }
        _ => None,
    };
    let taken = |name: &str| name == place || (name == CONFIG && config.is_some());
    let others = root.iter().filter_map(|&(key, _)| match pickle.get(key) {
        Object::Str(name) if taken(name) => None,
        Object::Str(name) => Some(shortened(name)),
        other => Some(other.kind().to_owned()),
    });
    let left_out = others.collect();
    Ok(Found { tensors: tensors(pickle, items)?, config, left_out })
}

fn tensors(pickle: &Pickle, items: &[(Id, Id)]) -> anyhow::Result<Vec<(String, TensorView)>> {
    let mut names = HashSet::new();
    let tensor = |&(key, value): &(Id, Id)| match (pickle.get(key), pickle.get(value)) {
        (Object::Str(name), Object::Tensor(view)) => {
            let name = checked_name(name)?;
            if !names.insert(name) {
                bail!("{} is there twice", shortened(name));
            }
            Ok((name.to_owned(), (**view).clone()))
        }
        (Object::Str(name), other) => bail!("{} is {}, expected a tensor", shortened(name), other.kind()),
        (other, _) => bail!("a tensor is named by {}, expected a str", other.kind()),
    };
    items.iter().map(tensor).collect()
}

/// A name that can be copied and shown.
fn checked_name(name: &str) -> anyhow::Result<&str> {
    if name.len() > MOST_NAME_BYTES || name.contains(char::is_control) {
        bail!("expected a name of at most {MOST_NAME_BYTES} printable bytes, found {}", shortened(name));
    }
    Ok(name)
}

fn object(
    pickle: &Pickle,
    items: &[(Id, Id)],
    depth: u32,
    n_left: &mut usize,
) -> anyhow::Result<Map<String, Value>> {
    let field = |&(key, value): &(Id, Id)| match pickle.get(key) {
        Object::Str(name) => {
            let name = checked_name(name)?;
            Ok((name.to_owned(), json(pickle, value, depth, n_left).with_context(|| shortened(name))?))
        }
        other => bail!("a field is named by {}, expected a str", other.kind()),
    };
    items.iter().map(field).collect()
}

fn json(pickle: &Pickle, id: Id, depth: u32, n_left: &mut usize) -> anyhow::Result<Value> {
    /// A configuration is flat. Lists in it may be short; a list that holds itself ends here too.
    const MOST_DEPTH: u32 = 2;
    const MOST_ITEMS: usize = 1024;
    let Some(fewer) = n_left.checked_sub(1) else { bail!("more than {MOST_VALUES} values") };
    *n_left = fewer;
    Ok(match pickle.get(id) {
        Object::None => Value::Null,
        Object::Bool(value) => Value::Bool(*value),
        Object::Int(n) => match (i64::try_from(*n), u64::try_from(*n)) {
            (Ok(n), _) => n.into(),
            (_, Ok(n)) => n.into(),
            _ => bail!("the number {n} is too large"),
        },
        Object::Float(value) => match Number::from_f64(*value) {
            Some(number) => Value::Number(number),
            None => bail!("the number {value} cannot be written as JSON"),
        },
        Object::Str(text) if text.len() > MOST_TEXT_BYTES => {
            bail!("a text of {} bytes, above {MOST_TEXT_BYTES}: {}", text.len(), shortened(text))
        }
        Object::Str(text) => Value::String(text.to_string()),
        Object::Tuple(items) | Object::List(items) if depth < MOST_DEPTH && items.len() <= MOST_ITEMS => {
            items.iter().map(|&id| json(pickle, id, depth + 1, n_left)).collect::<Result<_, _>>()?
        }
        Object::Dict(items) if depth < MOST_DEPTH && items.len() <= MOST_ITEMS => {
            Value::Object(object(pickle, items, depth + 1, n_left)?)
        }
        other => bail!("{} where plain numbers and texts were expected", other.kind()),
    })
}
