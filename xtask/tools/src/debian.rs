//! Programs out of Debian's packages, unpacked into the checkout: that needs no rights and changes nothing else of the
//! machine.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};

use crate::{Say, output, succeeds};

/// Whether this machine can download and unpack Debian's packages.
pub(crate) fn has_packages() -> bool {
    ["apt-get", "dpkg-deb"].iter().all(|program| succeeds(Command::new(program).arg("--version")))
}

/// Unpacks `members` (paths such as `usr/bin/name`) of `packages` into the folder `target`, which is there only once all
/// of them are.
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
    // Lists and cache of its own: those of the machine belong to root.
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.arg("-qq").arg("-o").arg(format!("Dir::State::Lists={}", lists.display()));
        apt.arg("-o").arg(format!("Dir::Cache={}", cache.display()));
        // Else root's downloads are made by another account, which may not enter the checkout.
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
    // The packages have hundreds of megabytes of others.
    for member in members {
        let wanted = chosen.join(member);
        fs::create_dir_all(wanted.parent().unwrap_or(&chosen))?;
        fs::rename(all.join(member), wanted).with_context(|| format!("the packages have no {member}"))?;
    }
    fs::rename(&chosen, target)?;
    fs::remove_dir_all(&work)?;
    Ok(())
}
