//! Lists and searches: filtered, sorted and paginated.

use std::marker::PhantomData;

use uuid::Uuid;

use super::{
    Resource, key,
    near::{self, NearPage},
    order::Ordered,
    search::{RANKS, RELEVANCE, SearchTerm},
};
use crate::{
    App, Operation,
    db::{Row, Select, value::Value},
    http::{PageRequest, Problem, Query, Request, Response, Result},
};

/// A filter of a list: an optional query parameter that restricts it.
#[derive(Debug, Clone, Copy)]
pub struct Filter {
    /// The parameter's name.
    pub name: &'static str,
    /// Its description in the API contract.
    pub about: &'static str,
    /// The field whose type it has.
    pub member: &'static str,
    condition: &'static str,
    index: usize,
}

impl Filter {
    /// The filter `name` of a list of `T`, parsed like the field `member`: rows for which `condition` is
    /// true, where `?` is the client's value.
    pub const fn new<T: Resource>(
        name: &'static str,
        member: &'static str,
        condition: &'static str,
        about: &'static str,
    ) -> Self {
        Self { name, about, member, condition, index: key::position(T::FIELDS, member) }
    }

    /// The SQL condition; `?` is the client's value.
    pub fn condition(&self) -> &'static str {
        self.condition
    }
}

/// A requested page of a list of `T` or of a search.
#[derive(Debug)]
pub struct Listing<T> {
    term: Option<SearchTerm>,
    conditions: Vec<(&'static str, Value)>,
    order: Sort,
    page: PageRequest,
    resource: PhantomData<T>,
}

/// The requested order.
#[derive(Debug, Clone, Copy)]
enum Sort {
    /// One of the resource's orders, by index.
    Order(usize),
    /// How well the term matches.
    Relevance,
}

impl<T: Resource> Listing<T> {
    /// The list that `request` asks `operation` for.
    ///
    /// # Errors
    /// 400 with all errors in the query.
    pub fn of(request: &Request, operation: &Operation) -> Result<Self> {
        Self::read(request, operation.name, None, false)
    }

    /// The same list, restricted to resources of the `Owner` with this id, by their field `<owner>_id`.
    ///
    /// # Errors
    /// As for [`of`](Self::of).
    pub fn within<Owner: Resource>(request: &Request, operation: &Operation, id: Uuid) -> Result<Self> {
        let filter = const { key::owner_filter::<T, Owner>() };
        Self::read(request, &format!("{} {id}", operation.name), Some((filter, id)), false)
    }

    /// The search that `request` asks `operation` for.
    ///
    /// # Errors
    /// As for [`of`](Self::of).
    pub fn search(request: &Request, operation: &Operation) -> Result<Self> {
        Self::read(request, &format!("{} {RANKS}", operation.name), None, true)
    }

    /// Parses the query of `list`, restricted by the owner's filter and id if there is an owner.
    fn read(request: &Request, list: &str, owner: Option<(usize, Uuid)>, is_search: bool) -> Result<Self> {
        let mut query = request.query();
        // All errors are reported at once, so a missing term must not end the parsing.
        let term = is_search.then(|| query.required("q").unwrap_or_default());
        let mut conditions = Vec::new();
        for (index, filter) in T::FILTERS.iter().enumerate() {
            let value = match owner {
                Some((restricting, id)) if restricting == index => Some(Value::Uuid(id)),
                _ => query.optional_as(filter.name, |text| T::FIELDS[filter.index].accept_text(text)),
            };
            conditions.extend(value.map(|value| (filter.condition, value)));
        }
        let order = sort::<T>(&mut query, is_search);
        let page = query.page(list);
        query.finish()?;
        Ok(Self { term, conditions, order, page, resource: PhantomData })
    }

    /// The order of the page, including near hits.
    fn ordered(&self) -> &'static Ordered {
        self.near().map_or_else(|| self.ordered_exactly(), |page| &page.near.found)
    }

    /// The order of the page without near hits.
    fn ordered_exactly(&self) -> &'static Ordered {
        self.index().map_or_else(|| T::statements().matches(), |index| &T::statements().orders[index])
    }

    /// The page with near hits; `None` if there cannot be any.
    fn near(&self) -> Option<NearPage<'_>> {
        let term = self.term.as_ref().filter(|term| near::tolerates_typos(term))?;
        let near = &T::statements().search::<T>(self.index()).near;
        Some(NearPage { near, term, conditions: &self.conditions, rows: self.page.rows() })
    }

    /// The statement for the page after `position`.
    fn select(&self, position: Option<Vec<Value>>) -> Select {
        let exact = |position| self.select_exact(position);
        match self.near() {
            Some(near) => near.select(position, exact),
            None => exact(position),
        }
    }

    /// The same without near hits.
    fn select_exact(&self, position: Option<Vec<Value>>) -> Select {
        let (statements, order, rows) = (T::statements(), self.ordered_exactly(), self.page.rows());
        if let Some(term) = &self.term {
            return statements.search::<T>(self.index()).exact.page(
                term,
                &self.conditions,
                order,
                position,
                rows,
            );
        }
        let mut select = Select::new(statements.select());
        for (condition, value) in &self.conditions {
            select.filter(condition, vec![value.clone()]);
        }
        if let Some(position) = position {
            select.filter(&order.after, position);
        }
        select.end(&order.by, vec![Value::Int8(rows)]);
        select
    }

    /// The index of the resource's order; `None` for relevance.
    fn index(&self) -> Option<usize> {
        match self.order {
            Sort::Order(index) => Some(index),
            Sort::Relevance => None,
        }
    }
}

/// The values of `sort` for a list of `T` or a search; the first is the default.
pub(super) fn sorts<T: Resource>(is_search: bool) -> Vec<&'static str> {
    let relevance = is_search.then_some(RELEVANCE);
    relevance.into_iter().chain(T::ORDERS.iter().map(|order| order.word)).collect()
}

/// The order that `query` asks for.
fn sort<T: Resource>(query: &mut Query<'_>, is_search: bool) -> Sort {
    let find = |text: &str| match T::ORDERS.iter().position(|order| order.word == text) {
        Some(index) => Ok(Sort::Order(index)),
        None if is_search && text == RELEVANCE => Ok(Sort::Relevance),
        None => Err(format!("must be one of {}", sorts::<T>(is_search).join(", "))),
    };
    let default = if is_search { Sort::Relevance } else { Sort::Order(0) };
    query.optional_as("sort", find).unwrap_or(default)
}

impl App {
    /// The response with the page that `listing` asks for.
    ///
    /// # Errors
    /// 400 for a cursor of another list; 503 if the database is unavailable.
    pub async fn list<T: Resource>(&self, request: &Request, listing: Listing<T>) -> Result<Response> {
        let rows = self.listed(&listing).await?;
        self.page(request, listing, &rows)
    }

    /// The same for resources of the `Owner` with this id.
    ///
    /// # Errors
    /// 404 if the owner does not exist, and those of [`list`](Self::list).
    pub async fn list_within<T: Resource, Owner: Resource>(
        &self,
        request: &Request,
        listing: Listing<T>,
        owner: Uuid,
    ) -> Result<Response> {
        let rows = self.listed(&listing).await?;
        if rows.is_empty() {
            self.expect::<Owner>(owner).await?;
        }
        self.page(request, listing, &rows)
    }

    /// Checks that the `T` with this id exists.
    ///
    /// # Errors
    /// 404 if it does not; 503 if the database is unavailable.
    pub async fn expect<T: Resource>(&self, id: Uuid) -> Result<()> {
        let id = Value::Uuid(id);
        let found = self.database.read_optional(T::statements().exists(), &[id.parameter()]).await?;
        found.map(|_| ()).ok_or_else(|| Problem::not_found(T::NAME))
    }

    async fn listed<T: Resource>(&self, listing: &Listing<T>) -> Result<Vec<Row>> {
        let order = listing.ordered();
        let position = listing.page.position(&self.cursor_keys, |json: Vec<_>| order.read(&json))?;
        let select = listing.select(position);
        let rows = self.database.read(select.sql(), &select.parameters()).await?;
        if listing.term.is_some() {
            T::statements().note_size(&rows);
        }
        Ok(rows)
    }

    fn page<T: Resource>(&self, request: &Request, listing: Listing<T>, rows: &[Row]) -> Result<Response> {
        let order = listing.ordered();
        let items = rows.iter().map(|row| order.place::<T>(row)).collect::<Result<Vec<_>, _>>()?;
        listing.page.respond(request, &self.cursor_keys, items, |last| order.position(last))
    }
}
