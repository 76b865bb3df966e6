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
            // `parse` alone would take `+1`.
            let digits = |text: &&str| text.chars().all(|c| c.is_ascii_digit());
            let number = match name {
                "cuda" => Some(0),
                _ => name
                    .strip_prefix("cuda:")
                    .filter(digits)
                    .and_then(|text| text.parse::<u16>().ok()),
            };
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

    /// The same with what the system knows of the accelerators: `listed` is what
    /// `nvidia-smi --query-gpu=index,uuid,memory.total --format=csv,noheader,nounits` prints, `visible` the variable
    /// `CUDA_VISIBLE_DEVICES`, which renumbers the devices of a process. What is not listed keeps its name alone.
    pub fn identified(self, listed: &str, visible: Option<&str>) -> Self {
        match self {
            Self::Host(_) => self,
            Self::Accelerators(all) => {
                Self::Accelerators(all.into_iter().map(|one| one.identified(listed, visible)).collect())
            }
        }
    }

    pub fn first(&self) -> String {
        match self {
            Self::Host(name) => name.clone(),
            Self::Accelerators(all) => all.first().map_or_else(String::new, |device| device.name.clone()),
        }
    }

    pub fn accelerators(&self) -> &[Accelerator] {
        match self {
            Self::Host(_) => &[],
            Self::Accelerators(all) => all,
        }
    }
}

impl Accelerator {
    fn identified(self, listed: &str, visible: Option<&str>) -> Self {
        let number = self.name.trim_start_matches("cuda:");
        let entry = match visible.map(|visible| visible.split(',').map(str::trim).collect::<Vec<_>>()) {
            Some(entries) => number
                .parse()
                .ok()
                .and_then(|i: usize| entries.get(i).copied())
                .unwrap_or(number),
            None => number,
        };
        let card = listed.lines().find_map(|line| {
            let [index, uuid, mebibytes] = line.split(',').map(str::trim).collect::<Vec<_>>()[..] else {
                return None;
            };
            // CUDA takes the beginning of a name, too.
            let is = index == entry || !entry.is_empty() && uuid.starts_with(entry);
            is.then(|| (uuid.to_owned(), mebibytes.parse::<u64>().ok()))
        });
        match card {
            Some((id, mebibytes)) => Self {
                id,
                memory: mebibytes.map(|n| n << 20),
                ..self
            },
            None => Self {
                id: format!("cuda:{entry}"),
                ..self
            },
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
        for (text, read) in [(" cuda:0 , cuda:01", "cuda:0,cuda:1"), ("cuda", "cuda:0")] {
            assert_eq!(Devices::parse(text).unwrap().to_string(), read);
        }
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
            ("cuda:+1", "`cuda:+1` is no device"),
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

    const LISTED: &str = "0, GPU-aa11, 81559\n1, GPU-bb22, 16384\n";

    /// Ids and memory of the devices as this process would name them.
    fn identified(text: &str, visible: Option<&str>) -> Vec<(String, Option<u64>)> {
        let devices = Devices::parse(text).unwrap().identified(LISTED, visible);
        let pair = |one: &Accelerator| (one.id.clone(), one.memory);
        devices.accelerators().iter().map(pair).collect()
    }

    #[test]
    fn a_device_is_one_device_however_a_process_numbers_it() {
        let second = ("GPU-bb22".to_owned(), Some(16384 << 20));
        assert_eq!(identified("cuda:1", None), vec![second.clone()]);
        for visible in ["1", "1,0", "GPU-bb22", "GPU-bb"] {
            assert_eq!(identified("cuda:0", Some(visible)), vec![second.clone()], "{visible}");
        }
    }

    #[test]
    fn a_device_that_is_not_listed_keeps_the_number_it_has_on_the_machine() {
        assert_eq!(identified("cuda:7", None), [("cuda:7".to_owned(), None)]);
        assert_eq!(identified("cuda:0", Some("7")), [("cuda:7".to_owned(), None)]);
        assert_eq!(identified("cuda:0", Some("MIG-5c")), [("cuda:MIG-5c".to_owned(), None)]);
    }
}
