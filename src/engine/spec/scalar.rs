//! What an unquoted YAML scalar means: the core schema of YAML 1.2, minus what readers disagree on.
//!
//! `null`, `~` and nothing are null; `true` and `false` (also `True`, `TRUE`) are booleans, while `yes`, `no`, `on` and
//! `off` are text; integers are decimal, `0x1f` or `0o17`; floats may have an exponent, so `1e-4` is one. Refused: `010`
//! (eight to some readers, ten to others), not-a-number and infinities (no key can hold them), and integers beyond 2⁵³
//! (keys are RFC 8785 JSON, whose numbers are doubles).

use serde_json::{Number, Value};

/// Integers up to here are exact in a double.
pub const LARGEST: u64 = (1 << 53) - 1;

/// Reads an unquoted scalar; the error says what to write instead.
pub fn read(text: &str) -> Result<Value, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Err(format!(
            "`{text}` is refused: a setting is a finite number; quote it if it is meant as text"
        ));
    }
    if let Some(value) = radix(text, unsigned)? {
        return Ok(value);
    }
    if !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return decimal(text, unsigned);
    }
    if is_float(unsigned) {
        let number: f64 = text
            .parse()
            .map_err(|_| format!("`{text}` is not a number that can be read"))?;
        return Number::from_f64(number)
            .map(Value::Number)
            .ok_or_else(|| format!("`{text}` is too large for a double"));
    }
    Ok(Value::String(text.to_owned()))
}

/// `0x1f`, `0o17`; what looks alike but is not in the core schema (`0b11`, `-0x1f`) is refused.
fn radix(text: &str, unsigned: &str) -> Result<Option<Value>, String> {
    let Some(base) = [("0x", 16), ("0o", 8), ("0b", 2)]
        .iter()
        .find(|(p, _)| unsigned.starts_with(p))
    else {
        return Ok(None);
    };
    let digits = &unsigned[2..];
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(base.1)) {
        return Ok(None);
    }
    if base.1 == 2 || unsigned.len() != text.len() {
        return Err(format!(
            "`{text}` means different things to different YAML readers: write it in decimal, or quote it"
        ));
    }
    match u64::from_str_radix(digits, base.1) {
        Ok(n) if n <= LARGEST => Ok(Some(Value::from(n))),
        _ => Err(too_large(text)),
    }
}

fn decimal(text: &str, digits: &str) -> Result<Value, String> {
    if digits.len() > 1 && digits.starts_with('0') {
        let plain = digits.trim_start_matches('0');
        let plain = if plain.is_empty() { "0" } else { plain };
        return Err(format!(
            "`{text}` looks octal: write {plain} for the number, or quote it for text"
        ));
    }
    match digits.parse::<u64>() {
        Ok(n) if n > LARGEST => Err(too_large(text)),
        Ok(n) if text.starts_with('-') => Ok(Value::from(-i64::try_from(n).expect("at most 2^53"))),
        Ok(n) => Ok(Value::from(n)),
        Err(_) => Err(too_large(text)),
    }
}

fn too_large(text: &str) -> String {
    format!("`{text}` is too large: integers go up to {LARGEST} (2^53 - 1); quote it if it is meant as text")
}

/// `[0-9]+(\.[0-9]*)?` or `\.[0-9]+`, and an optional exponent.
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, part)) => {
            (digits(whole) && (part.is_empty() || digits(part))) || (whole.is_empty() && digits(part))
        }
        None => digits(mantissa),
    };
    mantissa_fits && exponent.is_none_or(|e| digits(e.strip_prefix(['-', '+']).unwrap_or(e)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_follow_the_core_schema() {
        for (text, number) in [
            ("1e-4", json!(1e-4)),
            ("5e-4", json!(5e-4)),
            ("1E3", json!(1000.0)),
            (".5", json!(0.5)),
            ("1.", json!(1.0)),
            ("-3", json!(-3)),
            ("+3", json!(3)),
            ("0", json!(0)),
            ("0.5", json!(0.5)),
            ("0x1f", json!(31)),
            ("0o17", json!(15)),
        ] {
            assert_eq!(read(text), Ok(number), "{text}");
        }
    }

    #[test]
    fn booleans_and_nulls_are_those_of_the_core_schema() {
        assert_eq!(read("true"), Ok(json!(true)));
        assert_eq!(read("FALSE"), Ok(json!(false)));
        assert_eq!(read("~"), Ok(json!(null)));
        assert_eq!(read(""), Ok(json!(null)));
    }

    #[test]
    fn yes_no_and_near_numbers_are_text() {
        for text in [
            "yes", "no", "on", "off", "1_000", "1:30", "e5", "1e", "-", "+", ".", "inf", "nan", "0x", "1.2.3", "tRue",
        ] {
            assert_eq!(read(text), Ok(json!(text)), "{text}");
        }
    }

    #[test]
    fn what_readers_disagree_on_is_refused() {
        for text in [
            "010",
            "00",
            "-07",
            "0b11",
            "-0x1f",
            "+0o7",
            ".nan",
            ".inf",
            "-.Inf",
            "1e999",
            "9007199254740992",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read("9007199254740991").is_ok());
    }

    #[test]
    fn every_accepted_scalar_means_the_same_to_serde_yaml() {
        for text in [
            "1e-4", "1.", ".5", "+3", "-0", "0x1f", "0o17", "yes", "1_000", "inf", "nan", "True", "~", "-", "00.5",
        ] {
            let theirs: serde_yaml::Value = serde_yaml::from_str(&format!("[{text}]")).unwrap_or_default();
            let Ok(theirs) = serde_json::to_value(&theirs) else {
                continue;
            };
            if text != "-" {
                assert_eq!(theirs[0], read(text).unwrap(), "{text}");
            }
        }
    }
}
