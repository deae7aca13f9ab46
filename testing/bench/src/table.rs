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

/// Rows of columns as a table of Markdown; the first row is the head.
pub fn grid(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns).map(|c| rows.iter().map(|row| row[c].chars().count()).max().unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        format!("| {} |", cells.join(" | "))
    };
    let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width.max(3))).collect();
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    lines.insert(1.min(lines.len()), format!("| {} |", rule.join(" | ")));
    lines.join("\n")
}

/// What this machine can do.
pub fn calibration(calibration: &Calibration) -> Rows {
    vec![
        ("this machine now: AES blocks/s, one core", millions(calibration.aes_blocks_per_s)),
        ("this machine now: loopback TCP", format!("{:.1} Gbit/s", calibration.tcp_gbit)),
        ("this machine now: copying, one core", format!("{:.1} GB/s", calibration.copy_gb_per_s)),
    ]
}

/// A time.
pub fn seconds(s: f64) -> String {
    format!("{s:.3} s")
}

/// A part of a whole.
pub fn percent(part: f64) -> String {
    format!("{:.1} %", 100.0 * part)
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
        let cells = |row: [&str; 2]| row.map(str::to_owned).to_vec();
        assert_eq!(grid(&[cells(["what", "n"]), cells(["ä", "1 000"])]), "| what | n     |\n| ---- | ----- |\n| ä    | 1 000 |");
        assert_eq!(percent(0.1234), "12.3 %");
        assert_eq!(render(&vec![("a", counts(&[1, 2000])), ("bcd", list(&[1.25, 2.0], 1))]), "a    1 / 2 000\nbcd  1.2 / 2.0");
    }
}
