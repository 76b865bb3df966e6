//! Files within the page.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use maud::{Markup, html};

/// A link that saves a text.
pub(super) fn download(name: &str, kind: &str, words: &str, text: &str) -> Markup {
    html! { a class="data" download=(name) href=(format!("data:{kind};charset=utf-8,{}", encoded(text))) { (words) } }
}

pub(super) fn png(bytes: &[u8]) -> String {
    format!("data:image/png;base64,{}", BASE64_STANDARD.encode(bytes))
}

/// Percent-encoding of what a data URL must not hold; CSV and JSON stay nearly as short as they are.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(byte as char),
            b',' | b'.' | b'-' | b'_' | b':' | b';' | b'=' | b'(' | b')' | b'/' | b'{' | b'}' | b'[' | b']' | b'!' => {
                out.push(byte as char);
            }
            other => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.push('%');
                out.push(HEX[usize::from(other >> 4)] as char);
                out.push(HEX[usize::from(other & 15)] as char);
            }
        }
    }
    out
}

/// A name for a file or an element, of what people called something.
pub(super) fn slug(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' };
    text.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_holds_its_text_and_nothing_that_ends_it() {
        let link = download("a.csv", "text/csv", "data", "a,b\n\"x\" #1,<é>%\n").into_string();
        assert!(
            link.contains("href=\"data:text/csv;charset=utf-8,a,b%0A%22x%22%20%231,%3C%C3%A9%3E%25%0A\""),
            "{link}"
        );
    }

    #[test]
    fn names_are_plain() {
        assert_eq!(slug("moe alpha=10, seed=1"), "moe-alpha-10--seed-1");
    }
}
