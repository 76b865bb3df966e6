//! Sizes and times as people write and read them.

use std::str::FromStr;
use std::time::Duration;

/// Bytes with a unit, powers of 1000.
pub(super) fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 999.5 {
            return match unit {
                "B" => format!("{bytes} B"),
                _ => format!("{value:.1} {unit}"),
            };
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

/// A time span with at most two units.
pub(super) fn span(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    let (days, hours, minutes) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) if seconds < 9.95 => format!("{seconds:.1} s"),
        (0, 0, 0) => format!("{whole} s"),
        (0, 0, _) => format!("{minutes} min {} s", whole % 60),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// An age as typed: `30d`, `12h`, `2w`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age(pub Duration);

/// A size as typed: `10G`, `500MB`, `1.5T`, `2GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no age: write a number and h, d or w, as in 30d");
        let (number, unit) = split(text).ok_or_else(wrong)?;
        let seconds = match unit {
            "h" => 3600.0,
            "d" => 86_400.0,
            "w" => 604_800.0,
            _ => return Err(wrong()),
        };
        Duration::try_from_secs_f64(number * seconds)
            .map(Self)
            .map_err(|_| wrong())
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no size: write a number and K, M, G or T, as in 10G");
        let (number, unit) = split(text).ok_or_else(wrong)?;
        let (prefix, base) = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => return Ok(Self(number as u64)),
            unit if unit.ends_with("ib") => (unit.trim_end_matches("ib").to_owned(), 1024.0_f64),
            unit => (unit.trim_end_matches('b').to_owned(), 1000.0),
        };
        let power = ["k", "m", "g", "t"]
            .iter()
            .position(|p| *p == prefix)
            .ok_or_else(wrong)?;
        Ok(Self((number * base.powi(power as i32 + 1)) as u64))
    }
}

fn split(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    Some((number, text[end..].trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_spans_read_well() {
        let said: Vec<_> = [0, 999, 1000, 999_949, 123_456_789, 2_500_000_000_000].map(size).into();
        assert_eq!(said, ["0 B", "999 B", "1.0 kB", "1.0 MB", "123.5 MB", "2.5 TB"]);
        let said: Vec<_> = [0.04, 9.0, 59.0, 61.0, 7265.0, 180_000.0].map(span).into();
        assert_eq!(said, ["0.0 s", "9.0 s", "59 s", "1 min 1 s", "2 h 1 min", "2 d 2 h"]);
    }

    #[test]
    fn ages_and_sizes_are_understood_as_people_type_them() {
        let days = |text: &str| text.parse::<Age>().map(|age| age.0.as_secs_f64() / 86_400.0);
        assert_eq!(
            ["30d", "12h", "2w", "1.5 d"].map(|t| days(t).unwrap()),
            [30.0, 0.5, 14.0, 1.5]
        );
        let bytes = |text: &str| text.parse::<Size>().map(|size| size.0);
        assert_eq!(
            ["10G", "500MB", "2GiB", "1.5T", "7", "7b", "3k"].map(|t| bytes(t).unwrap()),
            [10_000_000_000, 500_000_000, 2 << 30, 1_500_000_000_000, 7, 7, 3000]
        );
    }

    #[test]
    fn anything_else_is_refused_with_an_example() {
        for text in ["", "d", "30", "30m", "-1d", "1e3d", "..d", "99999999999999999999d"] {
            assert!(text.parse::<Age>().unwrap_err().contains("30d"), "{text}");
        }
        for text in ["", "G", "10X", "-1G", "10GG"] {
            assert!(text.parse::<Size>().unwrap_err().contains("10G"), "{text}");
        }
    }
}
