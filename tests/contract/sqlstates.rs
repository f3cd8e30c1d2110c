//! The responses to database errors: every SQLSTATE in the service's table, raised by PostgreSQL in a read and in
//! writes.

use harness::{Response, Service, product_path, service};
use http::Method;
use serde_json::{Value, json};
use shared::{
    db::{Attempt, RULES, Rule, Verdict},
    http::CarriedOut,
};
use tokio_postgres::Client as Connection;

/// Makes PostgreSQL raise `fault.code` in the first `fault.times` statements on products. A sequence counts them, since
/// a rollback does not reset it.
const RAISE: &str = "
    create table fault (code text not null, times bigint not null);
    create sequence attempts;
    create function raise_fault() returns boolean language plpgsql volatile security definer as $$
    declare
      fault fault;
    begin
      select * into fault from fault;
      if fault.code is not null and nextval('attempts') <= fault.times then
        raise exception 'a fault' using errcode = fault.code;
      end if;
      return true;
    end $$;
    alter table products enable row level security;
    create policy faults on products using (raise_fault()) with check (raise_fault());";

/// Makes the next statements fail with `code`.
async fn fail(database: &Connection, code: &str, times: i64) {
    let sql = format!(
        "delete from fault; insert into fault values ('{code}', {times}); alter sequence attempts restart"
    );
    database.batch_execute(&sql).await.expect("a fault");
}

/// The number of attempts since then.
async fn attempts(database: &Connection) -> i64 {
    let sql = "select case when is_called then last_value else 0 end from attempts";
    database.query_one(sql, &[]).await.expect("a count").get(0)
}

/// A request, and the properties that determine its response.
struct Case {
    method: Method,
    headers: Vec<(&'static str, String)>,
    /// Whether the service may repeat its statement.
    is_repeatable: bool,
    /// Whether a client may repeat it.
    is_safe: bool,
}

impl Case {
    fn all(tag: &str) -> Vec<Self> {
        let case = |method: &Method, headers: &[(&'static str, &str)], is_repeatable, is_safe| Self {
            method: method.clone(),
            headers: headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
            is_repeatable,
            is_safe,
        };
        vec![
            case(&Method::GET, &[], true, true),
            case(&Method::POST, &[], true, false),
            case(&Method::POST, &[("idempotency-key", "cup")], true, true),
            case(&Method::PATCH, &[], false, false),
            case(&Method::PATCH, &[("if-match", tag)], true, true),
            case(&Method::DELETE, &[], true, true),
        ]
    }

    async fn send(&self, service: &Service, path: &str) -> Response {
        let body = match self.method {
            Method::POST => r#"{"name": "Dish", "price": 1}"#,
            Method::PATCH => r#"{"price": 2}"#,
            _ => "",
        };
        let path = if self.method == Method::POST { "/v1/products" } else { path };
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(self.headers.iter().map(|(name, value)| (*name, value.as_str())));
        service.client().send(self.method.clone(), path, &headers, body).await
    }

    /// The expected status, `Retry-After`, `carried_out` and number of attempts for a `verdict`.
    fn expected(&self, verdict: Verdict) -> (u16, &'static str, &'static str, i64) {
        let is_unknown = self.method != Method::GET && verdict.carried_out() == CarriedOut::Unknown;
        let may_repeat = verdict.is_passing() && (self.is_safe || !is_unknown);
        let attempts = match verdict.attempt() {
            Attempt::NotMade => 3,
            Attempt::Unknown if self.is_repeatable => 3,
            Attempt::Unknown | Attempt::Final => 1,
        };
        let status = if verdict.is_passing() { 503 } else { 500 };
        (status, if may_repeat { "5" } else { "" }, if is_unknown { "unknown" } else { "no" }, attempts)
    }
}

#[test]
fn every_class_of_error_has_the_answer_of_the_table() {
    service(async |service| {
        let created = service.client().post("/v1/products", &json!({"name": "Cup", "price": 1})).await;
        let (path, tag) = (created.header("location").to_owned(), created.header("etag").to_owned());
        let database = service.database().await;
        database.batch_execute(RAISE).await.expect("a policy");
        let cases = Case::all(&tag);
        // PostgreSQL's most frequent errors in an outage, in addition to every line of the table.
        let further =
            ["57P01", "57P02", "40001", "40P01", "53100", "53200", "53300", "23503", "42501", "28P01"];
        let lines = RULES.iter().map(|Rule { sqlstate, .. }| format!("{sqlstate:0<5}"));
        let mut told = 0;
        for code in lines.chain(further.map(ToOwned::to_owned)) {
            let verdict = shared::db::verdict(&code);
            for case in &cases {
                fail(&database, &code, i64::MAX).await;
                let response = case.send(service, &path).await;
                let (status, retry_after) =
                    (response.status.as_u16(), response.header("retry-after").to_owned());
                let problem = response.problem(status);
                let seen = (
                    status,
                    retry_after.as_str(),
                    problem["carried_out"].as_str().expect("text"),
                    attempts(&database).await,
                );
                let expected = case.expected(verdict);
                assert_eq!(seen, expected, "{code} {verdict:?}: {} {:?}", case.method, case.headers);
                assert!(!problem.to_string().contains("a fault"), "{problem}");
                told += 1;
            }
        }
        eprintln!("{told} answers to {} lines and {} further codes", RULES.len(), further.len());
        database.batch_execute("delete from fault").await.expect("no fault");
        assert_eq!(service.count_products().await, 1, "what was not carried out left nothing");
        assert_eq!(service.client().get(&path).await.expect(200).json()["price"], 1);
    });
}

#[test]
fn what_was_rolled_back_or_not_begun_is_sent_again_and_succeeds() {
    service(async |service| {
        let database = service.database().await;
        database.batch_execute(RAISE).await.expect("a policy");
        for code in ["40001", "40P01", "72000", "25006", "57P03", "57P05"] {
            let product = service.create_product(json!({"name": code, "price": 1})).await;
            let read = service.client().get(&product_path(&product)).await.expect(200);
            // The tag of the version that the first of them creates.
            for case in Case::all(&read.header("etag").replacen(".1.", ".2.", 1)) {
                fail(&database, code, 1).await;
                let response = case.send(service, &product_path(&product)).await;
                assert!(response.status.is_success(), "{code} {}: {}", case.method, response.body);
            }
        }
        let lines = service.log();
        let lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        assert!(lines.filter_map(|line| line["DbRetry"].as_i64()).sum::<i64>() >= 30, "they are counted");
    });
}
