//! The sizes of a program and of its zip, which Lambda fetches at a cold start.

use std::{
    fs::{self, File},
    io::{self, Cursor, Seek, Write},
    path::Path,
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

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
    // Fixed times, so that the same files give the same zip.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9))
        .last_modified_time(DateTime::default())
        .unix_permissions(0o755);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut bytes = 0;
    for path in deployed {
        let path = path.as_ref();
        bytes += add(path, Path::new(path.file_name().context("a name")?), options, &mut zip)?;
    }
    Ok(Size { bytes, zip_bytes: zip.finish()?.into_inner().len() as u64 })
}

fn add(
    path: &Path,
    name: &Path,
    options: SimpleFileOptions,
    zip: &mut ZipWriter<impl Write + Seek>,
) -> Result<u64> {
    if path.is_dir() {
        let mut entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        let entries = entries.iter().filter(|entry| entry.file_name() != "__pycache__");
        return entries.map(|entry| add(&entry.path(), &name.join(entry.file_name()), options, zip)).sum();
    }
    let mut file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    zip.start_file_from_path(name, options)?;
    Ok(io::copy(&mut file, zip)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_have_the_same_sizes_and_python_compiles_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &[u8]| {
            let path = folder.path().join("app").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        write("main.py", &[b'x'; 5000]);
        write("lib/it.py", &[b'y'; 5000]);
        let before = of(&[folder.path().join("app")]).unwrap();
        assert_eq!(before.bytes, 10_000);
        assert!(before.zip_bytes < 1000, "{before:?}");
        write("lib/__pycache__/it.pyc", &[b'z'; 5000]);
        assert_eq!(of(&[folder.path().join("app")]).unwrap(), before);
    }
}
