//! The names users give devices, and what to tell them when one is missing.

use std::fmt;
use std::str::FromStr;

/// A device a user can name. `auto` is not one: whoever plans the run resolves it with [`super::available`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Choice {
    /// libtorch on the CPU.
    Cpu,
    /// libtorch on the CUDA device of this index, counted as the driver shows them to this process.
    Cuda(usize),
    /// burn-flex: pure Rust on the CPU, for machines without libtorch and as a reference.
    Flex,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
            Self::Flex => f.write_str("flex"),
        }
    }
}

impl FromStr for Choice {
    type Err = DeviceError;

    /// `cpu`, `flex`, `cuda:N`, or `cuda` for `cuda:0`.
    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let unknown = || DeviceError::Unknown { text: text.to_owned() };
        match text {
            "cpu" => Ok(Self::Cpu),
            "flex" => Ok(Self::Flex),
            "cuda" => Ok(Self::Cuda(0)),
            _ => {
                let index = text.strip_prefix("cuda:").ok_or_else(unknown)?;
                // `parse` alone would take "+1".
                if !index.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(unknown());
                }
                index.parse().map(Self::Cuda).map_err(|_| unknown())
            }
        }
    }
}

/// Why a device cannot be had, in words for the person who asked for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    #[error("unknown device `{text}`: expected `cpu`, `cuda:N` (as in `cuda:0`) or `flex`")]
    Unknown { text: String },

    #[error("a device needs at least one thread, got 0")]
    NoThreads,

    #[error(
        "device `{asked}` needs libtorch, and this program was built without it (`--no-default-features`): use \
         `--device flex`, or build with the feature `tch`"
    )]
    NoLibtorch { asked: Choice },

    #[error(
        "device `{asked}` was asked for, but this program's libtorch {libtorch} is the CPU build: use `--device cpu`, or \
         install the CUDA build of libtorch, point LIBTORCH at it and build again"
    )]
    NoCudaBuild { asked: Choice, libtorch: String },

    #[error(
        "device `{asked}` was asked for, but libtorch {libtorch} found no usable GPU: check that `nvidia-smi` lists one, \
         that the driver is recent enough, and that CUDA_VISIBLE_DEVICES (now {visible}) does not hide it; or use \
         `--device cpu`"
    )]
    NoGpu {
        asked: Choice,
        libtorch: String,
        visible: String,
    },

    #[error("device `{asked}` was asked for, but there are {count} CUDA devices here, `cuda:0` to `cuda:{}`", .count - 1)]
    NoSuchGpu { asked: Choice, count: usize },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_reads_back_from_its_own_name() {
        for choice in [Choice::Cpu, Choice::Flex, Choice::Cuda(0), Choice::Cuda(17)] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
    }

    #[test]
    fn plain_cuda_is_the_first_one() {
        assert_eq!("cuda".parse(), Ok(Choice::Cuda(0)));
    }

    #[test]
    fn anything_else_is_an_error_that_names_the_choices() {
        for text in [
            "",
            "gpu",
            "auto",
            "CPU",
            "cuda:",
            "cuda:x",
            "cuda:-1",
            "cuda:+1",
            "cuda:99999999999999999999",
        ] {
            let error = text.parse::<Choice>().unwrap_err().to_string();
            assert!(
                error.contains(&format!("`{text}`")) && error.contains("cuda:0"),
                "{error}"
            );
        }
    }
}
