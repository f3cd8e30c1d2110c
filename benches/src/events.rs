//! The events for the subjects: the samples in `events/`. For writes that would otherwise change nothing, each event
//! has a different value or id.

use std::fs;

use anyhow::{Context, Result};

use crate::database::IDS;

/// The events for a process, and the expected responses.
pub struct Requests {
    /// The events, which are sent in a cycle.
    pub events: Vec<Vec<u8>>,
    /// The expected status of each response.
    pub status: u16,
    /// Statements that run before the process starts.
    pub preparation: Option<String>,
}

/// The number of different writes.
const VARIANTS: u32 = 1_000;

impl Requests {
    /// The events of `operation` for the process in round `round`.
    ///
    /// # Errors
    /// When there is no sample.
    pub fn of(operation: &str, round: usize) -> Result<Self> {
        let file = tools::checkout().join("events").join(format!("{operation}.json"));
        let sample = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        // API Gateway sends no white space.
        let sample = serde_json::from_str::<serde_json::Value>(&sample)?.to_string();
        // Other subjects read the second product and artisan, which must stay unchanged.
        let other = sample.replace(&format!("{IDS}000000000002"), &format!("{IDS}000000000003"));
        let (events, preparation) = match operation {
            // A write without a change is not executed, so each event has another value.
            "patch-product" => (each(|number| other.replace("7000}", &format!("{number}}}"))), None),
            "replace-product" => (each(|number| other.replace("13200}", &format!("{number}}}"))), None),
            "patch-artisan" => (each(|number| other.replace("陶芸家", &format!("陶芸家 {number}"))), None),
            "delete-product" | "delete-artisan" => {
                // Different ids in each round, since a resource can be deleted only once.
                let ids = IDS.replace("-8000-", "-8001-");
                let id = |number| format!("{ids}{round:06}{number:06}");
                let events = each(|number| sample.replace(&format!("{IDS}000000000002"), &id(number)));
                (events, Some(deleted(operation, &format!("{ids}{round:06}"))))
            }
            _ => (vec![sample.clone().into_bytes()], None),
        };
        let status = match operation.split_once('-').map(|(verb, _)| verb) {
            Some("create") => 201,
            Some("delete") => 204,
            _ => 200,
        };
        Ok(Self { events, status, preparation })
    }

    /// The event of the request `number`.
    pub fn event(&self, number: usize) -> &[u8] {
        &self.events[number % self.events.len()]
    }
}

fn each(event: impl Fn(u32) -> String) -> Vec<Vec<u8>> {
    (1..=VARIANTS).map(|number| event(number).into_bytes()).collect()
}

/// The statement that inserts the rows that `operation` deletes, with ids that begin with `ids`.
fn deleted(operation: &str, ids: &str) -> String {
    let id = format!("('{ids}' || lpad(n::text, 6, '0'))::uuid");
    let rows = format!("from generate_series(1, {VARIANTS}) n");
    if operation == "delete-product" {
        format!(
            "insert into products (id, name, search_key, price, currency, created_at, updated_at)
            select {id}, '萩焼', '萩焼', 1, 'JPY', now(), now() {rows}"
        )
    } else {
        format!(
            "insert into artisans (id, given_name, given_key, family_name, family_key, created_at, updated_at)
            select {id}, '花', '花', '林', '林', now(), now() {rows}"
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_operation_has_events_that_are_json_and_writes_differ() {
        for operation in api::OPERATIONS {
            let requests = Requests::of(operation.name, 7).unwrap();
            let different: BTreeSet<_> = requests.events.iter().collect();
            assert_eq!(different.len(), requests.events.len(), "{}", operation.name);
            let is_write =
                ["patch-", "replace-", "delete-"].iter().any(|verb| operation.name.starts_with(verb));
            assert_eq!(different.len() > 1, is_write, "{}", operation.name);
            for event in different {
                let event: serde_json::Value = serde_json::from_slice(event).unwrap();
                if let Some(body) = event["body"].as_str() {
                    serde_json::from_str::<serde_json::Value>(body).unwrap();
                }
            }
        }
    }

    #[test]
    fn rounds_delete_different_resources() {
        let [one, other] = [1, 2].map(|round| Requests::of("delete-product", round).unwrap());
        assert_ne!(one.event(0), other.event(0));
        assert_ne!(one.preparation, other.preparation);
    }
}
