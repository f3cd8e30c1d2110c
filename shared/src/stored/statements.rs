//! The statements, and what is made of what they return.

use std::fmt::Write as _;

use jiff::Timestamp;
use uuid::Uuid;

use super::{Changes, Column, Stored, Violation};
use crate::{
    App,
    app::Answered,
    db::{Named, Parameter, Repeat, Statement, Type, WriteError, Written},
    history::Record,
    http::{Claim, Preconditions, Problem, Reply, Request, Result, SECONDS_TO_LIVE},
    time::Moment,
};

/// The statements of a resource that are the same for every request.
#[derive(Debug)]
pub struct Statements {
    columns: String,
    select: String,
    select_one: String,
    insert: Named,
    delete: Named,
}

impl Statements {
    /// The statements of `T`.
    pub fn of<T: Stored>() -> Self {
        let columns = read::<T>("");
        let select = format!("select {columns}\nfrom {}", T::TABLE);
        let select_one = format!("{select}\nwhere id = $1");
        Self {
            columns,
            select,
            select_one,
            insert: Named::new(&insert::<T>()),
            delete: Named::new(&delete::<T>()),
        }
    }

    /// What a row is read by, for a SELECT of one's own.
    pub fn columns(&self) -> &str {
        &self.columns
    }

    /// Selects all rows, without an order.
    pub fn select(&self) -> &str {
        &self.select
    }

    /// Every statement of `T` as it is sent, for readers: a change is that of all members.
    pub fn shown<T: Stored>() -> String {
        let Self { select, select_one, insert, delete, .. } = Self::of::<T>();
        let update = Named::new(&update::<T>(T::COLUMNS.iter().copied()));
        let statements = [
            ("lists, before filters and order", select.as_str()),
            ("read", &select_one),
            ("create", insert.sql()),
            ("change", update.sql()),
            ("delete", delete.sql()),
        ];
        let shown = statements.map(|(what, sql)| format!("-- {}: {what}\n{sql};\n", T::TABLE));
        shown.join("\n")
    }
}

/// What is read of a row: its members and what every row has, each after `prefix`.
fn read<T: Stored>(prefix: &str) -> String {
    let members = T::COLUMNS.iter().filter(|column| matches!(column, Column::Member(_))).map(|it| it.name());
    let all = std::iter::once("id").chain(members).chain(["version", "created_at", "updated_at"]);
    all.map(|name| format!("{prefix}{name}")).collect::<Vec<_>>().join(", ")
}

/// The row of history of what the query `changed` returns.
fn recorded<T: Stored>(changed: &str) -> String {
    format!(
        "recorded as (
  insert into history (resource, resource_id, version, operation, principal, request_id, reason)
  select '{}', id, version, :operation, :principal, :request_id, :reason
  from {changed}
)",
        T::NAME
    )
}

fn insert<T: Stored>() -> String {
    let names: Vec<_> = T::COLUMNS.iter().map(|column| column.name()).collect();
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
  returning id, version
), {recorded}
select is_new, fingerprint, created_id, created_at
from claim",
        table = T::TABLE,
        names = names.join(", "),
        values = names.iter().map(|name| format!(":{name}")).collect::<Vec<_>>().join(", "),
        recorded = recorded::<T>("created"),
    )
}

/// Locks the row, changes it if the preconditions hold and anything is other than it is, and returns it as it is then.
fn update<T: Stored>(columns: impl Iterator<Item = Column>) -> String {
    let table = T::TABLE;
    let mut set = String::new();
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for column in columns {
        let name = column.name();
        let _ = write!(set, "\n    {name} = :{name},");
        // What follows from a member changes with it.
        if let Column::Member(_) = column {
            old.push(format!("current.{name}"));
            new.push(format!(":{name}"));
        }
    }
    let is_change = if old.is_empty() {
        "false".to_owned()
    } else {
        format!("({}) is distinct from ({})", old.join(", "), new.join(", "))
    };
    let row = read::<T>("");
    format!(
        "with current as (
  select {row},
    -- Our own first attempt, whose success nobody heard of, is no reason to refuse the second.
    coalesce(changed_by_request = :attempt, false) as is_done,
    preconditions_hold(version, updated_at, :versions, :unmodified_since, :other_versions) as holds
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
    and current.holds
    and not current.is_done
    -- Compared with the locked row: the statement's own view of the table may be older.
    and {is_change}
  returning {returned}
), {recorded}
select {row}, true as holds
from changed
union all
select {row}, holds or is_done
from current
where not exists (select from changed)",
        name = T::NAME,
        returned = read::<T>(&format!("{table}.")),
        recorded = recorded::<T>("changed"),
    )
}

fn delete<T: Stored>() -> String {
    let table = T::TABLE;
    format!(
        "with current as (
  select id, version, preconditions_hold(version, updated_at, :versions, :unmodified_since, :other_versions) as holds
  from {table}
  where id = :id
  for update
), deleted as (
  delete from {table}
  using current
  where {table}.id = current.id
    and current.holds
  returning {table}.id, next_version('{name}', {table}.id, {table}.version) as version
), {recorded}
select id, version, holds
from current",
        name = T::NAME,
        recorded = recorded::<T>("deleted"),
    )
}

impl App {
    /// The resource `id`: from the cache if that knows it, else from the database, else what the cache knew last.
    ///
    /// # Errors
    /// 404 when there is none; 503 when neither can answer.
    pub async fn get<T: Stored>(&self, id: Uuid) -> Result<Answered<T>> {
        self.read(id, &T::statements().select_one).await
    }

    /// Creates `created` if `claim` is the first of its kind, with `record` in its history, and answers `request` with
    /// it, or with what the first one has created.
    ///
    /// # Errors
    /// As [`Claim::settle`], and those of [`Stored::REFUSED`].
    pub async fn insert<T: Stored + Clone>(
        &self,
        request: &Request,
        claim: &Claim,
        record: &Record<'_>,
        created: &T,
    ) -> Result<Reply> {
        let statement = &T::statements().insert;
        let (id, version) = (created.id(), created.version());
        let now = created.updated_at();
        let values = created.values();
        let mut named: Vec<(&str, Parameter<'_>)> = vec![
            ("id", (&id, Type::UUID)),
            ("version", (&version, Type::INT8)),
            ("now", (&now, Type::TIMESTAMPTZ)),
            ("caller", (&claim.caller, Type::TEXT)),
            ("key", (&claim.key, Type::TEXT)),
            ("fingerprint", (&claim.fingerprint, Type::BYTEA)),
            ("seconds_to_live", (&SECONDS_TO_LIVE, Type::INT8)),
        ];
        named.extend(record.named());
        let columns = T::COLUMNS.iter().map(|column| column.name());
        named.extend(columns.zip(&values).map(|(name, (value, kind))| (name, (&**value as _, kind.clone()))));
        let parameters = statement.bind(&named)?;
        let statement = Statement { sql: statement.sql(), parameters: &parameters, repeat: Repeat::Safe };
        let settle = |written| claim.settle(refused(written, T::REFUSED)?.row, request, created.clone());
        self.create::<T>(id, statement, settle).await
    }

    /// Makes `changes` to the resource `id` if `preconditions` hold, in one round trip, and returns it as it is then, with
    /// `record` in its history. Changes to what is so already leave version and time as they are.
    ///
    /// # Errors
    /// 404, 412, and those of [`Stored::REFUSED`].
    pub async fn update<T: Stored>(
        &self,
        id: Uuid,
        changes: &Changes,
        preconditions: &Preconditions,
        record: &Record<'_>,
    ) -> Result<T> {
        let statement = Named::new(&update::<T>(changes.columns()));
        let (now, attempt) = (Moment::now(), Uuid::now_v7());
        let conditions = preconditions.parameters(id);
        let mut named: Vec<(&str, Parameter<'_>)> = vec![
            ("id", (&id, Type::UUID)),
            ("now", (&now, Type::TIMESTAMPTZ)),
            ("attempt", (&attempt, Type::UUID)),
        ];
        named.extend(conditions_named(&conditions));
        named.extend(record.named());
        named.extend(
            changes.iter().map(|(column, (value, kind))| (column.name(), (&**value as _, kind.clone()))),
        );
        let parameters = statement.bind(&named)?;
        let repeat = preconditions.repeat();
        let statement = Statement { sql: statement.sql(), parameters: &parameters, repeat };
        let judge = |written| {
            let row = preconditions.judge(refused(written, T::REFUSED)?.row, T::NAME)?;
            Ok(T::from_row(&row)?)
        };
        self.change(id, statement, judge).await
    }

    /// Deletes the resource `id` if `preconditions` hold, with `record` in its history.
    ///
    /// # Errors
    /// 404, 412, and those of [`Stored::KEPT`].
    pub async fn remove<T: Stored>(
        &self,
        id: Uuid,
        preconditions: &Preconditions,
        record: &Record<'_>,
    ) -> Result<Reply> {
        let statement = &T::statements().delete;
        let conditions = preconditions.parameters(id);
        let mut named: Vec<(&str, Parameter<'_>)> = vec![("id", (&id, Type::UUID))];
        named.extend(conditions_named(&conditions));
        named.extend(record.named());
        let parameters = statement.bind(&named)?;
        let statement = Statement { sql: statement.sql(), parameters: &parameters, repeat: Repeat::Safe };
        let judge = |written| preconditions.judge_deletion(refused(written, T::KEPT)?, T::NAME);
        self.delete::<T>(id, statement, judge).await?;
        Ok(Reply::no_content())
    }
}

/// The parameters of `preconditions_hold`, by the names that they have here.
fn conditions_named(
    (versions, unmodified_since, other_versions): &(Option<Vec<i64>>, Option<Timestamp>, Option<Vec<i64>>),
) -> [(&'static str, Parameter<'_>); 3] {
    [
        ("versions", (versions, Type::INT8_ARRAY)),
        ("unmodified_since", (unmodified_since, Type::TIMESTAMPTZ)),
        ("other_versions", (other_versions, Type::INT8_ARRAY)),
    ]
}

/// What was written, unless a constraint that means something to the client was violated.
fn refused(written: Result<Written, WriteError>, violations: &[Violation]) -> Result<Written> {
    written.map_err(|failure| {
        let violated = failure.error.violated_constraint();
        let known = violations.iter().find(|(constraint, _)| Some(*constraint) == violated);
        known.map_or_else(|| Problem::from(failure), |(_, problem)| problem())
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        artisan::{Artisan, ArtisanPatch, NewArtisan},
        contract::Example,
        http::Members,
        product::{NewProduct, Product, ProductPatch},
    };

    fn members(example: &serde_json::Value) -> Members {
        Members::parse(example.to_string().as_bytes()).unwrap()
    }

    /// A column that is left out anywhere would be stored at creation and never changed, or the other way round.
    fn assert_complete<T: Stored>(created: &T, changes: &Changes) {
        assert_eq!(created.values().len(), T::COLUMNS.len(), "{}", T::TABLE);
        let names =
            |columns: &mut dyn Iterator<Item = Column>| columns.map(Column::name).collect::<BTreeSet<_>>();
        assert_eq!(
            names(&mut changes.columns()),
            names(&mut T::COLUMNS.iter().copied()),
            "{}: what a change of all members sets",
            T::TABLE
        );
        let value = |name: &str| {
            let at = T::COLUMNS.iter().position(|column| column.name() == name).unwrap();
            created.values().swap_remove(at)
        };
        for (column, (changed, kind)) in changes.iter() {
            let (created, created_kind) = value(column.name());
            assert_eq!(*kind, created_kind, "{}", column.name());
            assert_eq!(format!("{changed:?}"), format!("{created:?}"), "{}", column.name());
        }
    }

    #[test]
    fn a_change_of_all_members_sets_what_a_creation_stores() {
        let new = || NewProduct::from_members(members(&NewProduct::example())).unwrap();
        assert_complete(&new().into_product(), &ProductPatch::from(new()).into_changes());
        let new = || members(&NewArtisan::example());
        let patch = ArtisanPatch::from_members(new()).unwrap();
        assert_complete(&NewArtisan::from_members(new()).unwrap().into_artisan(), &patch.into_changes());
    }

    #[test]
    fn a_change_of_nothing_is_none() {
        let sql = update::<Product>(std::iter::empty());
        assert!(sql.contains("and false") && sql.contains("set\n    version ="), "{sql}");
        assert!(!Statements::shown::<Artisan>().contains(" :"), "every name is a number");
    }
}
