//! The curves of a sweep, for a paper: quality above, time below, both over the mean number of steps. Black on
//! white; lines and marks differ in form, fonts are the reader's.
//!
//! It is written by hand: two panels of lines and marks are less than a library of plots needs to be told.

use super::rows::{Row, Sweep};

/// The page and the panels on it, in pixels.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 590.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 544.0;
const QUALITY: (f64, f64) = (40.0, 350.0);
const TIME: (f64, f64) = (390.0, 530.0);

/// What stands on the page.
const STYLE: &str = "text{font:13px sans-serif;fill:#000}.n{font-size:12px}.m{text-anchor:middle}.e{text-anchor:end}\
    .l,.d,.w,.o{fill:none;stroke:#000}.l{stroke-width:1.2}.d{stroke-width:1.2;stroke-dasharray:5 4}.w{stroke-width:.8;\
    stroke:#555}.f{fill:#fff;stroke:#000;stroke-width:1.2}.b{fill:#000}.o{stroke-width:2}\
    .h{paint-order:stroke;stroke:#fff;stroke-width:4px}";

/// From a value to a place.
#[derive(Clone, Copy)]
struct Axis {
    values: (f64, f64),
    places: (f64, f64),
}

impl Axis {
    fn place(self, value: f64) -> f64 {
        let share = (value - self.values.0) / (self.values.1 - self.values.0);
        self.places.0 + share * (self.places.1 - self.places.0)
    }

    /// Round values, about so many.
    fn ticks(self, n: f64) -> Vec<f64> {
        let rough = (self.values.1 - self.values.0) / n;
        let power = 10f64.powf(rough.log10().floor());
        let step =
            power * [1.0, 2.0, 5.0, 10.0].into_iter().find(|&step| step * power >= rough).unwrap_or(10.0);
        let (first, last) =
            ((self.values.0 / step - 1e-9).ceil() as i64, (self.values.1 / step + 1e-9).floor() as i64);
        (first..=last).map(|i| i as f64 * step).collect()
    }
}

/// The figure as an SVG document.
pub fn draw(sweep: &Sweep) -> String {
    let scale = if sweep.is_accuracy() { 100.0 } else { 1.0 };
    let quality = |row: &Row| scale * row.quality;
    let ends = |row: &Row| Some((scale * row.low?, scale * row.high?));
    let most = sweep.rows.iter().map(|row| row.mean_depth).fold(1.0, f64::max);
    let x = Axis { values: (0.0, most * 1.03), places: (LEFT, RIGHT) };

    let all = sweep.rows.iter().flat_map(|row| {
        let (low, high) = ends(row).unwrap_or((quality(row), quality(row)));
        [low, high, quality(row)]
    });
    let mut values = range(all);
    if sweep.is_accuracy() {
        values = (values.0.max(0.0), values.1.min(100.0));
    }
    // Room for the name of a point that lies at the top.
    values.1 += (values.1 - values.0) * 0.08;
    let y = Axis { values, places: (QUALITY.1, QUALITY.0) };
    let name = if sweep.is_accuracy() { "accuracy (%)" } else { "bits per token" };
    let mut body = legend() + &frame(x, y, name, None);
    for row in &sweep.rows {
        if let Some((low, high)) = ends(row) {
            let (x, low, high) = (x.place(row.mean_depth), y.place(low), y.place(high));
            body += &format!("<path class=\"w\" d=\"M{:.1} {low:.1}h6m-3 0V{high:.1}m-3 0h6\"/>\n", x - 3.0);
        }
    }
    body += &curves(sweep, x, y, quality);
    if let Some(own) = sweep.own() {
        let named =
            format!("own halting (bias {}), {:.1} steps", number(f64::from(own.value)), own.mean_depth);
        body += &beside(x.place(own.mean_depth), y.place(quality(own)), &named);
    }

    let (_, slowest) = range(sweep.rows.iter().map(|row| row.ms_per_item));
    let y = Axis { values: (0.0, slowest), places: (TIME.1, TIME.0) };
    body += &frame(x, y, "time per item (ms)", Some(&format!("mean steps per {}", sweep.per)));
    body += &curves(sweep, x, y, |row| row.ms_per_item);

    let told = escaped(&format!("{}, {}: {}", sweep.model, sweep.file, sweep.own_halting()));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
         height=\"{HEIGHT}\" role=\"img\">\n<desc>{told}</desc>\n<style>{STYLE}</style>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n{body}</svg>\n"
    )
}

/// Two axes with their ticks and names; no grid.
fn frame(x: Axis, y: Axis, name: &str, x_name: Option<&str>) -> String {
    let (top, bottom) = (y.places.1, y.places.0);
    let mut frame = format!("<path class=\"l\" d=\"M{LEFT} {top}V{bottom}H{RIGHT}\"/>\n");
    for tick in y.ticks(5.0) {
        let place = y.place(tick);
        frame += &format!("<path class=\"l\" d=\"M{LEFT} {place:.1}h-5\"/>");
        frame += &format!(
            "<text class=\"n e\" x=\"{}\" y=\"{:.1}\">{}</text>\n",
            LEFT - 9.0,
            place + 4.0,
            number(tick)
        );
    }
    for tick in x.ticks(9.0) {
        let place = x.place(tick);
        frame += &format!("<path class=\"l\" d=\"M{place:.1} {bottom}v5\"/>");
        frame += &format!(
            "<text class=\"n m\" x=\"{place:.1}\" y=\"{}\">{}</text>\n",
            bottom + 19.0,
            number(tick)
        );
    }
    let middle = (top + bottom) / 2.0;
    frame += &format!("<text class=\"m\" transform=\"translate(16 {middle}) rotate(-90)\">{name}</text>\n");
    if let Some(name) = x_name {
        let (middle, y) = ((LEFT + RIGHT) / 2.0, bottom + 42.0);
        frame += &format!("<text class=\"m\" x=\"{middle}\" y=\"{y}\">{}</text>\n", escaped(name));
    }
    frame
}

/// Both curves, and a ring around the model's own halting.
fn curves(sweep: &Sweep, x: Axis, y: Axis, value: impl Fn(&Row) -> f64) -> String {
    let points = |control| {
        let mut rows = sweep.of(control);
        rows.sort_by(|a, b| a.mean_depth.total_cmp(&b.mean_depth));
        rows.into_iter().map(|row| (x.place(row.mean_depth), y.place(value(row)))).collect::<Vec<_>>()
    };
    let (forced, biased) = (points("depth"), points("halt_bias"));
    let line = |class, points: &[(f64, f64)]| {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        format!("<polyline class=\"{class}\" points=\"{}\"/>\n", points.join(" "))
    };
    let mut curves = line("l", &forced) + &line("d", &biased);
    curves.extend(forced.iter().map(|&point| ring(point)));
    curves.extend(biased.iter().map(|&point| square(point)));
    if let Some(own) = sweep.own() {
        curves += &mark((x.place(own.mean_depth), y.place(value(own))));
    }
    curves
}

/// What the lines and marks mean, above the upper panel.
fn legend() -> String {
    let (y, x) = (18.0, LEFT + 140.0);
    let text = |x: f64, text: &str| format!("<text x=\"{x}\" y=\"{}\">{text}</text>\n", y + 4.0);
    let forced = format!("<path class=\"l\" d=\"M{LEFT} {y}h28\"/>") + &ring((LEFT + 14.0, y));
    let biased = format!("<path class=\"d\" d=\"M{x} {y}h28\"/>") + &square((x + 14.0, y));
    forced + &text(LEFT + 36.0, "forced depth") + &biased + &text(x + 36.0, "halting bias")
}

/// A name above a point, towards the side that has more room; curves do not run through its letters.
fn beside(x: f64, y: f64, name: &str) -> String {
    let (class, x) = if x < (LEFT + RIGHT) / 2.0 { ("h", x - 6.0) } else { ("h e", x + 6.0) };
    format!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>\n", y - 14.0, escaped(name))
}

fn ring((x, y): (f64, f64)) -> String {
    format!("<circle class=\"f\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.6\"/>\n")
}

fn square((x, y): (f64, f64)) -> String {
    format!("<rect class=\"b\" x=\"{:.1}\" y=\"{:.1}\" width=\"6\" height=\"6\"/>\n", x - 3.0, y - 3.0)
}

fn mark((x, y): (f64, f64)) -> String {
    format!("<circle class=\"o\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"8\"/>\n")
}

/// With a little room around.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let ends = |(low, high): (f64, f64), v: f64| (low.min(v), high.max(v));
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), ends);
    let room = ((high - low) * 0.05).max(1e-3);
    (low - room, high + room)
}

/// Without the noise of binary fractions.
fn number(value: f64) -> String {
    let rounded = (value * 1e6).round() / 1e6;
    // No minus before zero, and a typographer's minus before anything else.
    format!("{}", rounded + 0.0).replace('-', "\u{2212}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        let ticks = |low, high| Axis { values: (low, high), places: (0.0, 1.0) }.ticks(5.0);
        let shown = |low, high| ticks(low, high).into_iter().map(number).collect::<Vec<_>>().join(" ");
        assert_eq!(shown(0.0, 16.5), "0 5 10 15");
        assert_eq!(shown(-0.02, 1.01), "0 0.5 1");
        assert_eq!(shown(31.0, 102.0), "40 60 80 100");
        assert_eq!(shown(4.01, 4.05), "4.01 4.02 4.03 4.04 4.05");
    }
}
