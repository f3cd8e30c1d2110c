//! The whole API on this machine: a migrated database, its logins, every function of the register, a gateway.

use std::{
    env,
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use postgres_protocol::password::scram_sha_256;
use sha2::{Digest, Sha256};
use shared::{Operation, Role};
pub use tools::checkout;
use url::Url;

use crate::{
    gateway::{self, Gateway, Route},
    lambda::{Function, Functions, LogSink},
    postgres,
};

/// Time-out of every function, shorter than the gateway's.
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(10);

/// What the functions are told of their memory, in MiB.
const MEMORY_MB: u32 = 256;

/// What a stack is made of.
pub struct StackOptions {
    /// What is served, usually the whole register.
    pub operations: Vec<&'static Operation>,
    /// The migrated database, as its owner. The functions get logins of their own roles.
    pub database_url: String,
    /// How the gateway runs.
    pub gateway: gateway::Options,
    /// The folder of the functions' binaries.
    pub programs: PathBuf,
    /// How many processes of one function run at once.
    pub max_environments: usize,
    /// Further variables for every function.
    pub environment: Vec<(String, String)>,
    /// The variables by which a function reaches the database, in place of its role's `DATABASE_URL`.
    pub database_access: Option<DatabaseAccess>,
    /// Where the functions' output goes.
    pub log: LogSink,
}

/// Variables for a role, whose connection URL would be this.
pub type DatabaseAccess = Box<dyn Fn(Role, &str) -> Vec<(String, String)>>;

/// A running API.
pub struct Stack {
    functions: Functions,
    gateway: Gateway,
}

impl Stack {
    /// Starts the gateway. Functions start with their first request.
    ///
    /// # Errors
    /// When a binary is missing, the database refuses the logins, or the address is taken.
    pub async fn start(options: StackOptions) -> Result<Self> {
        let StackOptions {
            operations,
            database_url,
            gateway,
            programs,
            max_environments,
            environment,
            database_access,
            log,
        } = options;
        let mut environment = environment;
        if !gateway.allowed_origins.is_empty() {
            environment.push(("CORS_ALLOWED_ORIGINS".to_owned(), gateway.allowed_origins.to_string()));
        }
        let logins = Logins::create(&database_url).await?;
        let mut functions = Vec::new();
        let mut routes = Vec::new();
        for operation in operations {
            let program = programs.join(operation.name);
            ensure!(
                program.is_file(),
                "{} is missing: `cargo build --workspace --bins` makes it",
                program.display()
            );
            let mut environment = environment.clone();
            if let Some(url) = logins.url(operation.role)? {
                match &database_access {
                    Some(access) => environment.extend(access(operation.role, &url)),
                    None => environment.push(("DATABASE_URL".to_owned(), url)),
                }
            }
            functions.push(Function {
                name: operation.name.to_owned(),
                program,
                arguments: Vec::new(),
                environment,
                timeout: FUNCTION_TIMEOUT,
                memory_mb: MEMORY_MB,
                max_environments,
            });
            routes.extend(operation.all_routes().map(|route| Route {
                method: route.method,
                path: route.path.to_owned(),
                function: operation.name.to_owned(),
                is_open: route.is_open,
            }));
        }
        let functions = Functions::new(functions, log);
        let gateway = Gateway::start(gateway, routes, functions.clone()).await?;
        Ok(Self { functions, gateway })
    }

    /// The base URL, without a slash at its end.
    pub fn url(&self) -> String {
        self.gateway.url()
    }

    /// The functions and their processes.
    pub fn functions(&self) -> &Functions {
        &self.functions
    }

    /// Ends every connection and process, and returns when they are gone.
    pub async fn stop(self) {
        self.gateway.stop().await;
        self.functions.shutdown().await;
    }
}

/// The logins that the functions connect with, one for each role.
pub struct Logins {
    database_url: String,
    password: String,
}

impl Logins {
    /// Makes the logins in the server of `database_url`, whose database has been migrated. Making them again changes
    /// nothing unless the owner's password has changed, which theirs follows from.
    ///
    /// # Errors
    /// When the owner may not create roles.
    pub async fn create(database_url: &str) -> Result<Self> {
        let owner = Url::parse(database_url).context("DATABASE_URL is not a URL")?;
        let secret = format!("logins of {}:{}", owner.username(), owner.password().unwrap_or_default());
        let password = Sha256::digest(secret).iter().map(|byte| format!("{byte:02x}")).collect();
        let logins = Self { database_url: database_url.to_owned(), password };

        let client = postgres::connect(database_url).await?;
        // What a server stores in place of a password, so that neither the way there nor its log sees one.
        let verifier = scram_sha_256(logins.password.as_bytes());
        for (login, group) in [(READER, "catalog_reader"), (WRITER, "catalog_writer")] {
            // Roles belong to the server: another stack may be making the same one at this moment.
            let statements = format!(
                "do $$ begin
                   create role {login} login password '{verifier}' in role {group};
                   alter role {login} set statement_timeout = '{timeout_ms}';
                 exception when duplicate_object or unique_violation then
                   begin
                     alter role {login} password '{verifier}';
                   exception when internal_error then
                     null; -- 'tuple concurrently updated': by another stack, to the same password
                   end;
                 end $$",
                timeout_ms = FUNCTION_TIMEOUT.as_millis(),
            );
            client
                .batch_execute(&statements)
                .await
                .with_context(|| format!("cannot create the login {login}"))?;
        }
        Ok(logins)
    }

    /// The connection URL for `role`; none for operations without a database.
    ///
    /// # Errors
    /// When the owner's URL cannot carry another user.
    pub fn url(&self, role: Role) -> Result<Option<String>> {
        let login = match role {
            Role::Reader => READER,
            Role::Writer => WRITER,
            Role::None => return Ok(None),
        };
        postgres::with_user(&self.database_url, login, &self.password).map(Some)
    }
}

/// Writes the variables that `cargo lambda watch --env-file` needs into `file`, readable by its owner alone. All functions
/// get the same ones, so it has the writer's login, which may read everything.
///
/// # Errors
/// When the owner may not create roles, or the file cannot be written.
pub async fn write_watch_environment(file: &Path, database_url: &str) -> Result<()> {
    let Some(url) = Logins::create(database_url).await?.url(Role::Writer)? else { return Ok(()) };
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let open = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file);
    open.and_then(|mut file| write!(file, "DATABASE_URL={url}\nAWS_EC2_METADATA_DISABLED=true\n"))
        .with_context(|| format!("cannot write {}", file.display()))
}

const READER: &str = concat!(project::name!(), "_local_reader");
const WRITER: &str = concat!(project::name!(), "_local_writer");

/// The folder of the binaries that were built with the program that is running: its own, or the one above for a
/// test, which cargo puts into `deps`.
///
/// # Errors
/// When the running program has no path.
pub fn programs() -> Result<PathBuf> {
    let program = env::current_exe()?;
    let folder = program.parent().context("the running program has no folder")?;
    let is_test = folder.file_name().is_some_and(|name| name == "deps");
    Ok(folder.parent().filter(|_| is_test).unwrap_or(folder).to_owned())
}

/// Where the user pool of this machine is kept.
pub fn user_pool_folder() -> PathBuf {
    checkout().join(".local/user-pool")
}
