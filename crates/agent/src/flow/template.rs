//! Text with holes: `{{name}}`, with spaces inside the braces or without. A hole does not go over the end of a line.

use super::error::{FlowError, Position, Problem};
use crate::approve::item::is_token;
use std::borrow::Cow;

/// Text with holes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template<'a>(Vec<Piece<'a>>);

/// A piece of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// As it stands.
    Text(&'a str),
    /// A hole.
    Hole(Hole<'a>),
}

/// A hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hole<'a> {
    /// Its name, a token.
    pub(crate) name: &'a str,
    /// Its first brace.
    pub(crate) at: Position,
}

impl<'a> Template<'a> {
    /// Reads `text`, which begins at `at`.
    pub(super) fn parse(text: &'a str, at: Position) -> Result<Template<'a>, FlowError> {
        let (mut pieces, mut rest, mut here) = (Vec::new(), text, at);
        while let Some((before, after)) = rest.split_once("{{") {
            here = here.after(before);
            let (inside, _) = after.split_once("}}").filter(|(inside, _)| !inside.contains('\n')).ok_or(Problem::Open.at(here))?;
            let name = inside.trim_matches(' ');
            if !is_token(name) {
                return Err(Problem::Name(name.to_owned()).at(here));
            }
            pieces.extend((!before.is_empty()).then_some(Piece::Text(before)));
            pieces.push(Piece::Hole(Hole { name, at: here }));
            here = Position { column: here.column + inside.chars().count() + 4, ..here };
            rest = &after[inside.len() + 2..];
        }
        pieces.extend((!rest.is_empty()).then_some(Piece::Text(rest)));
        Ok(Template(pieces))
    }

    pub(crate) fn pieces(&self) -> &[Piece<'a>] {
        &self.0
    }

    pub(crate) fn holes(&self) -> impl Iterator<Item = Hole<'a>> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Hole(hole) => Some(*hole),
            Piece::Text(_) => None,
        })
    }

    /// The text, if there are no holes.
    pub(crate) fn plain(&self) -> Option<&'a str> {
        match self.0[..] {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    pub(crate) fn filled<'f>(&self, fill: &impl Fn(&str) -> Cow<'f, [u8]>) -> Vec<u8> {
        let mut filled = Vec::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => filled.extend_from_slice(text.as_bytes()),
                Piece::Hole(hole) => filled.extend_from_slice(&fill(hole.name)),
            }
        }
        filled
    }

    /// How long it is when it is filled: much longer than the text, where a long value fills many holes.
    pub(super) fn filled_len<'f>(&self, fill: &impl Fn(&str) -> Cow<'f, [u8]>) -> usize {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.len(),
            Piece::Hole(hole) => fill(hole.name).len(),
        };
        self.0.iter().map(piece).fold(0, usize::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_have_names_and_places() {
        let at = Position { line: 2, column: 10 };
        let template = Template::parse("\u{e4}{{ a }}b\nc{{b.c-1_}}", at).unwrap();
        let holes: Vec<Hole> = template.holes().collect();
        assert_eq!(holes[0], Hole { name: "a", at: Position { line: 2, column: 11 } });
        assert_eq!(holes[1], Hole { name: "b.c-1_", at: Position { line: 3, column: 2 } });
        assert_eq!(template.filled(&|name| name.to_uppercase().into_bytes().into()), "\u{e4}Ab\ncB.C-1_".as_bytes());
        assert_eq!((template.plain(), Template::parse("x", at).unwrap().plain()), (None, Some("x")));
        assert_eq!(Template::parse("{ {a}}", at).unwrap().plain(), Some("{ {a}}"));
    }

    #[test]
    fn what_is_no_hole_is_refused_where_it_stands() {
        let fails = |text: &str| Template::parse(text, Position::START).unwrap_err();
        assert_eq!(fails("ab{{c").to_string(), "1:3: \"{{\" without \"}}\" after it on the line");
        assert_eq!(fails("a\n{{b\n}}"), Problem::Open.at(Position { line: 2, column: 1 }));
        for name in ["", "A", "a b", "$guid", "{a"] {
            assert_eq!(fails(&format!("{{{{{name}}}}}")), Problem::Name(name.into()).at(Position::START), "{name}");
        }
    }
}
