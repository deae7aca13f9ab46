//! Text that someone else chose, made harmless to look at: printable ASCII as it is, a backslash twice, everything else as `\u{…}`.
//!
//! Nothing then moves a cursor, turns the direction of writing (Unicode Standard Annex 9), has no width, or looks like another letter (Unicode Technical
//! Standard 39), and no two texts look the same.

use std::fmt;

/// Shows a text on one line, in printable ASCII alone.
pub fn escape(text: &str) -> impl fmt::Display + '_ {
    escape_bytes(text.as_bytes())
}

/// Shows bytes on one line: as [`escape`] where they are UTF-8, and each other byte as `\x..`.
pub fn escape_bytes(bytes: &[u8]) -> impl fmt::Display + '_ {
    Escaped(bytes)
}

struct Escaped<'a>(&'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\\' => f.write_str("\\\\")?,
                    ' '..='~' => f.write_char(c)?,
                    _ => write!(f, "{}", c.escape_unicode())?,
                }
            }
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn only_printable_ascii_comes_out() {
        for (hostile, shown) in [
            ("\x1b[2J\x07", "\\u{1b}[2J\\u{7}"),
            ("a\u{202e}b\u{2066}c\u{61c}", "a\\u{202e}b\\u{2066}c\\u{61c}"),
            ("zero\u{200b}\u{feff}width", "zero\\u{200b}\\u{feff}width"),
            ("p\u{430}ypal", "p\\u{430}ypal"),
            ("two\r\nlines\u{2028}", "two\\u{d}\\u{a}lines\\u{2028}"),
            ("\u{9b}31m\u{7f}", "\\u{9b}31m\\u{7f}"),
            ("plain ~text~", "plain ~text~"),
        ] {
            assert_eq!(escape(hostile).to_string(), shown);
        }
        for c in (0..=0x10ffff).filter_map(char::from_u32) {
            assert!(escape(c.encode_utf8(&mut [0; 4])).to_string().bytes().all(|b| (b' '..=b'~').contains(&b)));
        }
    }

    #[test]
    fn no_two_texts_look_the_same() {
        let texts: [&[u8]; 6] = [b"\n", b"\\u{a}", b"\\n", b"\xff", b"\\xff", "\u{ff}".as_bytes()];
        let shown: BTreeSet<String> = texts.iter().map(|text| escape_bytes(text).to_string()).collect();
        assert_eq!(shown.len(), texts.len());
    }
}
