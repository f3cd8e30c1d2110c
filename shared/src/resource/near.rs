//! Near hits: names that almost contain the search term. A search lists them after all names that contain it.
//!
//! If the exact hits do not fill the page, the same statement also finds near hits; all later pages have only
//! near hits. The database function `search_near` decides what is near.

use uuid::Uuid;

use super::{
    Resource,
    found::{AFTER, NAMED, PASSES, READ, is_sampled},
    order::{Order, Ordered},
    read_columns,
    search::SearchTerm,
};
use crate::{
    db::{Bound, Select, value::Value},
    text::FOLDING,
};

/// The minimum length of a term with near hits, in characters.
const MIN_CHARACTERS: usize = 4;

/// The rank of near hits, after all ranks of exact hits.
const RANK: i32 = 5;

/// Placeholder for the condition that a key is near the term.
const IS_NEAR: &str = "{is_near}";

/// Placeholder for the conjunction of the filters on references.
const REFERS: &str = "{refers}";

/// Placeholders for the name and id after which a walk by name starts.
const AFTER_NAME: &str = "{after_name}";
const AFTER_ID: &str = "{after_id}";

/// Placeholder for the term, or null if no near hits are needed.
const TERM: &str = "{term}";

/// Placeholder for the number of rows.
const ROWS: &str = "{rows}";

/// The condition for near hits, which excludes exact hits.
const NEAR: &str = "search_key like any (near_patterns) and (near_words is null or search_key ~ near_words) and strpos(search_key, ?) = 0";

/// The condition added if the previous folding folds the term differently: a key of that version may be an
/// exact hit that does not contain the term as it is folded now.
const OF_THIS_FOLDING: &str = "search_version = ?";

/// The SQL for near hits of a search in one of its orders.
#[derive(Debug)]
pub(super) struct Near {
    /// Selects near hits in order.
    hits: String,
    /// Selects exact hits, then near hits.
    all: String,
    /// The start of a statement that selects only near hits.
    alone: String,
    /// Whether exact hits have ranks.
    is_ranked: bool,
    /// The order of near hits. All have the same rank.
    order: Ordered,
    /// The order of all hits.
    pub(super) found: Ordered,
}

impl Near {
    /// Near hits of the search by relevance.
    pub(super) fn by_relevance<T: Resource>(found: Ordered, is_small: bool) -> Self {
        let order = Ordered::new(&[], found.keys.clone(), false);
        let hits = if is_small { plain::<T>(&order) } else { hits::<T>(&order, T::HAS_LEADS) };
        Self::new::<T>(hits, order, found, true)
    }

    /// Near hits of the search in one of the resource's orders.
    pub(super) fn in_order<T: Resource>(order: &Order, is_small: bool) -> Self {
        let (is_by_name, sql) = (T::HAS_LEADS && order.is_by(T::MATCHES), Ordered::of::<T>(order));
        let hits = if is_small { plain::<T>(&sql) } else { hits::<T>(&sql, is_by_name) };
        Self::new::<T>(hits, sql, Ordered::of_found::<T>(order), false)
    }

    fn new<T: Resource>(hits: String, order: Ordered, found: Ordered, is_ranked: bool) -> Self {
        let columns = read_columns::<T>("");
        let rank = if is_ranked { "rank" } else { "0 as rank" };
        let all = format!(
            "select *, {is_sampled}
from (
  select {columns}, {rank}
  from exact
  union all
  select {columns}, {RANK}
  from near
) found",
            is_sampled = is_sampled::<T>(),
        );
        let alone = format!("select {columns}, {RANK} as rank, {}\nfrom (\n", is_sampled::<T>());
        Self { hits, all, alone, is_ranked, order, found }
    }

    /// The statement around that of the exact hits, for documentation.
    pub(super) fn shown(&self) -> String {
        let Self { hits, all, .. } = self;
        format!(
            "with exact as materialized (
  -- the search above
), near as (
{hits}
)
{all}"
        )
    }
}

/// Selects near hits in `order`: either sorts everything that the trigram index finds, or walks the rows in
/// order until there are enough; see the module [`found`](super::found).
fn hits<T: Resource>(order: &Ordered, is_by_name: bool) -> String {
    let (columns, table, by) = (read_columns::<T>(""), T::TABLE, order.by_rows(ROWS));
    let (step, walked) = match T::MATCHES {
        [name] if is_by_name => (NAMED, walked_by_name::<T>(name)),
        _ => (
            READ,
            format!(
                "select {columns}
      from {table}
      where {AFTER} and choice.way = 'walk' and case when {IS_NEAR} then {PASSES} else false end
      {by}"
            ),
        ),
    };
    format!(
        "select {columns}
from search_near('{resource}', {TERM}) near (near_texts, near_patterns, near_words), lateral (
  select search_way(count(*), count(*) filter (where {PASSES}), null, null, {ROWS}, {step}, '{table}') as way
  from {table} tablesample system (search_sample('{table}')) repeatable (0)
  where {IS_NEAR}
) choice, lateral (
    (
      select {columns}
      from (
        -- The number of hits cannot be estimated, and the planner's guess is high. `offset 0` prevents other indexes: those of
        -- filters would be read for nothing. References are selective enough.
        select *
        from {table}
        where {IS_NEAR} and {REFERS} and choice.way <> 'walk'
        offset 0
      ) listed
      where {PASSES} and {AFTER}
    )
    union all
    (
      {walked}
    )
) found
{by}",
        resource = T::NAME,
    )
}

/// Selects near hits of a small table in `order`.
fn plain<T: Resource>(order: &Ordered) -> String {
    let columns = read_columns::<T>("");
    format!(
        "select {columns}
from search_near('{resource}', {TERM}) near (near_texts, near_patterns, near_words), lateral (
  -- The number of hits cannot be estimated: `offset 0` prevents other indexes.
  select *
  from {table}
  where {IS_NEAR} and {REFERS}
  offset 0
) found
where {PASSES} and {AFTER}
{by}",
        resource = T::NAME,
        table = T::TABLE,
        by = order.by_rows(ROWS),
    )
}

/// Selects near hits in the order of names, by the leads of each text that they may contain.
fn walked_by_name<T: Resource>(name: &str) -> String {
    let (columns, table) = (read_columns::<T>(&format!("{}.", T::TABLE)), T::TABLE);
    format!(
        "select {columns}
      from (
        select walked.*
        from (
          select distinct lead
          from unnest(near_texts) text, lateral (
            select lead
            from {table}_leads
            where gram = any (term_grams(text)) and lead >= left({AFTER_NAME}, 1) and choice.way = 'walk'
            group by lead
            having count(*) = cardinality(term_grams(text))
          ) leads
          order by lead
        ) leads, lateral (
          select id, {name}
          from {table}
          where ({name}, id) > (
              greatest({AFTER_NAME}, lead),
              case when {AFTER_NAME} >= lead then {AFTER_ID} else '00000000-0000-0000-0000-000000000000' end
            )
            and {name} < lead_end(lead)
            and case when {IS_NEAR} then {PASSES} else false end
          order by {name}, id
          limit {ROWS}
        ) walked
        limit {ROWS}
      ) walked join {table} using (id, {name})"
    )
}

/// Whether `term` is long enough for near hits.
pub(super) fn tolerates_typos(term: &SearchTerm) -> bool {
    term.folded().chars().nth(MIN_CHARACTERS - 1).is_some()
}

/// A page of a search with near hits after the exact ones.
pub(super) struct NearPage<'a> {
    pub(super) near: &'static Near,
    pub(super) term: &'a SearchTerm,
    /// The filters, with their values.
    pub(super) conditions: &'a [(&'static str, Value)],
    pub(super) rows: i64,
}

impl NearPage<'_> {
    /// The statement for the page after `position`; `exact` returns the statement for exact hits after a
    /// position.
    pub(super) fn select(
        &self,
        position: Option<Vec<Value>>,
        exact: impl FnOnce(Option<Vec<Value>>) -> Select,
    ) -> Select {
        let Some(mut position) = position else { return self.after(exact(None)) };
        let is_near = position.first() == Some(&Value::Int4(RANK));
        if is_near || !self.near.is_ranked {
            position.remove(0);
        }
        if is_near { self.alone(position) } else { self.after(exact(Some(position))) }
    }

    /// `exact`, followed by near hits if it does not fill the page.
    fn after(&self, exact: Select) -> Select {
        let mut select = exact.within("with exact as materialized (");
        select.end("), near as (\n", Vec::new());
        let term = select.bind(
            "case when (select count(*) from exact) < ? then ? end",
            vec![Value::Int8(self.rows), self.term.value()],
        );
        self.hits(&mut select, term, None);
        select.end(")", Vec::new());
        select.end(&self.near.all, Vec::new());
        select.end(&self.near.found.by, vec![Value::Int8(self.rows)]);
        select
    }

    /// Only near hits, after the near hit at `position`.
    fn alone(&self, position: Vec<Value>) -> Select {
        let mut select = Select::new(&self.near.alone);
        let term = select.bind("?", vec![self.term.value()]);
        self.hits(&mut select, term, Some(position));
        select.end(") near", Vec::new());
        select.end(&self.near.order.by, vec![Value::Int8(self.rows)]);
        select
    }

    /// Appends the near hits to `select`.
    fn hits(&self, select: &mut Select, term: Bound, position: Option<Vec<Value>>) {
        let mut is_near = vec![select.bind(NEAR, vec![self.term.value()])];
        if self.term.is_folded_otherwise_before() {
            is_near.push(select.bind(OF_THIS_FOLDING, vec![Value::Int4(FOLDING)]));
        }
        let rows = select.bind("?", vec![Value::Int8(self.rows)]);
        let (mut passes, mut refers) = (Vec::new(), Vec::new());
        for (condition, value) in self.conditions {
            let passing = select.bind(condition, vec![value.clone()]);
            if let Value::Uuid(_) = value {
                refers.push(passing.clone());
            }
            passes.push(passing);
        }
        let (after_name, after_id) = match position.as_deref() {
            Some([name @ Value::Text(_), id]) => {
                (select.bind("?", vec![name.clone()]), select.bind("?", vec![id.clone()]))
            }
            _ => (select.bind("''", Vec::new()), select.bind("?", vec![Value::Uuid(Uuid::nil())])),
        };
        let after = position.map(|position| select.bind(&self.near.order.after, position));
        let parts = [
            (TERM, term),
            (IS_NEAR, Bound::all(&is_near)),
            (PASSES, Bound::all(&passes)),
            (REFERS, Bound::all(&refers)),
            (AFTER, Bound::all(after.as_slice())),
            (AFTER_NAME, after_name),
            (AFTER_ID, after_id),
            (ROWS, rows),
        ];
        select.fill(&self.near.hits, &parts);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{
        super::{Described, sample::Cup},
        *,
    };
    use crate::http::FromParameter;

    /// The statement for `term` after `position`, by relevance or in the last of the orders, which is
    /// descending.
    fn select(term: &str, is_by_relevance: bool, position: Option<Vec<Value>>) -> Select {
        let (statements, term) = (Cup::statements(), SearchTerm::from_parameter(term).unwrap());
        let last = statements.orders.len() - 1;
        let near = &statements.search::<Cup>((!is_by_relevance).then_some(last)).near;
        let page = NearPage { near, term: &term, conditions: &[("price > ?", Value::Int8(7))], rows: 21 };
        page.select(position, |position| {
            let mut exact = Select::new("select exact from cups");
            if let Some(position) = position {
                exact.filter(if is_by_relevance { &statements.matches().after } else { "true" }, position);
            }
            exact
        })
    }

    fn at(rank: i32) -> Option<Vec<Value>> {
        Some(vec![Value::Int4(rank), Value::from("Cup"), Value::Uuid(Uuid::nil())])
    }

    #[test]
    fn near_hits_follow_a_page_that_is_not_full() {
        let select = select("celadn", true, None);
        let sql = select.sql();
        assert!(
            sql.starts_with("with exact as materialized (\nselect exact from cups\n), near as (\n"),
            "{sql}"
        );
        assert!(
            sql.contains("search_near('cup', case when (select count(*) from exact) < $1 then $2 end)"),
            "{sql}"
        );
        assert!(sql.contains("where price > $5 and true\n"), "{sql}");
        assert!(sql.ends_with(") found\norder by rank, name, id\nlimit $7"), "{sql}");
        assert_eq!(select.parameters().len(), 7);
    }

    #[test]
    fn a_page_after_an_exact_hit_goes_on_with_exact_ones() {
        let select = select("celadn", true, at(4));
        assert!(
            select.sql().contains("select exact from cups\nwhere (rank, name, id) > ($1, $2, $3)\n), near")
        );
        assert!(select.sql().contains("from exact) < $4"));
    }

    #[test]
    fn a_page_after_a_near_hit_has_near_ones_alone() {
        let select = select("celadn", true, at(RANK));
        let sql = select.sql();
        assert!(sql.starts_with("select id, "), "{sql}");
        assert!(sql.contains("5 as rank, ") && !sql.contains("exact"), "{sql}");
        assert!(sql.contains("where price > $4 and (name, id) > ("), "{sql}");
        assert!(sql.ends_with("order by name, id\nlimit $9"), "{sql}");
    }

    #[test]
    fn exact_hits_come_first_where_an_order_descends() {
        let sql = select("celadn", false, None).sql().to_owned();
        assert!(sql.contains(", 0 as rank\n  from exact"), "{sql}");
        let (_, by) = sql.rsplit_once("order by ").unwrap();
        assert!(by.starts_with("rank, (fired_on is null) desc, "), "{by}");
    }

    #[test]
    fn rows_of_the_folding_before_are_left_out_where_that_matters() {
        assert!(!select("celadn", true, None).sql().contains("search_version"));
        assert!(select("ガラス皿", true, None).sql().contains("and search_version = $"));
    }

    #[test]
    fn three_characters_are_too_few() {
        for (term, expected) in
            [("cup", false), ("cups", true), ("ßa", false), ("ßaa", true), ("備前焼", false)]
        {
            assert_eq!(tolerates_typos(&SearchTerm::from_parameter(term).unwrap()), expected, "{term}");
        }
    }
}
