//! The sizes of a program and of its zip, which Lambda fetches at a cold start.

use std::{io::Cursor, path::Path};

use anyhow::Result;
use serde::{Deserialize, Serialize};

/// The sizes of the deployed files.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Size {
    /// The total size of all files.
    pub bytes: u64,
    /// The size of their zip, compressed with deflate at level 9.
    pub zip_bytes: u64,
}

/// Measures the files and folders in `deployed`.
///
/// # Errors
/// When a file cannot be read.
pub fn of(deployed: &[impl AsRef<Path>]) -> Result<Size> {
    let mut zip = Cursor::new(Vec::new());
    let bytes = zips::pack(deployed, &mut zip)?;
    Ok(Size { bytes, zip_bytes: zip.into_inner().len() as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zip_of_repetitions_is_small() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["main.py", "it.py"] {
            std::fs::write(folder.path().join(name), [b'x'; 5000]).unwrap();
        }
        let size = of(&[folder.path()]).unwrap();
        assert_eq!(size.bytes, 10_000);
        assert!(size.zip_bytes < 1000, "{size:?}");
    }
}
