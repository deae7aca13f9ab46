//! A text as lines with their places, and requests apart: a line that begins with `###` stands between two.

use super::error::{FlowError, Position, Problem};
use crate::approve::operation::MAX_FLOW;

/// A line, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) number: usize,
    /// The whole text.
    pub(super) of: &'a str,
    /// Where in it the line begins, in bytes.
    pub(super) from: usize,
    pub(super) text: &'a str,
}

/// What a line is where no body stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    Blank,
    /// `#` or `//` at its start.
    Comment,
    /// A comment that begins with `@`: what stands after that, and where the `@` is.
    Directive(&'a str, Position),
    Other,
}

impl<'a> Line<'a> {
    pub(super) fn start(&self) -> Position {
        Position { line: self.number, column: 1 }
    }

    /// Where `part`, which is a part of the line, begins.
    pub(super) fn place_of(&self, part: &str) -> Position {
        let offset = part.as_ptr().addr() - self.text.as_ptr().addr();
        self.start().after(&self.text[..offset])
    }

    /// The text from the start of `first` to the end of `last`.
    pub(super) fn span(first: &Line<'a>, last: &Line<'a>) -> &'a str {
        &first.of[first.from..last.from + last.text.len()]
    }

    /// The directive of this line with the comments after it over which it goes on, as one text, and how many these are: a bracket that is open at the end of
    /// a line is closed in a later one.
    pub(super) fn whole(&self, after: &[Line<'a>]) -> (Line<'a>, usize) {
        let (mut whole, mut brackets) = (*self, Brackets::default());
        brackets.read(self.text);
        for (more, next) in after.iter().enumerate() {
            if !brackets.are_open() || !matches!(next.kind(), Kind::Comment) {
                return (whole, more);
            }
            brackets.read(next.text);
            whole.text = Line::span(self, next);
        }
        (whole, after.len())
    }

    pub(super) fn kind(&self) -> Kind<'a> {
        let comment = self.text.strip_prefix("//").or_else(|| self.text.strip_prefix('#'));
        match comment {
            _ if self.text.trim().is_empty() => Kind::Blank,
            None => Kind::Other,
            Some(comment) => match comment.trim_start().strip_prefix('@') {
                None => Kind::Comment,
                Some(directive) => {
                    let at = self.place_of(directive);
                    Kind::Directive(directive.trim_end(), Position { column: at.column - 1, ..at })
                }
            },
        }
    }
}

/// Brackets outside texts in quotes, as they are read line by line.
#[derive(Default)]
struct Brackets {
    depth: usize,
    quoted: bool,
}

impl Brackets {
    fn read(&mut self, text: &str) {
        let mut escaped = false;
        for c in text.chars() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = self.quoted,
                '"' => self.quoted = !self.quoted,
                '(' if !self.quoted => self.depth += 1,
                ')' if !self.quoted => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    /// Whether one is, at the end of a line at which no text is.
    fn are_open(&self) -> bool {
        self.depth > 0 && !self.quoted
    }
}

/// The blocks between separators, each with its lines.
pub(super) fn blocks(text: &[u8]) -> Result<Vec<Vec<Line<'_>>>, FlowError> {
    if text.len() > MAX_FLOW {
        return Err(Problem::LongText.at(Position::START));
    }
    let text = std::str::from_utf8(text).map_err(|error| {
        let before = std::str::from_utf8(&text[..error.valid_up_to()]).unwrap_or_default();
        Problem::Utf8.at(Position::START.after(before))
    })?;
    if let Some((before, _)) = text.split_once('\r') {
        return Err(Problem::CarriageReturn.at(Position::START.after(before)));
    }
    let next = |from: &mut usize, text_of_line: &str| {
        let here = *from;
        *from += text_of_line.len() + 1;
        here
    };
    let mut from = 0;
    let lines: Vec<Line> =
        text.split('\n').zip(1..).map(|(line, number)| Line { number, of: text, from: next(&mut from, line), text: line }).collect();
    Ok(lines.split(|line| line.text.starts_with("###")).map(<[Line]>::to_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_kinds_of_lines() {
        let blocks = blocks(b"# x\n### title\n//@a b \n#  @c\n \nGET\n###").unwrap();
        assert_eq!(blocks.iter().map(Vec::len).collect::<Vec<_>>(), [1, 4, 0]);
        let kinds: Vec<Kind> = blocks.concat().iter().map(Line::kind).collect();
        let directive = |text, line, column| Kind::Directive(text, Position { line, column });
        assert_eq!(kinds, [Kind::Comment, directive("a b", 3, 3), directive("c", 4, 4), Kind::Blank, Kind::Other]);
    }

    #[test]
    fn a_text_has_one_form() {
        let fails = |text: &[u8]| blocks(text).unwrap_err().to_string();
        assert_eq!(fails("\u{e4}b\r\n".as_bytes()), "1:3: there is a carriage return: save the file with line ends of Unix (LF)");
        assert_eq!(fails(b"a\nb\xff"), "2:2: the text is not UTF-8 from here on");
        assert!(fails(&vec![b'a'; MAX_FLOW + 1]).starts_with("1:1: the text is longer"));
    }
}
