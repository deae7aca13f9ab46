//! Figures for people: two columns.

use crate::calibrate::Calibration;

/// What a figure is, and the figure.
pub type Rows = Vec<(&'static str, String)>;

/// Two columns as text.
pub fn render(rows: &Rows) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines: Vec<String> = rows.iter().map(|(name, figure)| format!("{name:width$}  {figure}")).collect();
    lines.join("\n")
}

/// The last rows of every table.
pub fn calibration(calibration: &Calibration) -> Rows {
    vec![
        ("this machine now: AES blocks/s, one core", millions(calibration.aes_blocks_per_s)),
        ("this machine now: loopback TCP", format!("{:.1} Gbit/s", calibration.tcp_gbit)),
    ]
}

/// A time.
pub fn seconds(s: f64) -> String {
    format!("{s:.3} s")
}

/// A rate.
pub fn millions(rate: f64) -> String {
    format!("{:.3} M", rate / 1e6)
}

/// A count, with its digits in groups of three.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let first = (digits.len() - 1) % 3 + 1;
    let groups = digits.as_bytes()[first..].chunks(3).map(|group| String::from_utf8_lossy(group));
    std::iter::once(digits[..first].into()).chain(groups).collect::<Vec<_>>().join(" ")
}

/// One figure for each party.
pub fn list(figures: &[f64], digits: usize) -> String {
    figures.iter().map(|figure| format!("{figure:.digits$}")).collect::<Vec<_>>().join(" / ")
}

/// One count for each party.
pub fn counts(figures: &[u64]) -> String {
    figures.iter().map(|&figure| count(figure)).collect::<Vec<_>>().join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_lined_up_and_grouped() {
        assert_eq!(["0", "999", "1 000", "12 345", "1 234 567"].map(str::to_owned), [0, 999, 1000, 12_345, 1_234_567].map(count));
        assert_eq!(render(&vec![("a", counts(&[1, 2000])), ("bcd", list(&[1.25, 2.0], 1))]), "a    1 / 2 000\nbcd  1.2 / 2.0");
    }
}
