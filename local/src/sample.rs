//! A small catalogue to begin with, created through the API itself.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    gateway::{
        Auth,
        iam::{self, Principal},
    },
    lambda::REGION,
};

/// Products as they are sent to `POST /v1/products`.
const PRODUCTS: &str = include_str!("../sample/products.json");
const PATH: &str = "/v1/products";

/// Creates the sample's products in the API at `url` and returns how many there are.
///
/// # Errors
/// When a product is not accepted, or nobody may create one.
pub async fn load(url: &str, auth: &Auth) -> Result<usize> {
    let products: Vec<Value> = serde_json::from_str(PRODUCTS).context("the sample is not valid")?;
    let creator = creator(auth)?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    for product in &products {
        let mut request = Request::post(format!("{url}{PATH}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Bytes::from(product.to_string()))?;
        if let Some(creator) = creator {
            iam::sign(&mut request, creator, REGION, Timestamp::now())?;
        }
        let response = client.request(request.map(Full::new)).await?;
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

/// Who signs the requests, if they must be signed.
fn creator(auth: &Auth) -> Result<Option<&Principal>> {
    match auth {
        Auth::None | Auth::Cognito(_) => Ok(None),
        Auth::Iam(iam) => {
            let mut principals = iam.principals().iter();
            let creator = principals.find(|principal| principal.may(Method::POST.as_str(), PATH));
            Ok(Some(creator.context("no principal may create the sample's products; use --empty")?))
        }
    }
}
