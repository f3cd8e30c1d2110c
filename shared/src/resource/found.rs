//! The SQL of a page of search results, fast for rare and for frequent terms alike.
//!
//! An index finds the rows that contain a term, but in no order. So there are several plans for a page, and
//! one may take a hundred times as long as another: sort all rows from the index of the term, from that of a
//! filter, or from both combined; or walk through the rows in order until the page is full. The database
//! function `search_way` chooses by a sample of the table's pages, always the same pages, so that they stay
//! in memory. The choice affects how long a search takes, never what it finds.
//!
//! In a small table every plan is fast, and planning all of them takes longer than the search. So each search
//! also reports whether the table is small ([`is_sampled`]), and the process uses plain statements from then
//! on, until the table has grown.
//!
//! A table with leads can be walked by relevance and by name: each rank is a class of rows, and within each
//! class in turn the names are walked in order. Only names whose first character is a lead are visited: the
//! leads of a gram are the first characters of all names that contain it.

use uuid::Uuid;

use super::{
    Resource,
    order::{Order, Ordered},
    read_columns,
    search::SearchTerm,
};
use crate::{
    db::{Bound, Select, value::Value},
    text::FOLDINGS,
};

/// Placeholder for the condition that the key contains the term.
const CONTAINS: &str = "{contains}";

/// Placeholder for the conjunction of the filters.
pub(super) const PASSES: &str = "{passes}";

/// Placeholder for the disjunction of the filters; false without filters.
const PASSES_ANY: &str = "{passes_any}";

/// Placeholder for whether there are filters.
const IS_FILTERED: &str = "{is_filtered}";

/// Placeholder for the sum of the numbers of rows that each filter matches.
const ENTRIES: &str = "{entries}";

/// Placeholder for the condition of the rows after the cursor's position.
pub(super) const AFTER: &str = "{after}";

/// The rank of every row that contains the term, if ranks are irrelevant.
const ANY_RANK: i32 = 4;

/// The result column that reports whether the table is sampled.
pub(super) const IS_SAMPLED: &str = "is_sampled";

/// The cost of a row in a walk through the index of names, in microseconds: 0.3 measured, times four, because
/// hits are not spread evenly among names, and because a walk that may go far has to be worth it.
pub(super) const NAMED: &str = "1.2";

/// The same for other orders, where each row is read from the table.
pub(super) const READ: &str = "2.5";

/// The SQL of a search page in one of the orders. The parameters are the term folded by the current version,
/// the term folded by the previous version, and the number of rows.
#[derive(Debug)]
pub(super) struct Found {
    sql: String,
    /// Whether it walks by name; then further parameters are the rank, name and id after which the page
    /// begins.
    is_by_name: bool,
}

impl Found {
    /// The search by relevance, which is `order`.
    pub(super) fn by_relevance<T: Resource>(order: &Ordered, is_small: bool) -> Self {
        let rank = format!("search_rank(search_key, {})", term());
        Self::new::<T>(Some(&rank), order, is_small, T::HAS_LEADS)
    }

    /// The search in one of the resource's orders.
    pub(super) fn in_order<T: Resource>(order: &Order, sql: &Ordered, is_small: bool) -> Self {
        Self::new::<T>(None, sql, is_small, T::HAS_LEADS && order.is_by(T::MATCHES))
    }

    fn new<T: Resource>(rank: Option<&str>, order: &Ordered, is_small: bool, has_names: bool) -> Self {
        let is_by_name = has_names && !is_small;
        let sql = match (is_small, is_by_name) {
            (true, _) => plain::<T>(rank, order),
            (_, true) => by_name::<T>(rank),
            _ => sorted::<T>(rank, order),
        };
        Self { sql, is_by_name }
    }

    /// Whether it walks by name.
    pub(super) fn is_by_name(&self) -> bool {
        self.is_by_name
    }

    /// The SQL text with its placeholders.
    pub(super) fn shown(&self) -> &str {
        &self.sql
    }

    /// The SELECT of the page for `term`: `rows` rows that match `conditions`, after `position` in `order`.
    pub(super) fn page(
        &'static self,
        term: &SearchTerm,
        conditions: &[(&'static str, Value)],
        order: &'static Ordered,
        position: Option<Vec<Value>>,
        rows: i64,
    ) -> Select {
        let mut parameters = term.values();
        parameters.push(Value::Int8(rows));
        let after = if self.is_by_name {
            parameters.extend(match position {
                None => vec![Value::Int4(0), Value::from(""), Value::Uuid(Uuid::nil())],
                Some(unranked) if unranked.len() == 2 => [vec![Value::Int4(ANY_RANK)], unranked].concat(),
                Some(ranked) => ranked,
            });
            None
        } else {
            position
        };
        let mut select = Select::with("", parameters);
        let contains = term.contained(&mut select);
        let passes = conditions.iter().map(|(text, value)| select.bind(text, vec![value.clone()]));
        let passes: Vec<_> = passes.collect();
        let after = after.map(|position| select.bind(&order.after, position));
        let parts = [
            (CONTAINS, contains),
            (PASSES_ANY, Bound::any(&passes)),
            (IS_FILTERED, Bound::of(!passes.is_empty())),
            (ENTRIES, Bound::counted(&passes)),
            (PASSES, Bound::all(&passes)),
            (AFTER, Bound::all(after.as_slice())),
        ];
        select.fill(&self.sql, &parts);
        select
    }
}

/// SQL for the term, folded by the same version as the row's key.
fn term() -> String {
    let [_, (before, _)] = FOLDINGS;
    format!("case search_version when {before} then $2 else $1 end")
}

/// A result column: whether the table of `T` is sampled because it is not small.
pub(super) fn is_sampled<T: Resource>() -> String {
    format!("(select search_sample('{}') > 0) as {IS_SAMPLED}", T::TABLE)
}

/// `columns`, with the rank if there is one.
fn with_rank(columns: &str, rank: Option<&str>) -> String {
    rank.map_or_else(|| columns.to_owned(), |rank| format!("{columns}, {rank} as rank"))
}

/// The page of a small table in `order`, by `rank` first if there is one: PostgreSQL plans it.
fn plain<T: Resource>(rank: Option<&str>, order: &Ordered) -> String {
    format!(
        "select *, {is_sampled}
from (
  select {columns}
  from {table}
  where {CONTAINS} and {PASSES}
) found
where {AFTER}
{by}",
        is_sampled = is_sampled::<T>(),
        columns = with_rank(&read_columns::<T>(""), rank),
        table = T::TABLE,
        by = order.by_rows("$3"),
    )
}

/// CTEs: the rows of the sample that contain the term, as `sample`; how many the filters match, as
/// `filtered`, which is empty without filters; and the best plan for `rows` rows if each row of a walk costs
/// `step`, as `choice`.
fn sampled<T: Resource>(rank: &str, rows: &str, step: &str) -> String {
    let (table, term) = (T::TABLE, term());
    format!(
        "with sample as materialized (
  select search_key, {term} as term, {rank} as rank, {PASSES} as passes
  from {table} tablesample system (search_sample('{table}')) repeatable (0)
  where strpos(search_key, {term}) > 0
), filtered as (
  select count(*) filter (where {PASSES}) as passing, {ENTRIES} as entries
  from {table} tablesample system (search_sample('{table}')) repeatable (0)
  where {PASSES_ANY}
  having {IS_FILTERED}
), choice as materialized (
  select
    search_way(
      count(*),
      count(*) filter (where passes),
      (select passing from filtered),
      (select entries from filtered),
      {rows},
      {step},
      '{table}'
    ) as way
  from sample
)"
    )
}

/// Selects `columns` of all hits, unordered, through the indexes of the plan in `choice`. `offset 0` keeps
/// the planner from walking an index in another order, and from visiting a plan that is not taken.
fn listed<T: Resource>(columns: &str) -> String {
    let (table, term) = (T::TABLE, term());
    format!(
        "(
      select {columns}
      from (
        select *
        from {table}
        where {CONTAINS} and choice.way = 'term'
        offset 0
      ) listed
      where {PASSES}
    )
    union all
    (
      select {columns}
      from {table}
      where {IS_FILTERED} and strpos(search_key, {term}) > 0 and {PASSES} and choice.way = 'filter'
      offset 0
    )
    union all
    (
      select {columns}
      from {table}
      where {IS_FILTERED} and {CONTAINS} and {PASSES} and choice.way = 'both'
      offset 0
    )"
    )
}

/// The page in `order`, by `rank` first if there is one: sorts all hits or, unless there is a rank, which no
/// index is ordered by, walks the rows in order.
fn sorted<T: Resource>(rank: Option<&str>, order: &Ordered) -> String {
    let (columns, table, term) = (read_columns::<T>(""), T::TABLE, term());
    let by = order.by_rows("$3");
    let walked = format!(
        "
    union all
    (
      -- No index or statistics apply to this condition, which leaves only the index in order.
      select {columns}
      from {table}
      where {AFTER} and choice.way = 'walk'
        and case when strpos(search_key, {term}) > 0 then {PASSES} else false end
      {by}
    )"
    );
    let (rows, step, walked) = if rank.is_none() { ("$3", READ, &*walked) } else { ("null", "null", "") };
    format!(
        "{sampled}
select {columns}{ranked}, {is_sampled}
from choice, lateral (
    {listed}{walked}
) found
where {AFTER}
{by}",
        sampled = sampled::<T>("null", rows, step),
        ranked = if rank.is_some() { ", rank" } else { "" },
        is_sampled = is_sampled::<T>(),
        listed = listed::<T>(&with_rank(&columns, rank)),
    )
}

/// The page in the order of names, or of `rank` and then names, of a table with leads.
fn by_name<T: Resource>(rank: Option<&str>) -> String {
    let (columns, table, term) = (read_columns::<T>(&format!("{}.", T::TABLE)), T::TABLE, term());
    const { assert!(!T::HAS_LEADS || T::MATCHES.len() == 1, "leads are those of one name") };
    let name = T::MATCHES[0];
    let any_rank = ANY_RANK.to_string();
    let classes = match rank {
        Some(_) => r"(0, E'\n ', E' \n'), (1, E'\n ', ' '), (2, E'\n ', ''), (3, ' ', ' '), (4, '', '')",
        None => "(4, '', '')",
    };
    let is_of_class = rank.map(|rank| format!("\n          and {rank} = class.rank")).unwrap_or_default();
    let rank = rank.unwrap_or(&any_rank);
    let mut covered = format!("id, {name}, search_key, search_version");
    for filter in T::FILTERS {
        if !covered.split(", ").any(|column| column == filter.member) {
            covered.push_str(", ");
            covered.push_str(filter.member);
        }
    }
    format!(
        "{sampled}, class as materialized (
  -- A class has the rows of one rank. All of them contain the term between `start` and `stop`.
  select rank, way, grams, earlier_grams, leads,
    case when rank = $4 then $5 else '' end as after_name,
    case when rank = $4 then $6 else '00000000-0000-0000-0000-000000000000' end as after_id
  from (values {classes}) class (rank, start, stop), lateral (
    select term_grams(start || $1 || stop) as grams,
      case when $2 <> $1 then term_grams(start || $2 || stop) end as earlier_grams
  ) searched, lateral (
    select array(
      select lead
      from {table}_leads
      where gram = any (grams || earlier_grams)
      group by lead
      having count(*) filter (where gram = any (grams)) = cardinality(grams)
        or count(*) filter (where gram = any (earlier_grams)) = cardinality(earlier_grams)
      order by lead
    ) as leads
  ) noted, lateral (
    select
      search_way(
        count(*) filter (where strpos(search_frame(search_key), start || term || stop) > 0),
        count(*) filter (where sample.rank = class.rank and passes),
        (select passing from filtered),
        null,
        $3,
        {NAMED},
        '{table}'
      ) as way
    from sample
  ) chosen
  where rank >= $4 and (select way from choice) = 'walk'
), few as (
  select found.*
  from choice, lateral (
    {listed}
  ) found
  where (found.rank, {name}, id) > ($4, $5, $6)
  order by found.rank, {name}, id
  limit $3
), many as (
  select found.*, class.rank
  from class, lateral (
    -- All hits of a class with few rows.
    select * from (
      select id, {name}
      from (
        select {covered}
        from {table}
        where (search_grams(search_frame(search_key)) @> class.grams or search_grams(search_frame(search_key)) @> class.earlier_grams)
          and class.way <> 'walk' and class.leads <> '{{}}'
        offset 0
      ) listed
      where strpos(search_key, {term}) > 0{is_of_class}
        and {PASSES} and ({name}, id) > (class.after_name, class.after_id)
      order by {name}, id
      limit $3
    ) listed
    union all
    -- The next hits in the order of names of any other class.
    select * from (
      select walked.*
      from (
        select lead
        from unnest(class.leads) lead
        where lead >= left(class.after_name, 1) and class.way = 'walk'
      ) leads, lateral (
        -- No index or statistics apply to this condition, which leaves only the index in order.
        select id, {name}
        from {table}
        where ({name}, id) > (
            greatest(class.after_name, lead),
            case when class.after_name >= lead then class.after_id else '00000000-0000-0000-0000-000000000000' end
          )
          and {name} < lead_end(lead)
          and case when strpos(search_key, {term}) > 0 then {PASSES}{is_of_class} else false end
        order by {name}, id
        limit $3
      ) walked
      limit $3
    ) walked
  ) found
  -- Classes and leads are in order, so no more of them are visited than it takes to fill the page.
  limit $3
), page as (
  select * from (select * from few union all select * from many) found
  order by rank, {name}, id
  limit $3
)
select {columns}, rank, {is_sampled}
from page join {table} using (id, {name})
order by rank, {name}, id",
        is_sampled = is_sampled::<T>(),
        sampled = sampled::<T>(rank, "$3", NAMED),
        listed = listed::<T>(&with_rank(&format!("id, {name}"), Some(rank))),
    )
}
