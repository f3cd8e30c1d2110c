//! Text that never appears in a log.

use std::fmt;

/// A password, a token or a key. It cannot be printed; use [`expose`](Self::expose) to read it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_never_printed() {
        assert_eq!(
            format!("{:?} {:#?}", Secret::new("sesame"), Some(Secret::new("sesame"))),
            "Secret(..) Some(\n    Secret(..),\n)"
        );
    }
}
