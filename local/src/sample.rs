//! A small catalogue to begin with, created through the API itself.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::Value;

/// Products as they are sent to `POST /v1/products`.
const PRODUCTS: &str = include_str!("../sample/products.json");

/// Creates the sample's products in the API at `url` and returns how many there are.
///
/// # Errors
/// When a product is not accepted.
pub async fn load(url: &str) -> Result<usize> {
    let products: Vec<Value> = serde_json::from_str(PRODUCTS).context("the sample is not valid")?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    for product in &products {
        let request = Request::post(format!("{url}/v1/products"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(product.to_string())))?;
        let response = client.request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        ensure!(
            status == StatusCode::CREATED,
            "{product} was answered {status}: {}",
            String::from_utf8_lossy(&body)
        );
    }
    Ok(products.len())
}
