//! The statements of every operation, read from the server's log: they are unnamed, leave no session state, and need
//! one round trip for an operation on one row. RDS Proxy can multiplex such connections.

use std::collections::BTreeSet;

use harness::{Setup, service_with};
use http::Method;

use crate::events::{self, SAMPLES, again};

/// Gives the artisan of the samples a product, and both a history.
const FULL: &str = "
    update products set artisan_id = '01936b5e-7c00-7000-8000-000000000002';
    insert into history (resource, resource_id, version, operation, request_id)
    select 'product', id, version, 'createProduct', 'r' from products
    union all
    select 'artisan', id, version, 'createArtisan', 'r' from artisans";

#[test]
fn no_operation_leaves_a_named_statement_or_session_state() {
    let settings =
        [("log_statement", "all"), ("log_min_duration_statement", "0"), ("log_line_prefix", "<%a> ")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    service_with(Setup { own_server: Some(settings), ..Setup::default() }, async |service| {
        let log = service.server().lock().await.log_path().to_owned();
        let (mut named, mut speaking) = (Vec::new(), BTreeSet::new());
        for sample in SAMPLES.iter() {
            let operation = sample.operation();
            again(service).await;
            if sample.method == Method::GET {
                service.database().await.batch_execute(FULL).await.expect("something to list");
            }
            let start = std::fs::metadata(&log).expect("the log").len();
            let answer = events::send(service.client(), sample, sample.method.clone(), &[]).await;
            let answer = answer.expect(sample.status);
            let text = std::fs::read_to_string(&log).expect("the log");
            let new = &text[usize::try_from(start).expect("a small log")..];
            let of_operation = format!("<{operation}> ");
            let lines: Vec<_> = new.lines().filter(|line| line.starts_with(&of_operation)).collect();
            let parses = lines.iter().filter(|line| line.contains(" parse ")).count();
            // For an empty list, a second statement checks whether the artisan exists, to distinguish it from a 404.
            let most = if answer.body.starts_with(r#"{"items":[]"#) { 2 } else { 1 };
            assert!(parses <= most, "{} takes {parses} round trips:\n{new}", sample.name);
            if parses > 0 {
                speaking.insert(operation);
            }
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
        assert!(speaking.len() >= 17, "{speaking:?}");
        assert!(named.is_empty(), "named statements: {named:#?}");
    });
}
