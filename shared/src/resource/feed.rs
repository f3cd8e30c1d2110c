//! The feed: all changes of all resources, in an order in which none is missed.
//!
//! A change has the id of its transaction as its position, or that of the version before it if that is higher
//! (`migrations/V21__feed.sql`). A page ends before the oldest transaction that is still running, so that
//! everything before its end is final: none that was committed is skipped, whatever overlaps, and none that was
//! rolled back is shown. Changes with the same position are ordered by resource, id and version.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use utoipa::{
    IntoParams, PartialSchema,
    openapi::{
        KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat,
        path::{Parameter, ParameterIn},
        schema::{SchemaType, Type as SchemaKind},
    },
};
use uuid::Uuid;

use super::{Member, Whole};
use crate::{
    App, Operation,
    contract::query,
    db::{self, Row, Select, Type, value::Value},
    history::{HistoryEntry, LIST_HISTORY},
    http::{FromParameter, Request, Response, Result},
    telemetry::{self, Step},
    time::Moment,
};

/// How often a waiting request looks for changes. `listen` would need a session of its own, which RDS Proxy
/// cannot share.
const PAUSE: Duration = Duration::from_millis(250);

/// The longest wait in seconds; API Gateway gives up after 29.
const MAX_WAIT_SECONDS: i64 = 20;

/// The seconds that a request waits for a change if there is none.
type Wait = Whole<0, MAX_WAIT_SECONDS>;

/// The query parameters of a feed besides those of its page and its filter.
#[derive(Debug)]
pub struct Following;

impl IntoParams for Following {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![
            query(
                "since",
                "Without a cursor, start at the first change that was recorded at or after this time by the clock of the \
                 database; earlier ones may be among those that follow. Ignored with a cursor.",
                Since::schema(),
            ),
            query(
                "wait",
                "If there is no change, wait up to this many seconds for one, or as long as the function's time-out allows.",
                Wait::accepted(),
            ),
        ]
    }
}

/// The time at which a feed starts.
struct Since(Moment);

impl FromParameter for Since {
    fn from_parameter(text: &str) -> Result<Self, String> {
        // The last hours of RFC 3339 are beyond a Timestamp.
        let last = || text.replacen("9999-12-3", "1999-12-3", 1).parse().map(|_: Timestamp| Timestamp::MAX);
        let time = text.parse().or_else(|_| last()).map(|time: Timestamp| Self(time.into()));
        time.map_err(|_| "must be a time of RFC 3339, such as 2026-11-21T09:30:00Z".to_owned())
    }
}

impl PartialSchema for Since {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(SchemaType::Type(SchemaKind::String));
        text.format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).build().into()
    }
}

/// A place between two changes: after the one with this position in the feed, resource, id and version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Place(i64, String, Uuid, i64);

impl Place {
    /// The place before all changes at `position`.
    fn before(position: i64) -> Self {
        Self(position, String::new(), Uuid::nil(), 0)
    }

    /// The place after the change in `row`.
    fn after(row: &Row) -> Result<Self, db::Error> {
        let name: String = row.try_get("resource")?;
        Ok(Self(row.try_get("position")?, name, row.try_get("resource_id")?, row.try_get("version")?))
    }
}

/// Selects the position of the last change before the horizon, with each change of a page or once without one.
const PAGE: [&str; 2] = [
    "with horizon as materialized (
  select position, (select max(h.position) from history h where h.position < horizon.position) as last_position
  from feed_horizon() horizon (position)
)
select horizon.last_position, changes.*
from horizon
left join lateral (",
    "order by position, resource, resource_id, version
limit ?
) changes on true",
];

/// Selects where a feed starts that begins at the time `$1`: at the first change since then, but never after one that
/// is still to come.
const START: &str = "
select least(
  feed_horizon(),
  (select position from history where at >= $1 order by position limit 1)
) as position";

impl App {
    /// The response of `operation` to `request`: a page of the changes of `resources`, the names of all there
    /// are. Waits for a change if there is none and the request says so.
    ///
    /// # Errors
    /// 400 with all errors in the query; 503 if the database is unavailable.
    pub async fn changes(
        &self,
        request: &Request,
        operation: &Operation,
        resources: &[&'static str],
    ) -> Result<Response> {
        let mut query = request.query();
        let resource = query.optional_as("resource", |text| {
            let known = resources.iter().find(|resource| **resource == text);
            known.copied().ok_or_else(|| format!("must be one of {}", resources.join(", ")))
        });
        let since = query.optional("since");
        let wait = query.optional_as("wait", Wait::accept_text).map_or(0, Wait::get);
        let page = query.page_with_any(&["since", "wait"], operation.name);
        query.finish()?;

        let start = match page.position(&self.cursor_keys, Some::<Place>)? {
            Some(place) => place,
            None => self.start(since).await?,
        };
        let Place(position, name, id, version) = start.clone();
        let mut select = Select::new(LIST_HISTORY);
        select.filter("position < horizon.position", vec![]);
        let place = vec![Value::Int8(position), Value::from(&*name), Value::Uuid(id), Value::Int8(version)];
        select.filter("(position, resource, resource_id, version) > (?, ?, ?, ?)", place);
        if let Some(resource) = resource {
            select.filter("resource = ?", vec![Value::from(resource)]);
        }
        let [head, end] = PAGE;
        select.end(end, vec![Value::Int8(page.rows())]);
        let select = select.within(head);

        // The last statement and the response take time, too.
        let patience = Duration::from_secs(wait.unsigned_abs()).min(self.database.time_left() * 4 / 5);
        let deadline = Instant::now() + patience;
        let (last_position, rows) = loop {
            let (last_position, rows) = self.changes_of(&select).await?;
            if !rows.is_empty() || Instant::now() + PAUSE > deadline {
                break (last_position, rows);
            }
            let waiting = telemetry::step(Step::Change);
            sleep(PAUSE).await;
            drop(waiting);
        };
        let placed = |row: &Row| Ok::<_, db::Error>((Place::after(row)?, HistoryEntry::from_row(row)?));
        let mut placed = rows.iter().map(placed).collect::<Result<Vec<_>, _>>()?;
        // A join promises no order, though this one keeps that of its rows.
        placed.sort_by(|(place, _), (other, _)| place.cmp(other));
        let (places, changes): (Vec<_>, Vec<_>) = placed.into_iter().unzip();
        page.respond_endlessly(request, &self.cursor_keys, changes, |shown, has_more| {
            let last = places.into_iter().take(shown).next_back().filter(|_| has_more);
            // After the last change, although it may be of another resource: the next request need not look at it
            // again.
            let end = || last_position.map_or(start.clone(), |last| Place::before(last + 1).max(start));
            last.unwrap_or_else(end)
        })
    }

    /// The position of the last change before the horizon, and the rows of the page's changes.
    async fn changes_of(&self, select: &Select) -> Result<(Option<i64>, Vec<Row>), db::Error> {
        let mut rows = self.database.read(select.sql(), &select.parameters()).await?;
        let last_position = rows.first().map(|row| row.try_get("last_position")).transpose()?.flatten();
        if let [only] = &*rows
            && only.try_get::<_, Option<i64>>("version")?.is_none()
        {
            rows.clear();
        }
        Ok((last_position, rows))
    }

    /// Where a feed without a cursor starts: at the first change since `since`, or at the very first.
    async fn start(&self, since: Option<Since>) -> Result<Place> {
        let Some(Since(time)) = since else { return Ok(Place::before(0)) };
        let row = self.database.read_optional(START, &[(&time, Type::TIMESTAMPTZ)]).await?;
        let position = row.map(|row| row.try_get("position")).transpose().map_err(db::Error::from)?;
        Ok(Place::before(position.unwrap_or_default()))
    }
}
