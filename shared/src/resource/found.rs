//! The statement of a page of a search, for terms that few rows have or many.
//!
//! An index finds the rows of a term, but in no order. So there are several ways to a page, each of which may take a hundred
//! times as long as another: to sort all rows that the index of the term finds, or that of a filter, or both; or to walk
//! through the rows in their order until the page is full. The function `search_way` of the schema chooses by a sample of
//! the table's pages, the same pages at each search, so that they are in memory. The choice alters how long a search takes,
//! never what it finds.
//!
//! In a small table every way is fast, and to plan them all takes longer than to search. So each search also tells whether
//! the table is small ([`is_sampled`]), and the process searches it by plain statements from then on, until it has grown.
//!
//! Where a table has leads, it can be walked by relevance and by name: each rank is a class of rows by itself, and of each
//! class in turn, names are walked through in their order. Those alone whose first character is a lead, which is what names
//! begin with that have all grams of the term.

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

/// Stands in a statement for the condition that the key contains the term.
const CONTAINS: &str = "{contains}";

/// Stands in a statement for what the filters want.
pub(super) const PASSES: &str = "{passes}";

/// Stands in a statement for the condition that any of the filters lets a row pass: false where there are none.
const PASSES_ANY: &str = "{passes_any}";

/// Stands in a statement for whether there are filters.
const IS_FILTERED: &str = "{is_filtered}";

/// Stands in a statement for how many rows each of the filters lets pass, added up.
const ENTRIES: &str = "{entries}";

/// Stands in a statement for what is after the position of a cursor.
pub(super) const AFTER: &str = "{after}";

/// The rank of all rows that contain the term, where ranks decide nothing.
const ANY_RANK: i32 = 4;

/// The column that says whether the table is sampled.
pub(super) const IS_SAMPLED: &str = "is_sampled";

/// How long a row takes in a walk through the index of names, in microseconds: 0.3; four times as long, because hits are not
/// spread evenly among names, and a walk that may have to go far must be worth it.
pub(super) const NAMED: &str = "1.2";

/// The same in other orders, where each row of the table is read.
pub(super) const READ: &str = "2.5";

/// A search in one of its orders, as SQL: the page of it. Parameters are the term as folded now and as folded by the version
/// before, and the number of rows.
#[derive(Debug)]
pub(super) struct Found {
    sql: String,
    /// Whether further parameters are the rank, name and id after which the page begins.
    is_by_name: bool,
}

impl Found {
    /// The search by relevance, which is `order`.
    pub(super) fn by_relevance<T: Resource>(order: &Ordered, is_small: bool) -> Self {
        let rank = format!("search_rank(search_key, {})", term());
        Self::new::<T>(Some(&rank), order, is_small, T::HAS_LEADS)
    }

    /// The search in an order of the list.
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

    /// Whether it walks through names.
    pub(super) fn is_by_name(&self) -> bool {
        self.is_by_name
    }

    /// The statement, for readers.
    pub(super) fn shown(&self) -> &str {
        &self.sql
    }

    /// The page for `term`: of what `conditions` let pass, `rows` rows after `position` in `order`.
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

/// The term as the version folds it that has folded the key of a row.
fn term() -> String {
    let [_, (before, _)] = FOLDINGS;
    format!("case search_version when {before} then $2 else $1 end")
}

/// Whether the table of `T` is sampled, because it is not small: a column of what a search returns.
pub(super) fn is_sampled<T: Resource>() -> String {
    format!("(select search_sample('{}') > 0) as {IS_SAMPLED}", T::TABLE)
}

/// `columns`, and the rank if there is one.
fn with_rank(columns: &str, rank: Option<&str>) -> String {
    rank.map_or_else(|| columns.to_owned(), |rank| format!("{columns}, {rank} as rank"))
}

/// The page of a small table in `order`, which begins with `rank` if there is one: PostgreSQL chooses how to find it.
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

/// The rows of the sample that have the term, as `sample`; how many the filters let pass, as `filtered`: no row where there
/// are no filters; and the `way` to `rows` rows of which each takes `step` in a walk, as `choice`.
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

/// Selects `columns` of all hits, in no order, by the indexes that `choice` names. `offset 0` keeps an index in another
/// order from being walked through, and a way that is not taken from being looked at.
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

/// The page in `order`, which begins with `rank` if there is one: all hits are sorted, or without a rank, which no index is
/// in the order of, the rows walked through in order.
fn sorted<T: Resource>(rank: Option<&str>, order: &Ordered) -> String {
    let (columns, table, term) = (read_columns::<T>(""), T::TABLE, term());
    let by = order.by_rows("$3");
    let walked = format!(
        "
    union all
    (
      -- A condition that no index and no statistics know: all that is left is the index in order.
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

/// The page in the order of names, or by `rank` and then by name, of a table that has leads.
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
  -- A class has the rows of a rank. All of them contain the term between `start` and `stop`.
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
    -- Of a class with few rows, all.
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
    -- Of any other, the next in the order of names.
    select * from (
      select walked.*
      from (
        select lead
        from unnest(class.leads) lead
        where lead >= left(class.after_name, 1) and class.way = 'walk'
      ) leads, lateral (
        -- A condition that no index and no statistics know: all that is left is the index in order.
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
  -- Classes and leads come in their order, so that no more of them are looked at than fill the page.
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
