//! Unpacks programs from Debian packages into the checkout, which requires no privileges and changes nothing else on
//! the machine.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};

use crate::{Say, output, succeeds};

/// Whether this machine can download and unpack Debian packages.
pub(crate) fn has_packages() -> bool {
    ["apt-get", "dpkg-deb"].iter().all(|program| succeeds(Command::new(program).arg("--version")))
}

/// Unpacks `members` (paths such as `usr/bin/name`) of `packages` into the folder `target`. The folder appears only
/// when it is complete.
pub(crate) fn unpack(packages: &[&str], members: &[&str], target: &Path, say: Say<'_>) -> Result<()> {
    let work = target.with_extension("unfinished");
    for folder in [&work, target] {
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
    }
    let [lists, cache, all, chosen] = ["lists", "cache", "all", "chosen"].map(|name| work.join(name));
    for folder in [&lists.join("partial"), &cache.join("archives/partial"), &all, &chosen] {
        fs::create_dir_all(folder)?;
    }
    say(&format!("unpacking Debian's {} into {}", packages.join(", "), target.display()));
    // Separate lists and cache, since the machine's belong to root.
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.arg("-qq").arg("-o").arg(format!("Dir::State::Lists={}", lists.display()));
        apt.arg("-o").arg(format!("Dir::Cache={}", cache.display()));
        // By default, root downloads as another account, which may not have access to the checkout.
        apt.args(["-o", "APT::Sandbox::User=root"]).args(arguments).current_dir(&work);
        apt
    };
    output(&mut apt(&["update"]))?;
    output(apt(&["download"]).args(packages))?;
    for entry in fs::read_dir(&work)? {
        let package = entry?.path();
        if package.extension().is_some_and(|extension| extension == "deb") {
            output(Command::new("dpkg-deb").arg("--extract").arg(&package).arg(&all))?;
        }
    }
    // Keep only the members: the packages have hundreds of megabytes of other files.
    for member in members {
        let wanted = chosen.join(member);
        fs::create_dir_all(wanted.parent().unwrap_or(&chosen))?;
        fs::rename(all.join(member), wanted)
            .with_context(|| format!("the packages do not contain {member}"))?;
    }
    fs::rename(&chosen, target)?;
    fs::remove_dir_all(&work)?;
    Ok(())
}
