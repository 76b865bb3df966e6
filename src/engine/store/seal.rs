//! JSON files that carry the digest of their own text, so that one flipped bit is noticed wherever it falls.
//!
//! ```text
//! {
//!   "sha256": "…",     of every byte after this line
//!   …
//! }
//! ```

use crate::digest::Digest;
use serde::Serialize;

const BEFORE: &str = "{\n  \"sha256\": \"";
const AFTER: &str = "\",\n";
/// Length of the first two lines.
const HEAD: usize = BEFORE.len() + 64 + AFTER.len();

/// The text of a document, which must be a struct with at least one field.
pub(super) fn seal(document: &impl Serialize) -> Vec<u8> {
    let text = serde_json::to_string_pretty(document).expect("what the store writes is plain data");
    let rest = text
        .strip_prefix("{\n")
        .expect("a struct with a field is printed on several lines");
    let rest = format!("{rest}\n");
    format!("{BEFORE}{}{AFTER}{rest}", Digest::of(rest.as_bytes())).into_bytes()
}

/// Whether a text begins as one that carries its digest.
pub(super) fn sealed(text: &[u8]) -> bool {
    text.starts_with(BEFORE.as_bytes())
}

/// Whether a text is just as [`seal`] made it.
pub(super) fn intact(text: &[u8]) -> bool {
    let Some((head, rest)) = text.split_at_checked(HEAD) else {
        return false;
    };
    head == format!("{BEFORE}{}{AFTER}", Digest::of(rest)).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_sealed_document_is_json_with_one_more_field() {
        let text = seal(&json!({"a": 1, "b": [2]}));
        assert!(intact(&text));
        let value: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!((&value["a"], &value["b"]), (&json!(1), &json!([2])));
        assert_eq!(value["sha256"].as_str().unwrap().len(), 64);
    }

    #[test]
    fn every_flipped_bit_and_every_lost_end_is_noticed() {
        let text = seal(&json!({"a": 1}));
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut flipped = text.clone();
                flipped[at] ^= 1 << bit;
                assert!(!intact(&flipped), "byte {at}, bit {bit}");
            }
            assert!(!intact(&text[..at]), "{at} bytes");
        }
        assert!(!intact(&[text.as_slice(), b" "].concat()));
    }
}
