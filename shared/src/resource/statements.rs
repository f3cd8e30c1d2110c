//! The statements of a resource, and the methods that run them.

use std::sync::{
    LazyLock, OnceLock,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    Changes, Described, Resource, column_names, columns,
    found::{Found, IS_SAMPLED},
    key::Key,
    key_version,
    near::Near,
    order::Ordered,
    past::{Version, past},
    read_columns, refused, row_as_json, search,
};
use crate::{
    App,
    db::{NamedStatement, Parameter, Repeat, Row, Statement, Type},
    history::AuditContext,
    http::{IdempotencyClaim, Preconditions, Request, Response, Result, SECONDS_TO_LIVE},
    time::Moment,
};

/// The SQL of a search in one of its orders: exact hits and near hits.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) exact: Found,
    pub(super) near: Near,
}

/// The statements of a resource: the same for every request, built once per process.
#[derive(Debug)]
pub struct Statements {
    select: String,
    select_one: String,
    /// The resource `$1` in the version `$2`.
    past: LazyLock<String>,
    exists: String,
    /// The search by relevance and in each order of the lists, for a large and for a small table; built on
    /// first use.
    searches: [OnceLock<(Search, Vec<Search>)>; 2],
    /// Whether the table was small, according to the last search.
    is_small: AtomicBool,
    /// Built on first use, like the next two and `past`: most processes need at most one of them.
    insert: LazyLock<NamedStatement>,
    update: LazyLock<NamedStatement>,
    delete: LazyLock<NamedStatement>,
    /// The orders of the lists.
    pub(super) orders: Vec<Ordered>,
    /// The order of exact hits of a search.
    matches: Ordered,
}

impl Statements {
    /// Builds the statements of `T`.
    pub fn of<T: Resource>() -> Self {
        let columns = read_columns::<T>("");
        let select = format!("select {columns}\nfrom {}", T::TABLE);
        let select_one = format!("{select}\nwhere id = $1");
        let (orders, matches) = (T::ORDERS.iter().map(Ordered::of::<T>).collect::<Vec<_>>(), matches::<T>());
        Self {
            select,
            select_one,
            past: LazyLock::new(past::<T>),
            exists: format!("select id\nfrom {}\nwhere id = $1", T::TABLE),
            searches: Default::default(),
            is_small: AtomicBool::new(false),
            insert: LazyLock::new(|| NamedStatement::new(&insert::<T>())),
            update: LazyLock::new(|| NamedStatement::new(&update::<T>())),
            delete: LazyLock::new(|| NamedStatement::new(&delete::<T>())),
            orders,
            matches,
        }
    }

    /// Selects all rows, without an order.
    pub fn select(&self) -> &str {
        &self.select
    }

    /// Selects the version `$2` of the row with the id `$1` as the text of a JSON object; null if it is unknown.
    pub(super) fn past(&self) -> &str {
        &self.past
    }

    /// Selects the id of the row with the id `$1`.
    pub(super) fn exists(&self) -> &str {
        &self.exists
    }

    /// The search of `T` by relevance, or in the order `index` of its lists.
    pub(super) fn search<T: Resource>(&self, index: Option<usize>) -> &Search {
        let (by_relevance, in_orders) = self.searches::<T>(self.is_small.load(Relaxed));
        index.map_or(by_relevance, |index| &in_orders[index])
    }

    /// Updates whether the table is small, by the rows that a search returned.
    pub(super) fn note_size(&self, rows: &[Row]) {
        if let Some(Ok(is_sampled)) = rows.first().map(|row| row.try_get::<_, bool>(IS_SAMPLED)) {
            self.is_small.store(!is_sampled, Relaxed);
        }
    }

    fn searches<T: Resource>(&self, is_small: bool) -> &(Search, Vec<Search>) {
        self.searches[usize::from(is_small)].get_or_init(|| {
            let by_relevance = Search {
                exact: Found::by_relevance::<T>(&self.matches, is_small),
                near: Near::by_relevance::<T>(matches::<T>(), is_small),
            };
            let in_orders = T::ORDERS.iter().zip(&self.orders).map(|(order, sql)| Search {
                exact: Found::in_order::<T>(order, sql, is_small),
                near: Near::in_order::<T>(order, is_small),
            });
            (by_relevance, in_orders.collect())
        })
    }

    /// The order of exact hits of a search.
    pub(super) fn matches(&self) -> &Ordered {
        &self.matches
    }

    /// Every statement of `T` for documentation, with the conditions and orders that lists add.
    pub fn shown<T: Resource>() -> String {
        let all = Self::of::<T>();
        let after = |Ordered { after, by, .. }: &Ordered| {
            format!("{}, after a cursor where {after}", by.replace('\n', " "))
        };
        let filters =
            T::FILTERS.iter().map(|filter| format!("-- {}: where {}\n", filter.name, filter.condition()));
        let orders = T::ORDERS.iter().zip(&all.orders);
        let orders = orders.map(|(order, sql)| format!("-- sort={}: {}\n", order.word, after(sql)));
        let list = filters.chain(orders).collect::<String>() + &all.select;
        let mut statements = vec![
            ("list".to_owned(), list),
            ("read".to_owned(), all.select_one.clone()),
            ("read a past version".to_owned(), all.past.clone()),
            ("look whether it is there".to_owned(), all.exists.clone()),
        ];
        if !T::MATCHES.is_empty() {
            let conditions =
                search::CONDITIONS.map(|condition| format!("-- {{contains}}: {condition}\n")).concat();
            let (by_relevance, in_orders) = all.searches::<T>(false);
            statements.push((
                format!("search by relevance: {}", after(&all.matches)),
                conditions + by_relevance.exact.shown(),
            ));
            let (plain, _) = all.searches::<T>(true);
            statements
                .push(("search of a small table by relevance".to_owned(), plain.exact.shown().to_owned()));
            // The searches in other orders differ from the first only in ORDER BY.
            let in_orders = T::ORDERS.iter().zip(in_orders).enumerate();
            let shown = in_orders.filter(|(index, (_, search))| *index == 0 || search.exact.is_by_name());
            statements.extend(shown.map(|(_, (order, search))| {
                (format!("search, sort={}", order.word), search.exact.shown().to_owned())
            }));
            statements
                .push(("search by a term of four characters and more".to_owned(), by_relevance.near.shown()));
        }
        for (what, statement) in [("create", &*all.insert), ("change", &all.update), ("delete", &all.delete)]
        {
            statements.push((what.to_owned(), statement.sql().to_owned()));
        }
        let shown = statements.into_iter().map(|(what, sql)| format!("-- {}: {what}\n{sql};\n", T::TABLE));
        shown.collect::<Vec<_>>().join("\n")
    }
}

/// The order of search results: by rank, then by the resource's `MATCHES`, then by id.
fn matches<T: Resource>() -> Ordered {
    let keys = T::MATCHES.iter().map(|name| Key::of::<T>(name)).collect();
    Ordered::new(&["rank"], keys, false)
}

/// The CTE that records the write to the row of the CTE `written` in the history, as the version in the column `version`
/// of `written`, with the merge patches to and from that version.
fn recorded<T: Described>(written: &str, version: &str, changes: &str, inverse: &str, from: &str) -> String {
    format!(
        "recorded as (
  insert into history (resource, resource_id, version, operation, principal, request_id, reason, changes, inverse)
  select '{name}', {written}.id, {written}.{version}, :operation, :principal, :request_id, :reason, {changes}, {inverse}
  from {from}
)",
        name = T::NAME,
    )
}

fn insert<T: Described>() -> String {
    let names = column_names::<T>();
    format!(
        "with claim as materialized (
  select is_new, fingerprint, created_id, created_at
  from claim_idempotency_key(:caller, :key, :fingerprint, :id, :now, :seconds_to_live)
), created as (
  insert into {table} (id, {names}, version, created_at, updated_at)
  select :id, {values}, :version, :now, :now
  from claim
  where is_new
  on conflict (id) do nothing
  returning {returned}
), {recorded}
select is_new, fingerprint, created_id, created_at
from claim",
        table = T::TABLE,
        names = names.join(", "),
        values = names.iter().map(|name| format!(":{name}")).collect::<Vec<_>>().join(", "),
        returned = read_columns::<T>(""),
        recorded = recorded::<T>("created", "version", &row_as_json::<T>("created"), "null", "created"),
    )
}

/// Locks the row, updates it if the preconditions hold and a value differs, and returns its new state.
fn update<T: Described>() -> String {
    let table = T::TABLE;
    let mut set = String::new();
    let mut differences = Vec::new();
    for field in T::FIELDS {
        let name = field.name;
        let is_sent = format!("'{name}' = any (:members)");
        // A derived column changes with its field.
        for column in [Some(name), field.derived.map(|(column, _)| column)].into_iter().flatten() {
            set.push_str(&format!(
                "\n    {column} = case when {is_sent} then :{column} else {table}.{column} end,"
            ));
        }
        differences.push(format!("({is_sent} and current.{name} is distinct from :{name})"));
    }
    if let Some((version, _)) = key_version::<T>() {
        // If only some search keys are updated, the row keeps its old folding version.
        let searched = T::FIELDS.iter().filter(|field| field.derived.is_some());
        let all: Vec<_> = searched.map(|field| format!("'{}'", field.name)).collect();
        let all = all.join(", ");
        set.push_str(&format!(
            "\n    {version} = case when array[{all}] <@ :members then :{version} else -{table}.{version} end,"
        ));
    }
    let row = read_columns::<T>("");
    format!(
        "with current as (
  select {row},
    -- A repeated statement must not be refused because its own first attempt succeeded.
    coalesce(changed_by_request = :attempt, false) as already_applied,
    preconditions_hold(version, updated_at, :versions, :unmodified_since, :other_versions) as preconditions_met
  from {table}
  where id = :id
  for update
), changed as (
  update {table}
  set{set}
    version = next_version('{name}', {table}.id, {table}.version),
    updated_at = greatest(:now, {table}.updated_at),
    changed_by_request = :attempt
  from current
  where {table}.id = current.id
    and current.preconditions_met
    and not current.already_applied
    -- Compared with the locked row: the statement's snapshot may be older.
    and (
      {differs}
    )
  returning {returned}
), {recorded}
select {row}, true as preconditions_met
from changed
union all
select {row}, preconditions_met or already_applied
from current
where not exists (select from changed)",
        name = T::NAME,
        differs = differences.join("\n      or "),
        returned = read_columns::<T>(&format!("{table}.")),
        recorded = recorded::<T>(
            "changed",
            "version",
            "merge_patch(before, after)",
            "merge_patch(after, before)",
            &format!(
                "changed, lateral (
    select {before} as before, {after} as after
    from current
  ) versions",
                before = row_as_json::<T>("current"),
                after = row_as_json::<T>("changed"),
            ),
        ),
    )
}

fn delete<T: Described>() -> String {
    let table = T::TABLE;
    let returned = read_columns::<T>(&format!("{table}."));
    format!(
        "with current as (
  select id, version, preconditions_hold(version, updated_at, :versions, :unmodified_since, :other_versions) as preconditions_met
  from {table}
  where id = :id
  for update
), deleted as (
  delete from {table}
  using current
  where {table}.id = current.id
    and current.preconditions_met
  returning {returned}, next_version('{name}', {table}.id, {table}.version) as deletion
), {recorded}
select id, version, preconditions_met
from current",
        name = T::NAME,
        recorded = recorded::<T>("deleted", "deletion", "null", &row_as_json::<T>("deleted"), "deleted"),
    )
}

impl App {
    /// The response to `request` for the resource `id`: the version in the query; otherwise the current one, from the
    /// cache if it is fresh, else from the database, else the last cached value.
    ///
    /// # Errors
    /// 400 for an invalid version; 404 if the resource or the version does not exist; 503 if neither cache nor database
    /// can answer.
    pub async fn get<T: Resource>(&self, request: &Request, id: Uuid) -> Result<Response> {
        match Version::of(request)? {
            None => self.read::<T>(id, &T::statements().select_one).await?.respond(request),
            Some(version) => self.past::<T>(request, id, version).await,
        }
    }

    /// Inserts `created`, with `audit` in its history, if `claim` is the first with its key. Returns the
    /// response to `request` with `created`, or with what the first request created.
    ///
    /// # Errors
    /// As for [`IdempotencyClaim::resolve`], and those of [`Resource::REFUSED`].
    pub async fn insert<T: Resource>(
        &self,
        request: &Request,
        claim: &IdempotencyClaim,
        audit: &AuditContext<'_>,
        created: &T,
    ) -> Result<Response> {
        let statement = &T::statements().insert;
        let head = created.head();
        let columns = columns::<T>(created.values());
        let mut named: Vec<(&str, Parameter<'_>)> = vec![
            ("id", (&head.id, Type::UUID)),
            ("version", (&head.version, Type::INT8)),
            ("now", (&head.updated_at, Type::TIMESTAMPTZ)),
            ("caller", (&claim.caller, Type::TEXT)),
            ("key", (&claim.key, Type::TEXT)),
            ("fingerprint", (&claim.fingerprint, Type::BYTEA)),
            ("seconds_to_live", (&SECONDS_TO_LIVE, Type::INT8)),
        ];
        named.extend(audit.named());
        named.extend(columns.iter().map(|(name, value)| (*name, value.parameter())));
        let parameters = statement.bind(&named)?;
        let statement = Statement { sql: statement.sql(), parameters: &parameters, repeat: Repeat::Safe };
        let resolve = |written| {
            let written = refused::change::<T>(written)?;
            claim.resolve(written.row, request, created.clone())
        };
        self.create::<T>(head.id, statement, resolve).await
    }

    /// Applies `changes` to the resource `id` if `preconditions` hold, in one round trip, with `record` in
    /// its history, and returns the new state. If nothing differs, the version and time stay unchanged.
    ///
    /// # Errors
    /// 404, 412, and those of [`Resource::REFUSED`].
    pub async fn update<T: Resource>(
        &self,
        id: Uuid,
        changes: &Changes,
        preconditions: &Preconditions,
        audit: &AuditContext<'_>,
    ) -> Result<T> {
        let statement = &T::statements().update;
        let (now, attempt) = (Moment::now(), Uuid::now_v7());
        let conditions = preconditions.parameters::<T>(id);
        let (members, columns) = (changes.names::<T>(), changes.columns::<T>());
        let mut named: Vec<(&str, Parameter<'_>)> = vec![
            ("id", (&id, Type::UUID)),
            ("now", (&now, Type::TIMESTAMPTZ)),
            ("attempt", (&attempt, Type::UUID)),
            ("members", (&members, Type::TEXT_ARRAY)),
        ];
        named.extend(conditions_named(&conditions));
        named.extend(audit.named());
        named.extend(columns.iter().map(|(name, value)| (*name, value.parameter())));
        let parameters = statement.bind(&named)?;
        let repeat = preconditions.repeat();
        let statement = Statement { sql: statement.sql(), parameters: &parameters, repeat };
        let interpret = |written| {
            let row = preconditions.check::<T>(refused::change::<T>(written)?.row, T::NAME)?;
            Ok(T::read(&row)?)
        };
        self.change(id, statement, interpret).await
    }

    /// Deletes the resource `id` if `preconditions` hold, with `audit` in its history.
    ///
    /// # Errors
    /// 404, 412, and those of [`Resource::KEPT`].
    pub async fn remove<T: Resource>(
        &self,
        id: Uuid,
        preconditions: &Preconditions,
        audit: &AuditContext<'_>,
    ) -> Result<Response> {
        let statement = &T::statements().delete;
        let conditions = preconditions.parameters::<T>(id);
        let mut named: Vec<(&str, Parameter<'_>)> = vec![("id", (&id, Type::UUID))];
        named.extend(conditions_named(&conditions));
        named.extend(audit.named());
        let parameters = statement.bind(&named)?;
        let statement = Statement { sql: statement.sql(), parameters: &parameters, repeat: Repeat::Safe };
        let interpret =
            |written| preconditions.check_deletion::<T>(refused::deletion::<T>(written)?, T::NAME);
        self.delete::<T>(id, statement, interpret).await?;
        Ok(Response::no_content())
    }
}

/// The arguments of `preconditions_hold`, as named parameters.
fn conditions_named(
    (versions, unmodified_since, other_versions): &(Option<Vec<i64>>, Option<Timestamp>, Option<Vec<i64>>),
) -> [(&'static str, Parameter<'_>); 3] {
    [
        ("versions", (versions, Type::INT8_ARRAY)),
        ("unmodified_since", (unmodified_since, Type::TIMESTAMPTZ)),
        ("other_versions", (other_versions, Type::INT8_ARRAY)),
    ]
}
