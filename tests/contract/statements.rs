//! What every operation says to PostgreSQL, read from the server's own log: unnamed statements, no session state, and
//! one round trip for an operation on one row. RDS Proxy can share such connections.

use harness::{Setup, artisan_path, atelier_with, product_path};
use http::Method;
use serde_json::json;

#[test]
fn no_operation_leaves_a_named_statement_or_session_state() {
    let settings =
        [("log_statement", "all"), ("log_min_duration_statement", "0"), ("log_line_prefix", "<%a> ")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    atelier_with(Setup { own_server: Some(settings), ..Setup::default() }, async |atelier| {
        let log = atelier.server().lock().await.log_path().to_owned();
        let client = atelier.client();
        let artisan = atelier.create_artisan(json!({"given_name": "Hanako", "family_name": "Sato"})).await;
        let product =
            atelier.create_product(json!({"name": "Cup", "price": 0, "artisan_id": artisan["id"]})).await;
        let (artisan, product) = (artisan_path(&artisan), product_path(&product));
        let products = format!("{artisan}/products");
        let (artisan_history, product_history) = (format!("{artisan}/history"), format!("{product}/history"));
        let patch = json!({"price": 1}).to_string();
        let put = json!({"name": "Cup", "price": 2}).to_string();
        let name = json!({"given_name": "Aoi"}).to_string();
        let json = [("content-type", "application/json"), ("idempotency-key", "k")];
        let new_product = json!({"name": "Dish", "price": 0}).to_string();
        let new_artisan = json!({"given_name": "Taro", "family_name": "Abe"}).to_string();
        let mut named = Vec::new();
        for (operation, method, path, body, status) in [
            ("list-products", Method::GET, "/v1/products", "", 200),
            ("search-products", Method::GET, "/v1/products/search?q=cup", "", 200),
            ("create-product", Method::POST, "/v1/products", new_product.as_str(), 201),
            ("get-product", Method::GET, product.as_str(), "", 200),
            ("patch-product", Method::PATCH, product.as_str(), patch.as_str(), 200),
            ("replace-product", Method::PUT, product.as_str(), put.as_str(), 200),
            ("list-product-history", Method::GET, product_history.as_str(), "", 200),
            ("delete-product", Method::DELETE, product.as_str(), "", 204),
            ("list-artisans", Method::GET, "/v1/artisans", "", 200),
            ("search-artisans", Method::GET, "/v1/artisans/search?q=sato", "", 200),
            ("create-artisan", Method::POST, "/v1/artisans", new_artisan.as_str(), 422),
            ("get-artisan", Method::GET, artisan.as_str(), "", 200),
            ("list-artisan-products", Method::GET, products.as_str(), "", 200),
            ("list-artisan-history", Method::GET, artisan_history.as_str(), "", 200),
            ("patch-artisan", Method::PATCH, artisan.as_str(), name.as_str(), 200),
            ("delete-artisan", Method::DELETE, artisan.as_str(), "", 204),
            ("get-health", Method::GET, "/health", "", 200),
        ] {
            let start = std::fs::metadata(&log).expect("the log").len();
            client.send(method, path, &json, body.to_owned()).await.expect(status);
            let text = std::fs::read_to_string(&log).expect("the log");
            let new = &text[usize::try_from(start).expect("a small log")..];
            let of_operation = format!("<{operation}> ");
            let lines: Vec<_> = new.lines().filter(|line| line.starts_with(&of_operation)).collect();
            let parses = lines.iter().filter(|line| line.contains(" parse ")).count();
            // An artisan without products is looked up, to tell an empty list from 404.
            let most = if operation == "list-artisan-products" { 2 } else { 1 };
            assert!((1..=most).contains(&parses), "{operation} takes {parses} round trips:\n{new}");
            for line in &lines {
                if line.contains("  parse ") && !line.contains("  parse <unnamed>") {
                    named.push(format!("{operation}: {line}"));
                }
                let statement = line.to_lowercase();
                for session_state in
                    [" set ", "prepare ", "deallocate", "discard", "listen ", "declare ", "begin"]
                {
                    let is_update = session_state == " set " && !statement.contains("statement: set ");
                    assert!(
                        !statement.contains("statement:") || is_update || !statement.contains(session_state),
                        "{operation}: {line}"
                    );
                }
            }
        }
        assert!(named.is_empty(), "named statements: {named:#?}");
    });
}
