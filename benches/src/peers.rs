//! The same function as others would write it: which there are, and how each gets here.

use anyhow::Result;

use crate::subject::Subject;

/// What [`all`] says of each peer.
pub type Peer = (&'static str, Result<Subject>);

/// Every peer by its name, once what it needs has been installed or built; or why it cannot be had on this machine.
pub fn all(say: tools::Say<'_>) -> Vec<Peer> {
    let _ = say;
    Vec::new()
}
