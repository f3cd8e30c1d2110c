//! The catalogue that all subjects use: a real PostgreSQL, migrated, and filled with one statement per table.

use anyhow::{Context, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use local::{
    postgres::{self, DataFolder, Options, Programs, Server},
    stack::Logins,
};
use sha2::{Digest, Sha256};
use shared::{Role, text::FOLDING};

/// The prefix of the ids that [`fill`] generates; a decimal number of 12 digits follows, starting at 1. The sample
/// requests use product 2 and artisan 2.
pub const IDS: &str = "01936b5e-7c00-7000-8000-";

/// The number of products per artisan.
const PRODUCTS_PER_ARTISAN: u32 = 100;

const NAME: &str = "bench";

/// A server with a filled database.
pub struct Database {
    server: Server,
    logins: Logins,
}

impl Database {
    /// Starts a server of the deployed version, and fills its database with `products` products.
    ///
    /// # Errors
    /// When PostgreSQL cannot be installed or started.
    pub async fn start(products: u32, say: tools::Say<'_>) -> Result<Self> {
        let programs = Programs::In(tools::chosen_postgres(say)?);
        // Autovacuum would run in the middle of a round.
        let settings = vec![("autovacuum".to_owned(), "off".to_owned())];
        let server = Server::start(Options { data: DataFolder::Temporary, settings, programs }, say).await?;
        postgres::create_database(&server.url("postgres"), NAME, None).await?;
        let url = server.url(NAME);
        migrate::migrate(&url).await?;
        fill(&url, products).await?;
        let logins = Logins::create(&url).await?;
        Ok(Self { server, logins })
    }

    /// The owner's connection URL.
    pub fn url(&self) -> String {
        self.server.url(NAME)
    }

    /// The connection URL for functions with `role`. Functions without a database get the reader's URL, which they
    /// ignore.
    ///
    /// # Errors
    /// When the server's URL is not a URL.
    pub fn url_of(&self, role: Role) -> Result<String> {
        let role = if role == Role::Writer { role } else { Role::Reader };
        self.logins.url(role)?.context("readers have a login")
    }

    /// Runs statements as the owner.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn execute(&self, statements: &str) -> Result<()> {
        Ok(postgres::connect(&self.url()).await?.batch_execute(statements).await?)
    }

    /// The version that the server reports.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn version(&self) -> Result<String> {
        let client = postgres::connect(&self.url()).await?;
        Ok(client.query_one("show server_version", &[]).await?.get(0))
    }

    /// Stops the server.
    ///
    /// # Errors
    /// When the server does not end.
    pub async fn stop(self) -> Result<()> {
        self.server.stop().await
    }
}

/// Creates a reader's login whose password proof takes one hash iteration instead of 4,096, and returns its connection
/// URL. Callgrind's processor has no instructions for hashing, so the proof would be 98 % of a start's instructions,
/// and hide the rest.
///
/// # Errors
/// When the owner, whose `url` this is, may not create roles.
pub async fn counted_login(url: &str) -> Result<String> {
    let verifier = verifier(PASSWORD.as_bytes());
    // Roles belong to the whole server, where the role may already exist.
    let statement = format!(
        "do $$ begin
           create role {COUNTED} login password '{verifier}' in role catalog_reader;
         exception when duplicate_object or unique_violation then
           null;
         end $$"
    );
    postgres::connect(url).await?.batch_execute(&statement).await?;
    postgres::with_user(url, COUNTED, PASSWORD)
}

const COUNTED: &str = "bench_counted";
const PASSWORD: &str = "sesame";
const SALT: &[u8] = b"salt of a counter";

/// The verifier that PostgreSQL stores for SCRAM-SHA-256 (RFC 5803), with one iteration.
fn verifier(password: &[u8]) -> String {
    let salted = hmac(password, &[SALT, &1_u32.to_be_bytes()].concat());
    let stored = Sha256::digest(hmac(&salted, b"Client Key"));
    let server = hmac(&salted, b"Server Key");
    let [salt, stored, server] = [SALT, &stored, &server].map(|bytes| STANDARD.encode(bytes));
    format!("SCRAM-SHA-256$1:{salt}${stored}:{server}")
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let hmac = Hmac::<Sha256>::new_from_slice(key).expect("a key");
    hmac.chain_update(message).finalize().into_bytes().to_vec()
}

/// Fills the empty, migrated database at `url` with `products` products and their artisans.
///
/// # Errors
/// When the server refuses.
pub async fn fill(url: &str, products: u32) -> Result<()> {
    let artisans = (products / PRODUCTS_PER_ARTISAN).max(2);
    let statements = format!(
        "
        insert into artisans (id, given_name, given_key, family_name, family_key, search_version, created_at, updated_at)
        select {artisan}, given, given, family || n, family || n, -{FOLDING}, {at}, {at}
        from (
          select
            n,
            (array['花子', '太郎', '陽菜', '健', '美咲'])[1 + n % 5] as given,
            (array['佐藤', '鈴木', '高橋', '田中', '伊藤', '渡辺', '山本'])[1 + n % 7] as family
          from generate_series(1, {artisans}) n
        ) names;
        insert into products (id, artisan_id, name, search_key, search_version, description, price, currency, created_at,
          updated_at)
        select {product}, {made_by}, name, name, -{FOLDING}, '手で洗ってください。', 1000 + n % 9000 * 10, 'JPY', {at}, {at}
        from (
          select
            n,
            (array['備前', '有田', '九谷', '信楽', '益子', '萩', '常滑', '瀬戸', '美濃', '砥部'])[1 + n % 10] || '焼 '
              || (array['湯呑', '徳利', '急須', '茶碗', '花瓶', '皿', '鉢'])[1 + n % 7] || ' ' || n % 1000 as name
          from generate_series(1, {products}) n
        ) names;
        insert into history (resource, resource_id, version, operation, request_id)
        select resource, {second}, 1, 'o', 'r'
        from unnest(array['product', 'artisan']) resource;",
        artisan = id("n"),
        product = id("n"),
        made_by = id(&format!("1 + n % {artisans}")),
        second = id("2"),
        at = "timestamptz '2026-01-01' + n * interval '1 s'",
    );
    let client = postgres::connect(url).await?;
    client.batch_execute(&statements).await.context("the catalogue cannot be filled")?;
    for table in ["products", "artisans", "history"] {
        client.batch_execute(&format!("vacuum analyze {table}")).await?;
    }
    Ok(())
}

fn id(number: &str) -> String {
    format!("('{IDS}' || lpad(({number})::text, 12, '0'))::uuid")
}
