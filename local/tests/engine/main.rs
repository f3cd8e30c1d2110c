//! Tests the gateway and the execution environments with real processes: `function.py` is the function.

#[cfg(test)]
mod gateway;
#[cfg(test)]
mod iam;
#[cfg(test)]
mod lambda;
#[cfg(test)]
mod support;
