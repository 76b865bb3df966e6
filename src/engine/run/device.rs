//! The devices a run may use.

use std::fmt;

/// Where jobs run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Devices {
    /// All jobs run on the processor: `cpu` or `flex`.
    Host(String),
    /// Stages that profit from an accelerator run there, the others on `cpu`. At least one, all different.
    Accelerators(Vec<Accelerator>),
}

/// One accelerator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accelerator {
    /// What a job is told: `cuda:0`.
    pub name: String,
    /// What all processes of this machine call it, however each of them numbers what it may see.
    pub id: String,
    /// In bytes. Where it is not known the device serves one job at a time.
    pub memory: Option<u64>,
}

impl Devices {
    /// Reads `cpu`, `flex`, or one or several of `cuda:N` with commas between them. The error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let names: Vec<&str> = text.split(',').map(str::trim).collect();
        if let [one @ ("cpu" | "flex")] = names[..] {
            return Ok(Self::Host(one.to_owned()));
        }
        let mut all: Vec<Accelerator> = vec![];
        for name in names {
            let number = name.strip_prefix("cuda:").and_then(|number| number.parse::<u16>().ok());
            let Some(number) = number else {
                return Err(match name {
                    "cpu" | "flex" => format!("`{text}`: `{name}` stands alone; other stages use the CPU anyway"),
                    _ => format!("`{name}` is no device; there are auto, cpu, flex and cuda:0, cuda:1, …"),
                });
            };
            // `cuda:00` is `cuda:0`.
            let name = format!("cuda:{number}");
            if all.iter().any(|other| other.name == name) {
                return Err(format!("`{text}` names {name} twice: one device serves as one"));
            }
            all.push(Accelerator {
                id: name.clone(),
                name,
                memory: None,
            });
        }
        Ok(Self::Accelerators(all))
    }

    pub fn accelerators(&self) -> &[Accelerator] {
        match self {
            Self::Host(_) => &[],
            Self::Accelerators(all) => all,
        }
    }
}

impl fmt::Display for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => f.write_str(name),
            Self::Accelerators(all) => {
                let names: Vec<_> = all.iter().map(|one| one.name.as_str()).collect();
                f.write_str(&names.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_read_back_as_they_are_written() {
        for text in ["cpu", "flex", "cuda:0", "cuda:3,cuda:1"] {
            assert_eq!(Devices::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(
            Devices::parse(" cuda:0 , cuda:01").unwrap().to_string(),
            "cuda:0,cuda:1"
        );
    }

    #[test]
    fn one_device_twice_is_refused() {
        for text in ["cuda:0,cuda:0", "cuda:1,cuda:0,cuda:01"] {
            assert!(Devices::parse(text).unwrap_err().contains("twice"), "{text}");
        }
    }

    #[test]
    fn what_is_no_device_is_refused_with_what_there_is() {
        for (text, word) in [
            ("gpu", "`gpu` is no device"),
            ("cuda", "`cuda` is no device"),
            ("cuda:x", "`cuda:x` is no device"),
            ("cuda:-1", "`cuda:-1` is no device"),
            ("", "`` is no device"),
            ("cuda:0,", "`` is no device"),
            ("cuda:0,cpu", "`cpu` stands alone"),
        ] {
            let said = Devices::parse(text).unwrap_err();
            assert!(said.contains(word), "{text}: {said}");
        }
    }
}
