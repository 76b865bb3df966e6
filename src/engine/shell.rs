//! Words of commands that people copy into a shell.

/// The word, in quotes where a POSIX shell would take it for something else.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn only_what_a_shell_would_change_is_quoted() {
        assert_eq!(quoted("epochs.vae=5"), "epochs.vae=5");
        assert_eq!(
            [quoted(""), quoted("a b"), quoted("$(x)'y")],
            ["''", "'a b'", r"'$(x)'\''y'"]
        );
    }
}
