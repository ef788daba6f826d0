//! The table for people, 80 columns wide.

use std::io::{self, Write};

use super::fits::Room;
use super::{Info, Stored};
use crate::paint::Paint;

/// Prints everything.
pub fn print(out: &mut impl Write, info: &Info, paint: Paint) -> io::Result<()> {
    writeln!(out, "{}", paint.strong(&info.model))?;
    writeln!(out, "{}", shape(info))?;
    parameters(out, info, paint)?;
    token(out, info, paint)?;
    core(out, info, paint)?;
    cache(out, info, paint)?;
    fits(out, info, paint)?;
    out.flush()
}

fn shape(info: &Info) -> String {
    let c = &info.config;
    format!(
        "{} wide, {} heads, {} for keys and values; a window of {} tokens; {}",
        c.n_embd,
        c.n_head,
        c.n_kv_head,
        grouped(c.block_size as u128),
        if c.hrm_max_steps == 1 { "1 step".to_owned() } else { format!("up to {} steps", c.hrm_max_steps) }
    )
}

fn parameters(out: &mut impl Write, info: &Info, paint: Paint) -> io::Result<()> {
    let (c, parameters) = (&info.config, &info.parameters);
    writeln!(out, "\n{:<42}{:>16}{:>10}", paint.strong(format!("{:<42}", "Parameters")), "", "share")?;
    let share = |n: u64| format!("{:.1} %", 100.0 * n as f64 / parameters.n as f64);
    for part in parameters.parts.iter().filter(|part| part.n > 0) {
        let name = match part.part {
            "embedding" => "embedding, which is the head too".to_owned(),
            "positions" => "learned positions".to_owned(),
            "input_blocks" => count(c.n_input_layers, "input block"),
            "h_level" => format!("H level, {}", count(c.hrm_h_layers, "block")),
            "l_level" => format!("L level, {}", count(c.hrm_l_layers, "block")),
            "q_head_and_init" => "q_head, H_init, L_init".to_owned(),
            "output_blocks" => count(c.n_output_layers, "output block"),
            _ => "final norm".to_owned(),
        };
        writeln!(out, "  {name:<40}{:>16}{:>10}", grouped(part.n.into()), share(part.n))?;
    }
    writeln!(out, "  {:<40}{:>16}", "all", grouped(parameters.n.into()))?;
    let core = grouped(parameters.n_core.into());
    writeln!(out, "  {:<40}{core:>16}{:>10}", "of these the reasoning core", share(parameters.n_core))?;
    if let Some(Stored { weight_type, bytes, n_files }) = &info.stored {
        let files = count(*n_files, "file");
        writeln!(out, "  stored as {weight_type}, {} in {files}", bytes_of((*bytes).into()))?;
    }
    let on_device = info.weights_bytes;
    let [f32, f16, q8, q4] =
        [on_device.f32, on_device.f16, on_device.q8, on_device.q4].map(|n| bytes_of(n.into()));
    writeln!(out, "  on a device {f32} as f32, {f16} as f16, {q8} as q8, {q4} as q4")
}

fn token(out: &mut impl Write, info: &Info, paint: Paint) -> io::Result<()> {
    let title = format!("One token at a context of {}, by its depth", grouped(info.token.context.into()));
    writeln!(out, "\n{}", paint.strong(title))?;
    writeln!(out, "{:>7}{:>8}{:>9}{:>8}{:>38}{:>10}", "", "blocks", "", "core's", "weights read", "K/V")?;
    writeln!(
        out,
        "{:>7}{:>8}{:>9}{:>8}{:>10}{:>10}{:>9}{:>9}{:>10}",
        "depth", "applied", "FLOPs", "share", "f32", "f16", "q8", "q4", "read"
    )?;
    for cost in &info.token.depths {
        writeln!(
            out,
            "{:>7}{:>8}{:>9}{:>8}{:>10}{:>10}{:>9}{:>9}{:>10}",
            cost.depth,
            grouped(cost.applications.into()),
            si(cost.flops, ""),
            format!("{:.1} %", 100.0 * cost.core_share),
            bytes_of(cost.weight_bytes.f32),
            bytes_of(cost.weight_bytes.f16),
            bytes_of(cost.weight_bytes.q8),
            bytes_of(cost.weight_bytes.q4),
            bytes_of(cost.keys_values_bytes)
        )?;
    }
    Ok(())
}

fn core(out: &mut impl Write, info: &Info, paint: Paint) -> io::Result<()> {
    writeln!(out, "\n{}", paint.strong("What the core costs: times as much as"))?;
    let (without, plain, same) = ("the model without", "a plain one of", "a plain one of");
    writeln!(out, "{:>7}{without:>22}{plain:>24}{same:>26}", "")?;
    let (without, plain, same) = ("its core", "the same parameters", "the same cost has");
    writeln!(out, "{:>7}{without:>22}{plain:>24}{same:>26}", "")?;
    writeln!(
        out,
        "{:>7}{:>12}{:>10}{:>14}{:>10}{:>26}",
        "depth", "FLOPs", "bytes", "FLOPs", "bytes", "parameters"
    )?;
    for cost in &info.token.depths {
        let times = |ratio: f64| format!("{ratio:.2}×");
        writeln!(
            out,
            "{:>7}{:>12}{:>10}{:>14}{:>10}{:>26}",
            cost.depth,
            times(cost.without_core.flops),
            times(cost.without_core.bytes),
            times(cost.same_parameters.flops),
            times(cost.same_parameters.bytes),
            si(cost.same_cost_parameters, "")
        )?;
    }
    let compared_in = info.token.compared_in;
    writeln!(out, "  {}", paint.faint(format!("bytes: weights as {compared_in}, keys and values as f32")))
}

fn cache(out: &mut impl Write, info: &Info, paint: Paint) -> io::Result<()> {
    let (c, cache) = (&info.config, &info.cache);
    writeln!(out, "\n{}", paint.strong("The cache: bytes of one token"))?;
    let mut line = |what: String, n: u64| writeln!(out, "  {what:<56}{:>16}", grouped(n.into()));
    line(format!("input stage: token, x, K/V of {}", count(c.n_input_layers, "block")), cache.input_bytes)?;
    line("a plane: z_H, z_L, sum of z_H, halting values".to_owned(), cache.plane_states_bytes)?;
    let applications = count(c.step_applications, "block application");
    line(format!("a plane: K/V of {applications}"), cache.plane_keys_values_bytes)?;
    let blocks = count(c.n_output_layers, "output block");
    line(format!("each depth: K/V of {blocks}"), cache.output_keys_values_bytes)?;
    let window = &cache.window;
    let tokens = count(window.n_tokens as usize, "token");
    let mut line = |what: String, n: u128| writeln!(out, "  {what:<56}{:>16}", bytes_of(n));
    line(format!("{tokens}: a plane with its states"), window.plane_bytes)?;
    line(format!("{tokens}: the same with its output K/V"), window.depth_bytes)?;
    let deepest = match c.hrm_max_steps {
        1 => "everything, of one depth".to_owned(),
        n => format!("everything, of all {} depths", grouped(n as u128)),
    };
    line(format!("{tokens}: {deepest}"), window.all_bytes)
}

fn fits(out: &mut impl Write, info: &Info, paint: Paint) -> io::Result<()> {
    writeln!(out, "\n{}", paint.strong("What fits beside the weights: sequences × tokens of each"))?;
    let deepest = format!("depth {}", info.config.hrm_max_steps);
    let heads = [
        "f32, depth 1".to_owned(),
        format!("f32, {deepest}"),
        "f16, depth 1".to_owned(),
        format!("f16, {deepest}"),
    ];
    write!(out, "{:>9}", "memory")?;
    for head in heads {
        write!(out, "{head:>17}")?;
    }
    writeln!(out)?;
    for fit in &info.fits {
        write!(out, "{:>9}", fit.memory)?;
        let (f32, f16) = (fit.by_type.f32, fit.by_type.f16);
        for room in [f32.depth_1, f32.full_depth, f16.depth_1, f16.full_depth] {
            write!(out, "{:>17}", room.map_or("weights too big".to_owned(), cell))?;
        }
        writeln!(out)?;
    }
    writeln!(out, "  {}", paint.faint("what the driver and other programs take comes on top"))
}

fn cell(room: Room) -> String {
    match room.n_tokens {
        0 => "no token".to_owned(),
        n => format!("{} × {}", grouped(room.n_sequences.into()), grouped(n.into())),
    }
}

pub fn count(n: usize, what: &str) -> String {
    format!("{} {what}{}", grouped(n as u128), if n == 1 { "" } else { "s" })
}

pub fn bytes_of(n: u128) -> String {
    si(n, "B")
}

/// With thousands apart.
pub fn grouped(n: u128) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Four digits or fewer and a prefix of a thousand, a million and so on.
fn si(n: u128, unit: &str) -> String {
    const PREFIXES: [&str; 9] = ["", "k", "M", "G", "T", "P", "E", "Z", "Y"];
    let (mut value, mut prefix) = (n as f64, 0);
    // 999.95 would be shown as 1000.0.
    while value >= 999.95 && prefix + 1 < PREFIXES.len() {
        value /= 1000.0;
        prefix += 1;
    }
    match prefix {
        0 => format!("{n} {unit}").trim_end().to_owned(),
        _ => format!("{value:.1} {}{unit}", PREFIXES[prefix]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(grouped(82_767_554), "82,767,554");
        assert_eq!(grouped(7), "7");
        assert_eq!(bytes_of(523_803_008), "523.8 MB");
        assert_eq!(bytes_of(999), "999 B");
        assert_eq!(bytes_of(999_960), "1.0 MB");
        assert_eq!(si(0, ""), "0");
    }
}
