//! USPS in libsvm's text: a line per image, `label 1:v 2:v … 256:v`.
//!
//! The label is the digit + 1. A value in [-1, 1] becomes the byte `round((v + 1) / 2 · 255)`; an index that a line
//! leaves out has the value 0, as everywhere in this sparse format.

use super::error::DataError;
use super::images::Part;

const SIDE: usize = 16;

/// All lines as 16 × 16 grey images with labels 0 … 9. `place` is the path, for messages.
pub(crate) fn usps(bytes: &[u8], place: &str) -> Result<Part, DataError> {
    let mut data = Vec::new();
    let mut labels = Vec::new();
    let lines = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    for (i, line) in lines.split(|&b| b == b'\n').enumerate() {
        let fail = |what: String| {
            DataError::format(
                format!("{place}, line {}", i + 1),
                what,
                "fetch the file again: each line is `label 1:value … 256:value`",
            )
        };
        let line = std::str::from_utf8(line).map_err(|_| fail("is not text".into()))?;
        let (label, pixels) = parse(line).map_err(fail)?;
        labels.push(label);
        data.extend(pixels);
    }
    Ok(Part {
        channels: 1,
        height: SIDE,
        width: SIDE,
        data,
        labels: Some(labels),
    })
}

fn parse(line: &str) -> Result<(i64, [u8; SIDE * SIDE]), String> {
    let mut words = line.split_ascii_whitespace();
    let label = words.next().ok_or("is empty")?;
    let label = match label.parse::<i64>() {
        Ok(v @ 1..=10) => v - 1,
        _ => return Err(format!("label `{}` is not within 1 … 10", short(label))),
    };
    let mut pixels = [byte(0.0); SIDE * SIDE];
    let mut last = 0;
    for word in words {
        let (index, value) = word
            .split_once(':')
            .ok_or_else(|| format!("`{}` is not `index:value`", short(word)))?;
        let index = match index.parse::<usize>() {
            Ok(v @ 1..=256) if v > last => v,
            Ok(v @ 1..=256) => return Err(format!("index {v} comes after {last}")),
            _ => return Err(format!("index `{}` is not within 1 … 256", short(index))),
        };
        last = index;
        pixels[index - 1] = match value.parse::<f32>() {
            Ok(v) if (-1.0..=1.0).contains(&v) => byte(v),
            _ => {
                return Err(format!(
                    "value `{}` of index {index} is not within -1 … 1",
                    short(value)
                ));
            }
        };
    }
    if last == 0 {
        return Err("has a label but no values".into());
    }
    Ok((label, pixels))
}

fn byte(v: f32) -> u8 {
    ((v + 1.0) / 2.0 * 255.0).round() as u8
}

/// Damaged files can hold one word of megabytes.
fn short(word: &str) -> String {
    word.chars().take(20).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn line(label: u32, first: f32) -> String {
        (1..=256).fold(label.to_string(), |s, i| {
            format!("{s} {i}:{}", if i == 1 { first } else { -1.0 })
        }) + "\n"
    }

    fn why(text: &str) -> String {
        usps(text.as_bytes(), "x").unwrap_err().to_string()
    }

    #[test]
    fn lines_become_images() {
        let part = usps((line(1, 1.0) + &line(10, 0.0)).as_bytes(), "x").unwrap();
        assert_eq!((part.n(), part.height, part.width), (2, 16, 16));
        assert_eq!(part.labels.unwrap(), [0, 9]);
        assert_eq!((part.data[0], part.data[1], part.data[256]), (255, 0, 128));
    }

    #[test]
    fn an_index_left_out_is_zero() {
        assert_eq!(usps(b"3 2:1 \n", "x").unwrap().data[..3], [128, 255, 128]);
    }

    #[test]
    fn refusals_name_the_line() {
        assert!(why(&(line(1, 0.0) + "11 1:0\n")).contains("line 2: label `11`"));
        assert!(why("1 257:0\n").contains("index `257`"));
        assert!(why("1 2:0 2:0\n").contains("index 2 comes after 2"));
        assert!(why("1 1:1.5\n").contains("value `1.5`"));
        assert!(why("1 1:nan\n").contains("value `nan`"));
        assert!(why("1 1\n").contains("not `index:value`"));
        assert!(why("1\n").contains("no values"));
        assert!(why("").contains("is empty"));
        assert!(why("1 1:0\n\n").contains("line 2: is empty"));
    }
}
