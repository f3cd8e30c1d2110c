//! The checkout that a command works on.

use std::{
    env,
    path::{Path, PathBuf},
    sync::LazyLock,
};

/// The root of the checkout that this process works on: the one in which cargo started it, or else the one that
/// contains the current folder. It is never the folder in which the program was compiled, since a checkout can be moved
/// or copied with its programs.
///
/// # Panics
/// When neither is in a checkout.
#[expect(clippy::panic, reason = "programs of developers: without a checkout there is nothing to work on")]
pub fn checkout() -> &'static Path {
    static CHECKOUT: LazyLock<PathBuf> = LazyLock::new(|| {
        let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let current = env::current_dir().ok();
        [package, current]
            .into_iter()
            .flatten()
            .find_map(|start| around(&start).map(Path::to_owned))
            .unwrap_or_else(|| panic!("neither the current folder nor CARGO_MANIFEST_DIR is in a checkout"))
    });
    &CHECKOUT
}

/// The innermost checkout that contains `start`.
fn around(start: &Path) -> Option<&Path> {
    start.ancestors().find(|folder| folder.join("xtask/tools/Cargo.toml").is_file())
}

/// The folder of the tools in the checkout.
pub fn folder() -> PathBuf {
    checkout().join(".local/tools")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_in_the_innermost_checkout_around_it() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("tests/copy");
        for root in [outer.path(), &inner] {
            std::fs::create_dir_all(root.join("xtask/tools")).unwrap();
            std::fs::write(root.join("xtask/tools/Cargo.toml"), "").unwrap();
        }
        assert_eq!(around(&outer.path().join("functions/get-product")), Some(outer.path()));
        assert_eq!(around(&inner.join("xtask")), Some(inner.as_path()));
        assert_eq!(around(Path::new("/")), None);
    }
}
