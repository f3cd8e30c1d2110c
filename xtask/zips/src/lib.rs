//! Zips that depend on nothing but the content and the names of files: not on times, owners, folders or the machine.

use std::{
    fs::{self, File},
    io::{self, Seek, Write},
    path::Path,
};

use anyhow::{Context, Result};
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

/// Packs `paths`, which are files and folders, into `zip` with deflate at level 9. Returns the bytes of all files.
///
/// # Errors
/// When one cannot be read, or the zip cannot be written.
pub fn pack(paths: &[impl AsRef<Path>], zip: impl Write + Seek) -> Result<u64> {
    let mut zip = ZipWriter::new(zip);
    let mut bytes = 0;
    for path in paths {
        let path = path.as_ref();
        bytes += add(path, Path::new(path.file_name().context("a name")?), &mut zip)?;
    }
    zip.finish()?.flush()?;
    Ok(bytes)
}

fn add(path: &Path, name: &Path, zip: &mut ZipWriter<impl Write + Seek>) -> Result<u64> {
    if path.is_dir() {
        let mut entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        // What Python compiles on its own has times in it.
        let entries = entries.iter().filter(|entry| entry.file_name() != "__pycache__");
        return entries.map(|entry| add(&entry.path(), &name.join(entry.file_name()), zip)).sum();
    }
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9))
        .last_modified_time(DateTime::default())
        .unix_permissions(0o755);
    let mut file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    zip.start_file_from_path(name, options)?;
    Ok(io::copy(&mut file, zip)?)
}

#[cfg(test)]
mod tests {
    use std::{
        io::Cursor,
        os::unix::fs::PermissionsExt,
        path::PathBuf,
        time::{Duration, SystemTime},
    };

    use super::*;

    fn packed(path: &Path) -> Vec<u8> {
        let mut zip = Cursor::new(Vec::new());
        pack(&[path], &mut zip).unwrap();
        zip.into_inner()
    }

    /// `app` in a folder of its own, with these files.
    fn app(files: &[(&str, &[u8])]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let app = folder.path().join("app");
        for (name, content) in files {
            let path = app.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        (folder, app)
    }

    #[test]
    fn times_rights_order_and_place_of_files_change_nothing() {
        let files: [(&str, &[u8]); 3] =
            [("main.py", &[b'x'; 5000]), ("lib/it.py", b"it"), ("lib/at.py", b"at")];
        let (_here, here) = app(&files);
        let (_there, there) = app(&[files[2], files[1], files[0]]);
        let file = File::open(there.join("main.py")).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
        file.set_permissions(fs::Permissions::from_mode(0o700)).unwrap();
        assert!(packed(&here) == packed(&there));
    }

    #[test]
    fn a_name_or_a_byte_changes_the_zip_and_what_python_compiles_does_not() {
        let (_folder, original) = app(&[("main.py", b"it")]);
        let original = packed(&original);
        for (files, is_same) in [
            (&[("main.py", &b"at"[..])][..], false),
            (&[("man.py", b"it")], false),
            (&[("main.py", b"it"), ("__pycache__/main.pyc", b"compiled")], true),
        ] {
            let (_folder, changed) = app(files);
            assert_eq!(packed(&changed) == original, is_same, "{files:?}");
        }
    }
}
