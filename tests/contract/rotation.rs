//! Rotation of the database's passwords while clients are served: no request fails, and every write happens once.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use harness::{
    Authority, Logins, SecretsManager, Service, Setup, Traffic, block_on, provided_by_test, service_with,
};
use serde_json::json;
use shared::Role;
use tokio::{process::Command, time::timeout};
use uuid::Uuid;

/// The secrets, each with the group role of its login.
const SECRETS: [(&str, &str); 2] = [("reader", "catalog_reader"), ("writer", "catalog_writer")];

/// The prefix of all login names.
const LOGINS: &str = "rotated_";

/// Pairs of functions: the processes of the first are ended, so that new ones start without a secret; the sessions of
/// the second are terminated, whose processes still have the last secret. Each pair has a reader and a writer.
const ROUNDS: [[&str; 2]; 2] = [["get-product", "patch-product"], ["create-product", "list-products"]];

/// Allows one group of clients at a time: the timeouts are those of production, and two groups would overload a machine
/// with two cores.
static ONE_CROWD: Mutex<()> = Mutex::new(());

fn by_secret(role: Role, _: &str) -> Vec<(String, String)> {
    let name = if role == Role::Reader { SECRETS[0].0 } else { SECRETS[1].0 };
    vec![("DB_SECRET_ARN".to_owned(), name.to_owned())]
}

fn setup(mut environment: Vec<(String, String)>, authority: &Authority) -> Setup {
    environment.push(authority.trust());
    Setup {
        environment,
        own_server: Some(vec![("log_connections".to_owned(), "on".to_owned())]),
        database_access: Some(Box::new(by_secret)),
        ..Setup::default()
    }
}

/// The secret for the test's database, in RDS's JSON form.
async fn secret(service: &Service, user: &str, password: &str) -> String {
    let port = service.server().lock().await.port();
    let database = service.database().await;
    let name: String =
        database.query_one("select current_database()::text", &[]).await.expect("a name").get(0);
    json!({"engine": "postgres", "host": "localhost", "port": port, "dbname": name, "username": user, "password": password})
        .to_string()
}

async fn run(service: &Service, sql: &str) {
    service.database().await.batch_execute(sql).await.expect("a superuser's statement");
}

/// A rotated secret: its login and its current version.
struct Rotated {
    name: &'static str,
    user: String,
    version: String,
}

/// Which of the two steps of a rotation comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// The password, as in AWS's rotation functions: until the labels move, only the pending version is valid.
    PasswordFirst,
    /// The labels: until the password is set, only the previous version is valid.
    LabelsFirst,
}

struct Rotation<'a> {
    service: &'a Service,
    secrets: &'a SecretsManager,
    traffic: Traffic,
    rotated: Vec<Rotated>,
}

impl<'a> Rotation<'a> {
    /// Creates the logins and their secrets, and starts clients.
    async fn start(service: &'a Service, secrets: &'a SecretsManager) -> Self {
        let mut rotated = Vec::new();
        for (name, group) in SECRETS {
            let (user, password) = (format!("rotated_{name}"), Uuid::now_v7().to_string());
            run(service, &format!("create role {user} login password '{password}' in role {group}")).await;
            let version = secrets.create(name, &secret(service, &user, &password).await).await;
            rotated.push(Rotated { name, user, version });
        }
        let traffic = Traffic::start(service.client());
        Self { service, secrets, traffic, rotated }
    }

    /// Runs a step while functions log in, and makes others log in after it. Returns all those logins.
    async fn phase(&self, step: impl Future<Output = ()>) -> Logins {
        let before = Logins::so_far(self.service, LOGINS).await;
        self.traffic.round(self.service, ROUNDS[0], step).await;
        self.traffic.round(self.service, ROUNDS[1], async {}).await;
        before.since(self.service, LOGINS).await
    }

    /// Gives every login in `users` a new password. Returns the logins between the two steps.
    async fn rotate(&mut self, users: [&str; 2], order: Order) -> Logins {
        let mut pending = Vec::new();
        for (rotated, user) in self.rotated.iter().zip(users) {
            let password = Uuid::now_v7().to_string();
            let text = secret(self.service, user, &password).await;
            let version = self.secrets.put_pending(rotated.name, &text).await;
            pending.push((rotated.name, user.to_owned(), rotated.version.clone(), version, password));
        }
        let (service, secrets) = (self.service, self.secrets);
        let set = async || {
            for (_, user, _, _, password) in &pending {
                run(service, &format!("alter role {user} password '{password}'")).await;
            }
        };
        let finish = async || {
            for (name, _, current, next, _) in &pending {
                secrets.promote(name, current, next).await;
            }
        };
        let created = self.phase(async {}).await;
        let (between, after) = match order {
            Order::PasswordFirst => (self.phase(set()).await, self.phase(finish()).await),
            Order::LabelsFirst => (self.phase(finish()).await, self.phase(set()).await),
        };
        for (phase, logins) in [("created", created), ("between", between), ("after", after)] {
            eprintln!("{order:?} {users:?}, {phase}: {logins:?}");
            assert!(logins.accepted > 0, "{phase}: {logins:?}");
        }
        for (rotated, (_, user, _, version, _)) in self.rotated.iter_mut().zip(pending) {
            (rotated.user, rotated.version) = (user, version);
        }
        between
    }

    async fn finish(self, rotations: usize) {
        let logins = Logins::so_far(self.service, LOGINS).await;
        let requests = self.traffic.finish(self.service).await;
        eprintln!(
            "{rotations} rotations of {} secrets, {requests} requests, 0 failed, 0 writes lost or doubled, {} logins, {} refused and renewed",
            SECRETS.len(),
            logins.accepted,
            logins.refused
        );
    }
}

#[test]
fn a_new_password_costs_no_request_whichever_of_password_and_labels_is_first() {
    let _alone = ONE_CROWD.lock().unwrap_or_else(PoisonError::into_inner);
    let (authority, secrets) = (Authority::new(), block_on(SecretsManager::start()));
    service_with(setup(secrets.variables(), &authority), async |service| {
        service.show(Some(&authority.issue("localhost"))).await;
        let mut rotation = Rotation::start(service, &secrets).await;
        let users = ["rotated_reader", "rotated_writer"];
        for order in [Order::PasswordFirst, Order::LabelsFirst] {
            let between = rotation.rotate(users, order).await;
            assert!(between.refused > 0, "{order:?} has a window: {between:?}");
        }
        rotation.finish(2).await;
    });
}

#[test]
fn alternating_users_cost_no_request() {
    let _alone = ONE_CROWD.lock().unwrap_or_else(PoisonError::into_inner);
    let (authority, secrets) = (Authority::new(), block_on(SecretsManager::start()));
    service_with(setup(secrets.variables(), &authority), async |service| {
        service.show(Some(&authority.issue("localhost"))).await;
        let mut rotation = Rotation::start(service, &secrets).await;
        for (name, group) in SECRETS {
            run(service, &format!("create role rotated_{name}_clone login in role {group}")).await;
        }
        let clones = ["rotated_reader_clone", "rotated_writer_clone"];
        let between = rotation.rotate(clones, Order::PasswordFirst).await;
        assert_eq!(between.refused, 0, "the user in use keeps its password: {between:?}");
        rotation.rotate(["rotated_reader", "rotated_writer"], Order::PasswordFirst).await;
        rotation.finish(2).await;
    });
}

#[test]
fn a_step_between_two_attempts_to_log_in_costs_no_request() {
    let authority = Authority::new();
    let (endpoint, mut questions) = block_on(provided_by_test());
    let environment = vec![("AWS_ENDPOINT_URL_SECRETS_MANAGER".to_owned(), endpoint)];
    service_with(setup(environment, &authority), async |service| {
        service.show(Some(&authority.issue("localhost"))).await;
        run(service, "create role rotated_reader login in role catalog_reader").await;
        // Each request, whether the password is set before the response, and the response.
        let labels_first = [
            ("AWSCURRENT", false, Some("new")),
            ("AWSCURRENT", false, Some("new")),
            ("AWSPENDING", false, None),
            ("AWSPREVIOUS", true, Some("old")),
            ("AWSCURRENT", false, Some("new")),
        ];
        let password_first = [
            ("AWSCURRENT", true, Some("old")),
            ("AWSCURRENT", false, Some("old")),
            ("AWSPENDING", false, None),
            ("AWSPREVIOUS", false, Some("old")),
            ("AWSCURRENT", false, Some("new")),
        ];
        for script in [labels_first, password_first] {
            service.end_processes("list-products").await;
            run(service, "alter role rotated_reader password 'old'").await;
            let client = service.client().clone();
            let answer = tokio::spawn(async move { client.get("/v1/products").await });
            for (stage, is_set, password) in script {
                let question = timeout(Duration::from_secs(3), questions.recv()).await;
                let (asked, reply) = question.ok().flatten().expect("a question");
                assert_eq!(asked, stage);
                if is_set {
                    run(service, "alter role rotated_reader password 'new'").await;
                }
                let text = match password {
                    Some(password) => Some(secret(service, "rotated_reader", password).await),
                    None => None,
                };
                reply.send(text).expect("a function that waits for it");
            }
            answer.await.expect("an answer").expect(200);
        }
        let log = service.log();
        assert!(
            !log.iter().any(|line| line.contains("no database connection yet")),
            "at the first attempt: {log:?}"
        );
    });
}

#[test]
fn without_a_usable_secret_the_answer_is_503_in_time_and_says_nothing_of_it() {
    let (authority, mut secrets) = (Authority::new(), block_on(SecretsManager::start()));
    service_with(setup(secrets.variables(), &authority), async |service| {
        service.show(Some(&authority.issue("localhost"))).await;
        run(service, "create role rotated_reader login password 'sesame' in role catalog_reader").await;
        let name = SECRETS[0].0;
        let right = secret(service, "rotated_reader", "sesame").await;
        let signal = async |signal: &str, pid: u32| {
            let status = Command::new("kill").args([signal, &pid.to_string()]).status().await;
            assert!(status.expect("kill runs").success());
        };
        // For a process that has just started, and for the same one again.
        let fails = async |reason: &str| {
            service.end_processes("list-products").await;
            let before = service.log().len();
            for _ in 0..2 {
                let asked = Instant::now();
                let response = service.client().get("/v1/products").await;
                assert!(asked.elapsed() < Duration::from_secs(3), "{reason}: {:?}", asked.elapsed());
                let problem = response.problem(503).to_string();
                assert!(!problem.contains("sesame") && !problem.contains("ecret"), "{problem}");
            }
            let log = service.log()[before..].join("\n");
            assert!(log.contains(reason) && !log.contains("sesame"), "{reason}: {log}");
        };
        let works = async || service.client().get("/v1/products").await.expect(200);

        fails("ResourceNotFoundException").await;
        for malformed in ["sesame", r#"{"username": "rotated_reader", "password": ["sesame"]}"#] {
            secrets.create(name, malformed).await;
            fails("the secret is not the JSON of RDS").await;
            secrets.delete(name).await;
        }
        secrets.create(name, &right).await;
        works().await;

        signal("-STOP", secrets.pid()).await;
        fails("no database").await;
        signal("-CONT", secrets.pid()).await;
        works().await;

        secrets.stop().await;
        works().await;
        fails("no database credentials").await;
        secrets.resume().await;
        secrets.create(name, &right).await;
        works().await;
        let log = service.log();
        assert!(!log.iter().any(|line| line.contains("sesame")), "{log:?}");
    });
}
