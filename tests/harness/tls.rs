//! Certificates from a test's own authority, and functions to make PostgreSQL use them.

use std::io::Write;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::NamedTempFile;

use crate::Service;

/// A certificate authority; functions trust it with `DB_CA_FILE`.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: NamedTempFile,
}

/// A server's certificate and its key, in PEM.
pub struct Certificate {
    /// The certificate.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

impl Authority {
    /// Creates an authority, which is not trusted yet.
    ///
    /// # Panics
    /// When its certificate cannot be created or written.
    #[expect(clippy::new_without_default, reason = "it writes a file")]
    pub fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut parameters = CertificateParams::default();
        // Unique, because among authorities with the same name a client assumes that the trusted one is the issuer.
        let name = format!("Authority {}", uuid::Uuid::now_v7());
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).expect("a certificate");
        let mut file = NamedTempFile::new().expect("a file");
        file.write_all(certificate.pem().as_bytes()).expect("a file to write to");
        Self { issuer: Issuer::new(parameters, key), file }
    }

    /// The variable that makes functions trust it for the database.
    pub fn trust(&self) -> (String, String) {
        ("DB_CA_FILE".to_owned(), self.file())
    }

    /// The path of its certificate.
    pub fn file(&self) -> String {
        self.file.path().display().to_string()
    }

    /// Issues a certificate for the host `name`.
    pub fn issue(&self, name: &str) -> Certificate {
        self.sign(&CertificateParams::new([name.to_owned()]).expect("a name"))
    }

    /// Issues a certificate for the host `name` that expired years ago.
    pub fn issue_expired(&self, name: &str) -> Certificate {
        let mut parameters = CertificateParams::new([name.to_owned()]).expect("a name");
        (parameters.not_before, parameters.not_after) =
            (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        self.sign(&parameters)
    }

    fn sign(&self, parameters: &CertificateParams) -> Certificate {
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters.signed_by(&key, &self.issuer).expect("a certificate");
        Certificate { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl Service {
    /// Makes the test's own server use `certificate` for new connections, or no TLS.
    ///
    /// # Panics
    /// When the server does not apply the change.
    pub async fn show(&self, certificate: Option<&Certificate>) {
        // Each certificate has its own file name, so that a new connection can check which one the server uses.
        let name = format!("test-{}", uuid::Uuid::now_v7().simple());
        let database = self.database().await;
        let run = async |sql: String| database.batch_execute(&sql).await.expect("a superuser's statement");
        if let Some(Certificate { certificate, key }) = certificate {
            for (text, suffix) in [(certificate, "crt"), (key, "key")] {
                // Written by the server itself: only its account may read the files, and that may differ from the
                // test's.
                run(format!(
                    "copy (select unnest(string_to_array('{}', e'\\n')))
                     to program 'umask 077; cat >{name}.{suffix}'",
                    text.trim_end()
                ))
                .await;
            }
            run(format!("alter system set ssl_key_file = '{name}.key'")).await;
        }
        run(format!("alter system set ssl_cert_file = '{name}.crt'")).await;
        let is_on = if certificate.is_some() { "on" } else { "off" };
        run(format!("alter system set ssl = {is_on}")).await;
        run("select pg_reload_conf()".to_owned()).await;
        // The postmaster reloads them asynchronously, and every later connection inherits them.
        let sql = "select current_setting('ssl_cert_file') || current_setting('ssl')";
        let is_shown = async || {
            let shown: String = self.database().await.query_one(sql, &[]).await.expect("settings").get(0);
            shown == format!("{name}.crt{is_on}")
        };
        while !is_shown().await {}
    }

    /// Makes the test's own server refuse new connections without TLS.
    ///
    /// # Panics
    /// When the server does not apply the change.
    pub async fn refuse_connections_without_tls(&self) {
        let database = self.database().await;
        let sql = "do $$ begin
            execute format('copy (select %L) to %L', 'hostssl all all all scram-sha-256', current_setting('hba_file'));
            perform pg_reload_conf();
        end $$";
        database.batch_execute(sql).await.expect("a superuser's statement");
        let url = self.server().lock().await.url(self.database_name());
        while tokio_postgres::connect(&url, tokio_postgres::NoTls).await.is_ok() {}
    }

    /// Terminates all sessions of the functions, and returns when they are gone.
    ///
    /// # Panics
    /// When a session is still there after 5 s.
    pub async fn end_sessions(&self) {
        self.end_sessions_of("%").await;
    }

    /// The same as [`end_sessions`](Self::end_sessions), for functions whose name matches the pattern `name`.
    ///
    /// # Panics
    /// As [`end_sessions`](Self::end_sessions).
    pub async fn end_sessions_of(&self, name: &str) {
        let sql = "select coalesce(bool_and(pg_terminate_backend(pid, 5000)), true)
            from pg_stat_activity
            where datname = current_database() and usename <> current_user and application_name like $1";
        let are_gone: bool = self.database().await.query_one(sql, &[&name]).await.expect("an answer").get(0);
        assert!(are_gone, "a terminated session is still there");
    }
}
