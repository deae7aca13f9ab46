//! Public bytes in hexadecimal, of small letters alone, so that one value has one text. Secrets are written and read where they are erased.

use cotenant_core::Digest;

/// Two digits a byte.
pub fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes; none if it is not hexadecimal as [`encode`] writes it.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |digit: u8| if digit.is_ascii_uppercase() { None } else { char::from(digit).to_digit(16) };
    let byte = |&[high, low]: &[u8; 2]| Some((digit(high)? << 4 | digit(low)?) as u8); // two digits fit
    pairs.iter().map(byte).collect::<Option<_>>().filter(|_| rest.is_empty())
}

/// The digest that is shown so.
pub fn digest(text: &str) -> Option<Digest> {
    Some(Digest(decode(text)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_has_one_text() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(&encode(&all)), Some(all));
        assert_eq!((encode(&[0, 0xaf]).as_str(), decode("")), ("00af", Some(vec![])));
        for wrong in ["0", "0g", "AF", "+1", " 1", "00a", "\u{e9}"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
        let shown = Digest([7; 32]);
        assert_eq!(digest(&shown.to_string()), Some(shown));
        assert_eq!((digest("07"), digest(&"07".repeat(33))), (None, None));
    }
}
