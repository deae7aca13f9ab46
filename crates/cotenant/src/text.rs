//! Text that a server or another party chose, made fit for a terminal and for output by lines.

/// Whether a terminal, or whoever reads lines, would act on the character: controls (C0, DEL and C1), line and paragraph separators, and what
/// turns the direction of writing (Unicode Standard Annex 9, section 2).
fn acts(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') || turns
}

/// The text on one line, of keys of a bucket, which may be in any script: what would act is written `\u{…}`, and a backslash twice, so that no two texts look the same.
pub fn line(text: &str) -> String {
    text.chars().flat_map(|c| if acts(c) || c == '\\' { c.escape_default().collect() } else { vec![c] }).collect()
}

/// Lines of messages, in which values may already be escaped: what would act is written `\u{…}`, but for line ends.
pub fn message(text: &str) -> String {
    text.chars().flat_map(|c| if acts(c) && c != '\n' { c.escape_default().collect() } else { vec![c] }).collect()
}

/// The line, from 1, that a place in a text is in.
pub fn line_at(text: &str, place: usize) -> usize {
    text.bytes().take(place).filter(|byte| *byte == b'\n').count() + 1
}

/// Whether a terminal shows the bytes as they are: UTF-8 in which nothing would act but tabs and ends of lines, LF or CR LF.
pub fn is_printable(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| !text.replace("\r\n", "\n").contains(|c| acts(c) && !matches!(c, '\n' | '\t')))
}

/// A line of JSON in printable ASCII, by JSON's own escapes (RFC 8259 section 7).
pub fn ascii_json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' '..='~' => shown.push(c),
            c => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| shown += &format!("\\u{unit:04x}")),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_printable_and_says_the_same() {
        let hostile = "a\n\u{7f}\u{9b}2J \u{202e} \u{1f600} \" \\";
        let shown = ascii_json(&serde_json::to_string(hostile).unwrap());
        assert!(shown.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{shown}");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), hostile);
    }

    #[test]
    fn what_a_terminal_acts_on_is_escaped() {
        let acting = (0..0x20).chain(0x7f..0xa0).chain([0x61c, 0x200e, 0x200f, 0x2028, 0x2029]).chain(0x202a..0x202f).chain(0x2066..0x206a);
        for c in acting.map(|c| char::from_u32(c).unwrap()) {
            let text = format!("a{c}b");
            assert!(line(&text).chars().all(|c| c.is_ascii_graphic()), "{:?}", line(&text));
            assert_eq!(message(&text) == text, c == '\n', "{c:?}");
            assert_eq!(is_printable(text.as_bytes()), matches!(c, '\n' | '\t'), "{c:?}");
        }
        assert_eq!(line("\u{1b}[2J\u{202e}a b\u{e9}\u{5d0}"), "\\u{1b}[2J\\u{202e}a b\u{e9}\u{5d0}");
        assert_ne!(line("\n"), line("\\n"), "the escaped form is nobody's name");
        assert_eq!(message("a\nb \\u{1b}"), "a\nb \\u{1b}");
        assert!(is_printable("HTTP/1.1 200 OK\r\n\r\n\u{e9}\n".as_bytes()));
        assert!(!is_printable(b"hidden\rshown") && !is_printable(b"\xff"), "a lone CR, and what is no text");
    }
}
