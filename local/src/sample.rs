//! A small sample catalogue, created through the API itself.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The request bodies of artisans and products. A product's `artisan` is an index into the artisans.
const CATALOGUE: &str = include_str!("../sample/catalogue.json");

#[derive(Deserialize)]
struct Catalogue {
    artisans: Vec<Value>,
    products: Vec<Map<String, Value>>,
}

/// Creates the sample through the API at `url`, which must not require authentication. Returns the number of products.
///
/// # Errors
/// When the API does not accept an artisan or a product.
pub async fn load(url: &str) -> Result<usize> {
    let Catalogue { artisans, products } =
        serde_json::from_str(CATALOGUE).context("the sample is not valid")?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let mut ids = Vec::new();
    for artisan in artisans {
        ids.push(create(&client, &format!("{url}/v1/artisans"), &artisan).await?["id"].take());
    }
    let count = products.len();
    for mut product in products {
        if let Some(index) = product.remove("artisan") {
            let id = index.as_u64().and_then(|index| ids.get(usize::try_from(index).ok()?));
            product.insert(
                "artisan_id".to_owned(),
                id.context("the sample refers to an artisan that it does not contain")?.clone(),
            );
        }
        create(&client, &format!("{url}/v1/products"), &Value::Object(product)).await?;
    }
    Ok(count)
}

async fn create(client: &Client<HttpConnector, Full<Bytes>>, url: &str, body: &Value) -> Result<Value> {
    let request = Request::post(url).header(header::CONTENT_TYPE, "application/json");
    let response = client.request(request.body(Full::new(Bytes::from(body.to_string())))?).await?;
    let status = response.status();
    let answer = response.into_body().collect().await?.to_bytes();
    ensure!(
        status == StatusCode::CREATED,
        "{body} was answered {status}: {}",
        String::from_utf8_lossy(&answer)
    );
    Ok(serde_json::from_slice(&answer)?)
}
