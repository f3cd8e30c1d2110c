//! Checks the responses of a subject.

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::Value;

/// The expected responses of a subject.
pub struct Answers {
    /// The expected status; `None` for a subject whose response does not matter.
    status: Option<u16>,
    /// The members that the body must have, if that matters.
    expected: Option<Value>,
    /// The last correct response: most responses are the same, and need not be parsed again.
    last: Vec<u8>,
}

/// A response to API Gateway.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

impl Answer {
    fn json(&self) -> Result<Value> {
        let body = self.body.as_deref().unwrap_or_default();
        Ok(if self.is_base64_encoded {
            serde_json::from_slice(&STANDARD.decode(body)?)?
        } else {
            serde_json::from_str(body)?
        })
    }
}

impl Answers {
    /// Expects responses with `status` and, if given, the body `expected`.
    pub fn new(status: Option<u16>, expected: Option<Value>) -> Self {
        Self { status, expected, last: Vec::new() }
    }

    /// Checks a response of the Runtime API.
    ///
    /// # Errors
    /// When the response is not as expected.
    pub fn check(&mut self, response: &[u8]) -> Result<()> {
        if !self.last.is_empty() && response == self.last {
            return Ok(());
        }
        let told = || format!("the answer is {}", String::from_utf8_lossy(response));
        if let Some(status) = self.status {
            let answer: Answer = serde_json::from_slice(response).with_context(told)?;
            ensure!(answer.status_code == status, "the status has to be {status}: {}", told());
            if let Some(expected) = &self.expected {
                let body = answer.json().with_context(told)?;
                ensure!(body == *expected, "the body has to be {expected}: {}", told());
            }
        }
        self.last.clear();
        self.last.extend_from_slice(response);
        Ok(())
    }

    /// The body of the last response, if it was JSON.
    pub fn product(&self) -> Option<Value> {
        serde_json::from_slice::<Answer>(&self.last).ok()?.json().ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_has_the_status_and_the_members_that_are_expected_in_any_order() {
        let mut answers = Answers::new(Some(200), Some(json!({"id": 1, "name": "x"})));
        let right = br#"{"statusCode":200,"headers":{},"body":"{\"name\": \"x\", \"id\": 1}"}"#;
        answers.check(right).unwrap();
        answers.check(right).unwrap();
        assert_eq!(answers.product(), Some(json!({"id": 1, "name": "x"})));
        let body = STANDARD.encode(r#"{"id":1,"name":"x"}"#);
        let encoded = json!({"statusCode": 200, "body": body, "isBase64Encoded": true}).to_string();
        answers.check(encoded.as_bytes()).unwrap();

        for wrong in [
            json!({"statusCode": 404, "body": "{\"id\":1,\"name\":\"x\"}"}),
            json!({"statusCode": 200, "body": "{\"id\":1}"}),
            json!({"statusCode": 200, "body": "oops"}),
            json!({"errorMessage": "oops"}),
        ] {
            answers.check(wrong.to_string().as_bytes()).unwrap_err();
        }
    }

    #[test]
    fn a_subject_that_only_greets_may_answer_anything() {
        Answers::new(None, None).check(b"\"hello\"").unwrap();
    }
}
