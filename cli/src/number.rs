//! Numbers as OVN's commands read them.

/// The decimal number that the text begins with, after spaces. What follows it is passed over.
pub fn scan(text: &str) -> Option<i64> {
    let text = text.trim_start();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let sign_length = text.len() - digits.len();
    let length = digits
        .find(|digit: char| !digit.is_ascii_digit())
        .unwrap_or(digits.len());
    text[..sign_length + length].parse().ok()
}

/// The number that the text begins with, if it lies within the bounds.
pub fn scan_within(text: &str, bounds: std::ops::RangeInclusive<i64>) -> Option<i64> {
    scan(text).filter(|number| bounds.contains(number))
}

#[cfg(test)]
mod tests {
    use super::scan;

    #[test]
    fn a_number_ends_at_the_first_other_character() {
        for (text, expected) in [
            ("10", Some(10)),
            (" 10x", Some(10)),
            ("-1", Some(-1)),
            ("+1", Some(1)),
            ("0x10", Some(0)),
            ("x", None),
            ("-", None),
            ("", None),
            ("9223372036854775808", None),
        ] {
            assert_eq!(scan(text), expected, "{text:?}");
        }
    }
}
