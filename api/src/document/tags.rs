//! The tags of the document: the resources at the start of the paths.

use serde_json::{Value, json};

use super::Gap;

/// The tags with their descriptions, in the order of the documentation.
const TAGS: &[(&str, &str)] = &[
    ("products", "The artisans' products."),
    ("artisans", "The makers of the products."),
    ("changes", "What has changed, for those who keep a copy."),
    (SERVICE, "The API itself."),
];

/// The tag of paths that belong to no resource.
const SERVICE: &str = "service";

/// The tag of a path: `products` for `/v1/products/{id}`.
pub(super) fn of(path: &str) -> &str {
    let mut segments = path.split('/').skip(1);
    let version = segments.next().and_then(|segment| segment.strip_prefix('v')).unwrap_or_default();
    let is_version = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
    segments.next().filter(|_| is_version).unwrap_or(SERVICE)
}

/// The tags of a document with these paths, each with its description.
pub(super) fn described(paths: &Value) -> Result<Value, Gap> {
    let operations = paths.as_object().into_iter().flatten().flat_map(|(_, item)| item.as_object()).flatten();
    let used = operations.flat_map(|(_, operation)| operation["tags"].as_array()).flatten();
    for tag in used.filter_map(Value::as_str) {
        if !TAGS.iter().any(|(name, _)| *name == tag) {
            return Err(Gap(format!("the tag {tag} is not described in api/src/document/tags.rs")));
        }
    }
    Ok(TAGS.iter().map(|(name, description)| json!({"name": name, "description": description})).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_the_resource_of_a_path() {
        for (path, tag) in [
            ("/v1/products", "products"),
            ("/v2/artisans/{id}/products", "artisans"),
            ("/health", "service"),
            ("/v1", "service"),
            ("/vat/rates", "service"),
        ] {
            assert_eq!(of(path), tag, "{path}");
        }
    }

    #[test]
    fn a_tag_without_a_description_is_named() {
        let paths = |tag: &str| json!({"/v1/a": {"get": {"tags": [tag]}}});
        assert!(described(&paths("products")).is_ok());
        let gap = described(&paths("workshops")).unwrap_err().to_string();
        assert_eq!(gap, "the tag workshops is not described in api/src/document/tags.rs");
    }
}
