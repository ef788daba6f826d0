//! Where a PyTorch file has the model's tensors and its configuration.

use anyhow::{Context, bail};
use serde_json::{Map, Number, Value};

use crate::pytorch::globals::shortened;
use crate::pytorch::tensor::TensorView;
use crate::pytorch::value::{Id, Object, Pickle};

/// The names under which people save a model's tensors.
const STATE_DICTS: [&str; 2] = ["model", "model_state_dict"];
const CONFIG: &str = "config";

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
            Some(object(pickle, fields, 0).context("its config")?)
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
    let tensor = |&(key, value): &(Id, Id)| match (pickle.get(key), pickle.get(value)) {
        (Object::Str(name), Object::Tensor(view)) => Ok((name.to_string(), (**view).clone())),
        (Object::Str(name), other) => bail!("{} is {}, expected a tensor", shortened(name), other.kind()),
        (other, _) => bail!("a tensor is named by {}, expected a str", other.kind()),
    };
    items.iter().map(tensor).collect()
}

fn object(pickle: &Pickle, items: &[(Id, Id)], depth: u32) -> anyhow::Result<Map<String, Value>> {
    let field = |&(key, value): &(Id, Id)| match pickle.get(key) {
        Object::Str(name) => {
            Ok((name.to_string(), json(pickle, value, depth).with_context(|| shortened(name))?))
        }
        other => bail!("a field is named by {}, expected a str", other.kind()),
    };
    items.iter().map(field).collect()
}

fn json(pickle: &Pickle, id: Id, depth: u32) -> anyhow::Result<Value> {
    /// A configuration is flat. Lists in it may be short; a list that holds itself ends here too.
    const MOST_DEPTH: u32 = 2;
    const MOST_ITEMS: usize = 1024;
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
        Object::Str(text) => Value::String(text.to_string()),
        Object::Tuple(items) | Object::List(items) if depth < MOST_DEPTH && items.len() <= MOST_ITEMS => {
            items.iter().map(|&id| json(pickle, id, depth + 1)).collect::<Result<_, _>>()?
        }
        Object::Dict(items) if depth < MOST_DEPTH && items.len() <= MOST_ITEMS => {
            Value::Object(object(pickle, items, depth + 1)?)
        }
        other => bail!("{} where plain numbers and texts were expected", other.kind()),
    })
}
