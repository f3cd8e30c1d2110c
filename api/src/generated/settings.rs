//! The settings of a single function, as the manifest beside its code declares them:
//!
//! ```toml
//! [package.metadata.function]
//! memory-size = 512
//! timeout-seconds = 20
//! reserved-concurrency = 30
//! provisioned-concurrency = 2
//! environment = { GREETING = "hello" }
//!
//! [[package.metadata.function.rights]]
//! sid = "ReadPictures"
//! actions = ["s3:GetObject"]
//! resources = ["arn:${AWS::Partition}:s3:::pictures/*"]
//! ```

use std::{collections::BTreeMap, fs, ops::RangeInclusive, path::Path};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::Operation;

/// The maximum timeout of a function, in seconds: the gateway times out after 29.
const LONGEST_TIMEOUT_SECONDS: u32 = 28;

/// The settings of one function that override or extend the common ones.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all(deserialize = "kebab-case", serialize = "camelCase"), deny_unknown_fields)]
pub(super) struct FunctionSettings {
    /// The memory size in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memory_size: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timeout_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reserved_concurrency: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) provisioned_concurrency: Option<u32>,
    /// Additional environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) environment: BTreeMap<String, String>,
    /// Additional permissions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) rights: Vec<Permission>,
}

/// A statement of the policy of the function's role.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Permission {
    pub(super) sid: String,
    pub(super) actions: Vec<String>,
    /// ARNs, which may contain pseudo parameters such as `${AWS::Partition}`.
    pub(super) resources: Vec<String>,
}

/// The relevant parts of a manifest.
#[derive(Deserialize)]
struct Manifest {
    package: Package,
}

#[derive(Deserialize)]
struct Package {
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    function: Option<FunctionSettings>,
}

impl FunctionSettings {
    /// The settings in the manifest of `operation`, in the checkout at `root`.
    ///
    /// # Errors
    /// If the manifest cannot be read, or declares an invalid setting.
    pub(super) fn of(operation: &Operation, root: &Path) -> Result<Self> {
        let path = root.join("functions").join(operation.name).join("Cargo.toml");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    fn parse(manifest: &str) -> Result<Self> {
        let manifest: Manifest = toml::from_str(manifest)?;
        let own = manifest.package.metadata.and_then(|metadata| metadata.function).unwrap_or_default();
        let within = |name: &str, value: Option<u32>, range: RangeInclusive<u32>| {
            let is_within = value.is_none_or(|value| range.contains(&value));
            ensure!(is_within, "{name} is {}, not {range:?}", value.unwrap_or_default());
            Ok(())
        };
        within("memory-size", own.memory_size, 128..=10_240)?;
        within("timeout-seconds", own.timeout_seconds, 1..=LONGEST_TIMEOUT_SECONDS)?;
        within("reserved-concurrency", own.reserved_concurrency, 1..=u32::MAX)?;
        let most = own.reserved_concurrency.unwrap_or(u32::MAX);
        within("provisioned-concurrency", own.provisioned_concurrency, 1..=most)?;
        for Permission { sid, actions, resources } in &own.rights {
            ensure!(
                sid.chars().all(|c| c.is_ascii_alphanumeric()),
                "sid {sid:?} must consist of letters and digits"
            );
            ensure!(!actions.is_empty() && !resources.is_empty(), "{sid} has no actions or no resources");
        }
        Ok(own)
    }

    /// As JSON, with the names that the CDK app uses.
    pub(super) fn json(&self) -> Result<Value> {
        Ok(serde_json::to_value(self)?)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest(function: &str) -> String {
        format!("[package]\nname = \"get-product\"\n\n[package.metadata.function]\n{function}\n")
    }

    #[test]
    fn reads_what_a_manifest_declares() {
        let text = "memory-size = 512\nenvironment = { GREETING = \"hello\" }
[[package.metadata.function.rights]]
sid = \"ReadPictures\"
actions = [\"s3:GetObject\"]
resources = [\"arn:${AWS::Partition}:s3:::pictures/*\"]";
        let right = json!({
            "sid": "ReadPictures", "actions": ["s3:GetObject"], "resources": ["arn:${AWS::Partition}:s3:::pictures/*"],
        });
        let own = FunctionSettings::parse(&manifest(text)).unwrap().json().unwrap();
        assert_eq!(own, json!({"memorySize": 512, "environment": {"GREETING": "hello"}, "rights": [right]}));
        assert_eq!(FunctionSettings::parse("[package]\nname = \"x\"").unwrap().json().unwrap(), json!({}));
    }

    #[test]
    fn refuses_what_no_function_can_have() {
        for (text, reason) in [
            ("memory = 512", "unknown field `memory`"),
            ("memory-size = 64", "memory-size is 64, not 128..=10240"),
            ("timeout-seconds = 29", "timeout-seconds is 29, not 1..=28"),
            (
                "reserved-concurrency = 2\nprovisioned-concurrency = 3",
                "provisioned-concurrency is 3, not 1..=2",
            ),
            (
                "rights = [{ sid = \"Nothing\", actions = [], resources = [\"*\"] }]",
                "Nothing has no actions or no resources",
            ),
        ] {
            let error = format!("{:?}", FunctionSettings::parse(&manifest(text)).unwrap_err());
            assert!(error.contains(reason), "{error}");
        }
    }
}
