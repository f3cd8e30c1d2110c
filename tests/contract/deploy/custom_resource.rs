//! `migrate` as a custom resource of CloudFormation: it always responds to the given URL, whatever happens.

use std::time::Duration;

use harness::{Service, Setup, block_on, empty_database, service_with};
use local::{
    lambda::{Function, Functions, InvokeError},
    stack::programs,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
};

use super::{STAGES, evaluate::Stack, prod};

/// A PUT request as CloudFormation's bucket receives it.
struct Put {
    head: String,
    body: Value,
}

/// A fake bucket of CloudFormation, which refuses the first `refusals` responses. Returns its URL and what it receives.
async fn cloudformation(refusals: usize) -> (String, mpsc::UnboundedReceiver<Put>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!(
        "http://{}/arn%3Aaws%3Acloudformation?X-Amz-Signature=a%2Bb",
        listener.local_addr().expect("one")
    );
    let (sender, puts) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for number in 0.. {
            let Ok((mut client, _)) = listener.accept().await else { return };
            let mut request = Vec::new();
            while !request.ends_with(b"}") && client.read_buf(&mut request).await.is_ok_and(|read| read > 0) {
            }
            let status = if number < refusals { "503 Slow Down" } else { "200 OK" };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            client.write_all(answer.as_bytes()).await.expect("it is read");
            let request = String::from_utf8(request).expect("UTF-8");
            let (head, body) = request.split_once("\r\n\r\n").expect("a head");
            let body = serde_json::from_str(body).expect("JSON");
            if number >= refusals && sender.send(Put { head: head.to_ascii_lowercase(), body }).is_err() {
                return;
            }
        }
    });
    (url, puts)
}

fn event(kind: &str, url: &str) -> Value {
    json!({
        "RequestType": kind,
        "ResponseURL": url,
        "ServiceToken": "arn:aws:lambda:eu-central-1:000000000000:function:atelier-dev-migrate:live",
        "StackId": "arn:aws:cloudformation:eu-central-1:000000000000:stack/atelier-dev/1",
        "RequestId": "7d0a",
        "LogicalResourceId": "Migration",
        "ResourceType": "Custom::Migration",
        "ResourceProperties": {"Version": "1"},
    })
}

/// Runs the real binary once, as Lambda does.
async fn invoke(environment: &[(&str, &str)], seconds: u64, event: &Value) -> Result<Value, InvokeError> {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let function = Function {
        name: "migrate".to_owned(),
        program: programs().expect("programs").join("migrate"),
        arguments: Vec::new(),
        environment: environment.collect(),
        timeout: Duration::from_secs(seconds),
        memory_mb: 256,
        max_environments: 1,
    };
    let functions = Functions::new(vec![function], std::sync::Arc::new(|line| eprintln!("{}", line.text)));
    let answer = functions.invoke("migrate", event.to_string().into(), "", Duration::from_secs(30)).await;
    functions.shutdown().await;
    answer.map(|answer| serde_json::from_slice(&answer).expect("JSON"))
}

/// The one response that CloudFormation receives for an event.
async fn answer(environment: &[(&str, &str)], kind: &str) -> Put {
    let (url, mut puts) = cloudformation(0).await;
    invoke(environment, 30, &event(kind, &url))
        .await
        .expect("an invocation that CloudFormation does not repeat");
    puts.recv().await.expect("an answer")
}

#[test]
fn migrates_and_says_so() {
    empty_database(async |database| {
        let put = answer(&[("DATABASE_URL", database)], "Create").await;
        assert!(
            put.head.starts_with("put /arn%3aaws%3acloudformation?x-amz-signature=a%2bb http/1.1"),
            "{}",
            put.head
        );
        assert!(
            !put.head.contains("content-type"),
            "the URL's signature does not cover a content type: {}",
            put.head
        );
        let names = put.body["Data"]["Applied"].as_str().expect("names").to_owned();
        assert!(names.starts_with("V1__catalogue, "), "{names}");
        let expected = json!({
            "Status": "SUCCESS",
            "Reason": "",
            "PhysicalResourceId": "atelier-schema",
            "StackId": "arn:aws:cloudformation:eu-central-1:000000000000:stack/atelier-dev/1",
            "RequestId": "7d0a",
            "LogicalResourceId": "Migration",
            "Data": {"Applied": names},
        });
        assert_eq!(put.body, expected);

        let again = answer(&[("DATABASE_URL", database)], "Update").await;
        assert_eq!((&again.body["Status"], &again.body["Data"]["Applied"]), (&json!("SUCCESS"), &json!("")));
        assert_eq!(again.body["PhysicalResourceId"], "atelier-schema", "another id would delete the first");
    });
}

#[test]
fn deletes_nothing_and_needs_no_database_for_it() {
    block_on(async {
        let put = answer(&[], "Delete").await;
        assert_eq!(put.body["Status"], "SUCCESS");
    });
}

#[test]
fn a_failure_has_a_reason_without_secrets() {
    block_on(async {
        for (variables, reason) in [
            (&[][..], "none of DATABASE_URL, DB_SECRET_ARN and DB_AUTH=iam is set"),
            (&[("DATABASE_URL", "mysql//u:sesame@h")], "DATABASE_URL is not a PostgreSQL connection URL"),
            (&[("DB_SECRET_ARN", "owner")], "AWS_REGION"),
        ] {
            let variables = [variables, &[("AWS_REGION", "")]].concat();
            let put = answer(&variables, "Create").await;
            let said = put.body["Reason"].as_str().expect("a reason");
            assert!(put.body["Status"] == "FAILED" && said.contains(reason), "{}", put.body);
            assert!(!put.body.to_string().contains("sesame"));
        }
        let put = answer(&[], "Rename").await;
        assert_eq!(
            (&put.body["Status"], &put.body["Reason"]),
            (&json!("FAILED"), &json!("RequestType is \"Rename\""))
        );
    });
}

#[test]
fn a_refused_statement_fails_the_deployment() {
    empty_database(async |database| {
        let (client, connection) =
            tokio_postgres::connect(database, tokio_postgres::NoTls).await.expect("one");
        tokio::spawn(connection);
        client.batch_execute("create table products (id int)").await.expect("a table in the way");
        let put = answer(&[("DATABASE_URL", database)], "Create").await;
        let reason = put.body["Reason"].as_str().expect("a reason");
        assert_eq!(put.body["Status"], "FAILED");
        assert!(reason.contains("V1__catalogue failed, and it changed nothing"), "{reason}");
        assert!(reason.contains("already exists"), "{reason}");
    });
}

#[test]
fn answers_before_its_own_time_out() {
    empty_database(async |database| {
        let (client, connection) =
            tokio_postgres::connect(database, tokio_postgres::NoTls).await.expect("one");
        tokio::spawn(connection);
        client.batch_execute("begin; select pg_advisory_xact_lock(27431051700299122)").await.expect("a lock");
        let (url, mut puts) = cloudformation(0).await;
        invoke(&[("DATABASE_URL", database)], 6, &event("Update", &url)).await.expect("an answer in time");
        let put = puts.recv().await.expect("an answer");
        assert_eq!(put.body["Status"], "FAILED");
        let reason = put.body["Reason"].as_str().expect("a reason");
        assert!(reason.starts_with("the migration did not end within 2 s"), "{reason}");
    });
}

#[test]
fn tries_again_when_the_answer_is_refused() {
    block_on(async {
        let (url, mut puts) = cloudformation(2).await;
        invoke(&[], 30, &event("Delete", &url)).await.expect("an invocation");
        assert_eq!(puts.recv().await.expect("an answer").body["Status"], "SUCCESS");

        let (url, _puts) = cloudformation(3).await;
        let failure = invoke(&[], 30, &event("Delete", &url)).await.expect_err("Lambda is to try again");
        assert!(format!("{failure:?}").contains("the response has the status 503"), "{failure:?}");
    });
}

#[test]
fn an_operator_may_call_it() {
    empty_database(async |database| {
        let environment = [("DATABASE_URL", database)];
        let answer = invoke(&environment, 30, &json!({})).await.expect("an answer");
        assert_eq!(answer["applied"][0], "V1__catalogue");
        assert_eq!(invoke(&environment, 30, &json!({})).await.expect("an answer"), json!({"applied": []}));
    });
}

/// Without writes, nothing else would remove them.
#[test]
fn the_schedule_forgets_expired_keys() {
    let rule = &prod()["Resources"]["Forget"]["Properties"];
    // The schedule must not wake a sleeping database every hour.
    for (stage, rate) in [("dev", "rate(12 hours)"), ("prod", "rate(1 hour)")] {
        let rule = Stack::from(&STAGES[stage]).properties("Forget").expect("a rule");
        assert_eq!(rule["ScheduleExpression"], rate, "{stage}");
    }
    assert_eq!(rule["Targets"][0]["Arn"], json!({"Ref": "MigrateAliaslive"}));
    let permission = &prod()["Resources"]["ForgetPermission"]["Properties"];
    assert_eq!(permission["SourceArn"], json!({"Fn::GetAtt": ["Forget", "Arn"]}));
    let event: Value =
        serde_json::from_str(rule["Targets"][0]["Input"].as_str().expect("text")).expect("JSON");
    empty_database(async |database| {
        let environment = [("DATABASE_URL", database)];
        let forgotten = json!({"forgotten": 0});
        assert_eq!(invoke(&environment, 30, &event).await.expect("an answer"), forgotten, "no table yet");
        migrate::migrate(database).await.expect("a migration");
        let (client, connection) =
            tokio_postgres::connect(database, tokio_postgres::NoTls).await.expect("one");
        tokio::spawn(connection);
        let fill = "insert into idempotency_keys (caller, key, fingerprint, answer, expires_at)
            select '', n::text, '', '', now() + n * interval '1 minute' from generate_series(-2, 2) n where n <> 0";
        client.batch_execute(fill).await.expect("keys");
        let answer = invoke(&environment, 30, &event).await.expect("an answer");
        assert_eq!(answer, json!({"forgotten": 2}));
        let left = client.query("select key from idempotency_keys order by key", &[]).await.expect("keys");
        assert_eq!(left.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>(), ["1", "2"]);
        let error = invoke(&environment, 30, &json!({"action": "forgive"}))
            .await
            .expect_err("not one of its actions");
        assert!(format!("{error:?}").contains("forget"), "{error:?}");
    });
}

/// Aurora has a role `rds_iam`, whose members log in with tokens.
#[test]
fn on_rds_functions_may_log_in_with_tokens() {
    let setup = Setup { own_server: Some(Vec::new()), ..Setup::default() };
    service_with(setup, async |service: &Service| {
        let database = service.database().await;
        let question = "select rolname, rolcanlogin, rolconfig, pg_has_role(rolname, 'rds_iam', 'member')
            from pg_roles where rolname in ('catalog_reader', 'catalog_writer') order by 1";
        database.batch_execute("create role rds_iam").await.expect("a role");
        let url = service.server().lock().await.url(service.database_name());
        for _ in 0..2 {
            let environment = [("DATABASE_URL", url.as_str()), ("STATEMENT_TIMEOUT_SECONDS", "7")];
            invoke(&environment, 30, &json!({})).await.expect("an answer");
            let rows = database.query(question, &[]).await.expect("two roles");
            assert_eq!(rows.len(), 2);
            for row in rows {
                assert!(row.get::<_, bool>(1) && row.get::<_, bool>(3), "{row:?}");
                assert_eq!(row.get::<_, Vec<String>>(2), ["statement_timeout=7s"]);
            }
        }
    });
}
