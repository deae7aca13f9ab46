//! What a service says in XML: a list of objects, and the code of an error.
//!
//! Source: Amazon S3 API Reference, ListObjectsV2 and "REST Error Responses"; XML 1.0 (Fifth Edition). A document is read to its end and must
//! be well-formed: one root element, every element closed, nothing but white space around it, no document type declaration.

use crate::{steps::StepError, text};
use quick_xml::{Reader, escape::resolve_predefined_entity, events::Event};

/// A list of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Their keys.
    pub keys: Vec<String>,
    /// Whether the bucket holds more of them than the service put into one list.
    pub truncated: bool,
}

impl Listing {
    /// Reads a ListObjectsV2 answer.
    ///
    /// # Errors
    /// [`StepError::Listing`] if it is not well-formed, has another root element, or does not say whether it is complete.
    pub fn parse(xml: &[u8]) -> Result<Listing, StepError> {
        let (mut keys, mut ends) = (Vec::new(), Vec::new());
        let mut root = false;
        let read = read(xml, |path, text| match path {
            ["ListBucketResult"] => root = true,
            ["ListBucketResult", "Contents", "Key"] => keys.push(text.to_owned()),
            ["ListBucketResult", "IsTruncated"] => ends.push(text.to_owned()),
            _ => {}
        });
        let truncated = match ends.as_slice() {
            [text] if text == "true" => true,
            [text] if text == "false" => false,
            _ => return Err(StepError::Listing),
        };
        if read.is_some() && root { Ok(Listing { keys, truncated }) } else { Err(StepError::Listing) }
    }

    /// One key a line. A key is whatever somebody stored, so what would act on a terminal, line ends among it, is escaped.
    pub fn lines(&self) -> String {
        self.keys.iter().map(|key| text::line(key) + "\n").collect()
    }
}

/// The code in an S3 error's body; empty if there is none.
pub fn error_code(xml: &[u8]) -> String {
    let mut code = String::new();
    let read = read(xml, |path, text| {
        if path == ["Error", "Code"] {
            code = text.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
        }
    });
    read.map(|()| code).unwrap_or_default()
}

/// Calls `element` at the end of each element, with the local names from the root down to it, and the text since its last child or its
/// start. None if the document is not well-formed.
fn read(xml: &[u8], mut element: impl FnMut(&[&str], &str)) -> Option<()> {
    let mut reader = Reader::from_reader(xml);
    reader.config_mut().expand_empty_elements = true;
    let (mut path, mut text, mut roots) = (Vec::<String>::new(), String::new(), 0);
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                if start.attributes().any(|attribute| attribute.is_err()) {
                    return None;
                }
                roots += usize::from(path.is_empty());
                path.push(str::from_utf8(start.local_name().as_ref()).ok()?.to_owned());
                text.clear();
            }
            Event::End(_) => {
                element(&path.iter().map(String::as_str).collect::<Vec<_>>(), &text);
                path.pop()?;
                text.clear();
            }
            Event::Text(more) => text.push_str(&more.decode().ok()?),
            Event::CData(more) if !path.is_empty() => text.push_str(&more.decode().ok()?),
            Event::GeneralRef(entity) if !path.is_empty() => match entity.resolve_char_ref().ok()? {
                Some(c) => text.push(c),
                None => text.push_str(resolve_predefined_entity(&entity.decode().ok()?)?),
            },
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => return (path.is_empty() && roots == 1).then_some(()),
            _ => return None,
        }
        if path.is_empty() && !text.trim().is_empty() {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(inside: &str) -> Result<Listing, StepError> {
        Listing::parse(format!("<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"x\">{inside}</ListBucketResult>\n").as_bytes())
    }

    #[test]
    fn keys_are_those_of_objects() {
        let inside = "<Name>k</Name><IsTruncated>false</IsTruncated><Contents><Key>a &amp; b&#x21;</Key><Size>1</Size></Contents>\
                      <Contents><Key><![CDATA[<c>]]></Key></Contents><Contents><Key/></Contents><Key>not one</Key>\
                      <CommonPrefixes><Key>nor this</Key></CommonPrefixes>";
        let keys = ["a & b!", "<c>", ""].map(str::to_owned).to_vec();
        assert_eq!(list(inside), Ok(Listing { keys, truncated: false }));
        let acting = list(
            "<IsTruncated>false</IsTruncated><Contents><Key>a&#10;b\u{202e}&#27;[2J</Key></Contents><Contents><Key>c</Key></Contents>",
        );
        assert_eq!(acting.unwrap().lines(), "a\\nb\\u{202e}\\u{1b}[2J\nc\n");
        assert_eq!(list("<IsTruncated>true</IsTruncated>"), Ok(Listing { keys: vec![], truncated: true }));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let end = "<IsTruncated>false</IsTruncated>";
        assert!(list(end).is_ok());
        for inside in
            ["", "<IsTruncated>no</IsTruncated>", &[end, end].concat(), "<Contents>", "</Contents>", "<a></b>", "&x;", "<a b></a>"]
        {
            assert_eq!(list(&[end, inside].concat()).is_ok(), inside.is_empty(), "{inside}");
        }
        assert_eq!(list("<Contents><Key>a</Key></Contents>"), Err(StepError::Listing), "it does not say whether it is complete");
        let whole = format!("<ListBucketResult>{end}</ListBucketResult>");
        assert!(Listing::parse(whole.as_bytes()).is_ok());
        for cut in 0..whole.len() {
            assert_eq!(Listing::parse(&whole.as_bytes()[..cut]), Err(StepError::Listing), "{cut}");
        }
        let around = [("", "x"), ("x", ""), ("", "&amp;"), ("", "<a/>"), ("<!DOCTYPE a>", ""), ("", &whole), ("<L>", "</L>")];
        for (before, after) in around {
            assert_eq!(Listing::parse([before, &whole, after].concat().as_bytes()), Err(StepError::Listing), "{before} {after}");
        }
        assert_eq!(Listing::parse(whole.replace("ListBucketResult", "Lists").as_bytes()), Err(StepError::Listing));
        assert_eq!(Listing::parse(b"<html><body>ok</body></html>"), Err(StepError::Listing));
    }

    #[test]
    fn codes_are_found_in_errors() {
        assert_eq!(error_code(b"<Error><Code>No\x1b[2JSuchKey</Code></Error>"), "No2JSuchKey");
        for other in ["not found", "", "<Code>A</Code>", "<Error><Code>A</Code>"] {
            assert_eq!(error_code(other.as_bytes()), "", "{other}");
        }
    }
}
