//! Plots as SVG (W3C, SVG 1.1): lines through points, on axes that may be logarithmic, readable on light and on dark backgrounds.

use std::fmt::Write;

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 480.0;
/// The area between the axes.
const LEFT: f64 = 90.0;
const RIGHT: f64 = 700.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 412.0;

/// The least distance between the names of two lines.
const LINE_SPACING: f64 = 20.0;

/// Colours that differ for people who are colour-blind (Okabe and Ito, "Color Universal Design", 2008).
const COLOURS: [&str; 4] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];

/// Who asks for dark pages gets a dark plot (W3C, Media Queries Level 5, section 11.6).
const STYLE: &str = "text { font-family: sans-serif; font-size: 15px; fill: #1f2328 } .title { font-size: 17px; font-weight: bold } \
.back { fill: #ffffff } .grid { stroke: #d1d9e0 } .axis { stroke: #59636e } .line { fill: none; stroke-width: 2.5 } \
@media (prefers-color-scheme: dark) { text { fill: #f0f6fc } .back { fill: #0d1117 } .grid { stroke: #3d444d } .axis { stroke: #9198a1 } }";

/// One picture.
pub struct Plot {
    /// What it shows.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// At most as many as there are colours.
    pub lines: Vec<Line>,
}

/// What an axis measures.
pub struct Axis {
    /// Its name and unit.
    pub label: String,
    /// Whether equal distances are equal ratios instead of equal differences.
    pub logarithmic: bool,
}

/// Points that are joined.
pub struct Line {
    /// Stands beside its right end.
    pub name: String,
    /// From left to right, at least one; positive where the axis is logarithmic.
    pub points: Vec<[f64; 2]>,
}

/// Where the values of an axis are on the picture.
struct Scale {
    ticks: Vec<f64>,
    logarithmic: bool,
    /// Positions of the first and last tick.
    ends: [f64; 2],
}

impl Plot {
    /// The picture as the text of a file.
    ///
    /// # Panics
    /// If there are no lines, or more than colours.
    pub fn svg(&self) -> String {
        assert!((1..=COLOURS.len()).contains(&self.lines.len()), "1 to {} lines", COLOURS.len());
        let values = |axis: usize| self.lines.iter().flat_map(move |line| line.points.iter().map(move |point| point[axis]));
        let x = Scale::new(values(0), self.x.logarithmic, [LEFT, RIGHT]);
        let y = Scale::new(values(1), self.y.logarithmic, [BOTTOM, TOP]);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n<rect class=\"back\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n",
            title = escaped(&self.title)
        );
        text(&mut out, "title", [LEFT, 30.0], "start", &self.title);
        self.axes(&mut out, &x, &y);
        let ends: Vec<f64> = self.lines.iter().map(|line| y.at(line.points.last().expect("a line has points")[1])).collect();
        for ((line, colour), name_y) in self.lines.iter().zip(COLOURS).zip(apart(&ends)) {
            let points: Vec<[f64; 2]> = line.points.iter().map(|&[a, b]| [x.at(a), y.at(b)]).collect();
            let joined: Vec<String> = points.iter().map(|[a, b]| format!("{a:.1},{b:.1}")).collect();
            line_to(&mut out, format_args!("<polyline class=\"line\" stroke=\"{colour}\" points=\"{}\"/>", joined.join(" ")));
            for [a, b] in points {
                line_to(&mut out, format_args!("<circle cx=\"{a:.1}\" cy=\"{b:.1}\" r=\"4\" fill=\"{colour}\"/>"));
            }
            let name_x = x.at(line.points.last().expect("a line has points")[0]) + 12.0;
            text(&mut out, "name", [name_x, name_y + 5.0], "start", &line.name);
        }
        out.push_str("</svg>\n");
        out
    }

    fn axes(&self, out: &mut String, x: &Scale, y: &Scale) {
        for &tick in &x.ticks {
            let at = x.at(tick);
            line_to(out, format_args!("<line class=\"grid\" x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{BOTTOM}\"/>"));
            text(out, "tick", [at, BOTTOM + 22.0], "middle", &number(tick));
        }
        for &tick in &y.ticks {
            let at = y.at(tick);
            line_to(out, format_args!("<line class=\"grid\" x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{RIGHT}\" y2=\"{at:.1}\"/>"));
            text(out, "tick", [LEFT - 8.0, at + 5.0], "end", &number(tick));
        }
        line_to(out, format_args!("<path class=\"axis\" fill=\"none\" d=\"M {LEFT} {TOP} V {BOTTOM} H {RIGHT}\"/>"));
        text(out, "label", [(LEFT + RIGHT) / 2.0, HEIGHT - 18.0], "middle", &self.x.label);
        let (at, middle) = (24.0, (TOP + BOTTOM) / 2.0);
        let label = escaped(&self.y.label);
        line_to(
            out,
            format_args!(
                "<text class=\"label\" x=\"{at}\" y=\"{middle}\" text-anchor=\"middle\" transform=\"rotate(-90 {at} {middle})\">{label}</text>"
            ),
        );
    }
}

impl Scale {
    fn new(values: impl Iterator<Item = f64> + Clone, logarithmic: bool, ends: [f64; 2]) -> Scale {
        let (low, high) = (values.clone().fold(f64::INFINITY, f64::min), values.fold(f64::NEG_INFINITY, f64::max));
        let ticks =
            if logarithmic { logarithmic_ticks(low, high) } else { (low.floor() as i64..=high.ceil() as i64).map(|n| n as f64).collect() };
        Scale { ticks, logarithmic, ends }
    }

    fn at(&self, value: f64) -> f64 {
        let place = |v: f64| if self.logarithmic { v.log10() } else { v };
        let (first, last) = (place(self.ticks[0]), place(*self.ticks.last().expect("an axis has ticks")));
        // A single tick is in the middle.
        let part = if last > first { (place(value) - first) / (last - first) } else { 0.5 };
        self.ends[0] + part * (self.ends[1] - self.ends[0])
    }
}

/// Powers of ten from at most `low` to at least `high`; with 2 and 5 between them, and no farther than needed, if there were few.
fn logarithmic_ticks(low: f64, high: f64) -> Vec<f64> {
    // What is a power of ten but for rounding is its own tick.
    let (first, last) = ((low.log10() + 1e-9).floor() as i32, (high.log10() - 1e-9).ceil() as i32);
    if last - first > 3 {
        return (first..=last).map(|power| 10f64.powi(power)).collect();
    }
    let fine: Vec<f64> = (first..=last).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power))).collect();
    let from = fine.iter().rposition(|&tick| tick <= low * (1.0 + 1e-9)).unwrap_or(0);
    let to = fine.iter().position(|&tick| tick >= high * (1.0 - 1e-9)).unwrap_or(fine.len() - 1);
    fine[from..=to.max(from)].to_vec()
}

/// The positions, moved as little as needed from top to bottom so that names do not overlap.
fn apart(positions: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..positions.len()).collect();
    order.sort_by(|&a, &b| positions[a].total_cmp(&positions[b]));
    let (mut out, mut free) = (positions.to_vec(), f64::NEG_INFINITY);
    for i in order {
        out[i] = out[i].max(free);
        free = out[i] + LINE_SPACING;
    }
    out
}

/// A short number: digits where few are enough, else a power of ten.
fn number(value: f64) -> String {
    let power = (value.abs().log10() + 1e-9).floor() as i32;
    if value == 0.0 || (-3..4).contains(&power) {
        return format!("{}", (value * 1e6).round() / 1e6);
    }
    let digits: String = power.to_string().chars().map(|c| if c == '-' { '⁻' } else { superscript(c) }).collect();
    let factor = (value / 10f64.powi(power)).round();
    if factor == 1.0 { format!("10{digits}") } else { format!("{factor}·10{digits}") }
}

fn superscript(digit: char) -> char {
    ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'][digit.to_digit(10).expect("a digit") as usize]
}

fn text(out: &mut String, class: &str, [x, y]: [f64; 2], anchor: &str, words: &str) {
    let words = escaped(words);
    line_to(out, format_args!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>"));
}

fn line_to(out: &mut String, element: std::fmt::Arguments<'_>) {
    writeln!(out, "{element}").expect("a string takes any text");
}

/// As the text of an element (W3C, XML 1.0, section 2.4).
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(lines: Vec<Line>) -> String {
        let axis = |label: &str, logarithmic| Axis { label: label.to_owned(), logarithmic };
        Plot { title: "a < b & c".to_owned(), x: axis("x", true), y: axis("y", true), lines }.svg()
    }

    fn line(name: &str, points: &[[f64; 2]]) -> Line {
        Line { name: name.to_owned(), points: points.to_vec() }
    }

    #[test]
    fn ends_of_a_line_are_at_the_corners() {
        let svg = plot(vec![line("n = 2", &[[1e4, 1.0], [1e9, 1e5]])]);
        assert!(svg.contains("points=\"90.0,412.0 700.0,56.0\""), "{svg}");
        assert!(svg.contains("<title>a &lt; b &amp; c</title>") && svg.contains(">n = 2</text>") && svg.contains(">10⁹</text>"), "{svg}");
        assert!(svg.contains("prefers-color-scheme: dark") && svg.ends_with("</svg>\n"));
    }

    #[test]
    fn equal_ratios_are_equal_distances() {
        let scale = Scale::new([1e4, 1e9].into_iter(), true, [0.0, 500.0]);
        assert_eq!([1e4, 1e5, 1e7].map(|v| scale.at(v).round()), [0.0, 100.0, 300.0]);
        let scale = Scale::new([2.0, 5.0].into_iter(), false, [0.0, 300.0]);
        assert_eq!((scale.at(3.0), scale.ticks.len()), (100.0, 4));
        assert_eq!(Scale::new([2.0].into_iter(), false, [0.0, 300.0]).at(2.0), 150.0);
    }

    #[test]
    fn ticks_enclose_what_is_shown() {
        assert_eq!(logarithmic_ticks(1e4, 1e9), [1e4, 1e5, 1e6, 1e7, 1e8, 1e9]);
        assert_eq!(logarithmic_ticks(66.0, 99.0), [50.0, 100.0]);
        assert_eq!(logarithmic_ticks(100.0, 100.0), [100.0]);
        assert_eq!(
            logarithmic_ticks(0.03, 1.3).iter().map(|&tick| number(tick)).collect::<Vec<_>>(),
            ["0.02", "0.05", "0.1", "0.2", "0.5", "1", "2"]
        );
        assert_eq!([0.0, 5.0, 2e4, 1e-5].map(number), ["0", "5", "2·10⁴", "10⁻⁵"]);
    }

    #[test]
    fn names_keep_apart() {
        assert_eq!(apart(&[100.0, 50.0, 101.0]), [100.0, 50.0, 120.0]);
    }
}
