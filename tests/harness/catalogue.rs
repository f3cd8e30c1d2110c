//! Helpers for tests that work with a catalogue.

use serde_json::Value;

use crate::Service;

/// Drops every check constraint, for rows that the service would not write.
pub const DROP_CHECKS: &str = "
    do $$
    declare c record;
    begin
      for c in select conrelid::regclass as of, conname from pg_constraint where contype = 'c' and conrelid <> 0 loop
        execute format('alter table %s drop constraint %I', c.of, c.conname);
      end loop;
    end $$;";

/// Encodes `text` as a value in a query string.
pub fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

impl Service {
    /// Creates a product and returns it.
    ///
    /// # Panics
    /// When the status is not 201.
    #[track_caller]
    pub fn create_product(&self, body: Value) -> impl Future<Output = Value> {
        self.create("/v1/products", body)
    }

    /// Creates an artisan and returns the artisan.
    ///
    /// # Panics
    /// When the status is not 201.
    #[track_caller]
    pub fn create_artisan(&self, body: Value) -> impl Future<Output = Value> {
        self.create("/v1/artisans", body)
    }

    async fn create(&self, path: &str, body: Value) -> Value {
        self.client().post(path, &body).await.expect(201).json()
    }

    /// The names of all items of a list, in the order of [`walk`](Self::walk).
    ///
    /// # Panics
    /// As `walk`, and when an item has no name.
    pub async fn names(&self, first: &str) -> Vec<String> {
        let items = self.walk(first).await;
        items.iter().map(|item| item["name"].as_str().expect("a name").to_owned()).collect()
    }

    /// All items of a list, fetched page by page with its Link headers.
    ///
    /// # Panics
    /// When a page's status is not 200, or its Link and `next_cursor` disagree.
    pub async fn walk(&self, first: &str) -> Vec<Value> {
        let mut path = first.to_owned();
        let mut seen = Vec::new();
        loop {
            let response = self.client().get(&path).await.expect(200);
            let page = response.json();
            seen.extend(page["items"].as_array().expect("items").iter().cloned());
            let Some(cursor) = page["next_cursor"].as_str() else {
                assert_eq!(response.header("link"), "");
                return seen;
            };
            let link = response.header("link");
            let next = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
            path = next.unwrap_or_else(|| panic!("no next link in {link:?}")).to_owned();
            assert!(path.contains(&format!("cursor={cursor}")), "{path}");
        }
    }
}

/// The path of a product.
pub fn product_path(product: &Value) -> String {
    format!("/v1/products/{}", id(product))
}

/// The path of an artisan.
pub fn artisan_path(artisan: &Value) -> String {
    format!("/v1/artisans/{}", id(artisan))
}

/// The id of a resource.
///
/// # Panics
/// When the resource has no id.
pub fn id(resource: &Value) -> &str {
    resource["id"].as_str().unwrap_or_else(|| panic!("no id in {resource}"))
}

/// The values of a string member of each item.
///
/// # Panics
/// When an item has no such string.
pub fn texts(items: &[Value], member: &str) -> Vec<String> {
    let text =
        |item: &Value| item[member].as_str().unwrap_or_else(|| panic!("no {member} in {item}")).to_owned();
    items.iter().map(text).collect()
}
