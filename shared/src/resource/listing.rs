//! Lists: filtered, ordered and page by page.

use std::marker::PhantomData;

use uuid::Uuid;

use super::{Resource, key};
use crate::{
    App, Operation,
    db::{Select, value::Value},
    http::{PageRequest, Problem, Query, Reply, Request, Result},
};

/// A filter of a list: a query parameter that, where it is given, restricts what is listed.
#[derive(Debug, Clone, Copy)]
pub struct Filter {
    /// The name of the parameter.
    pub name: &'static str,
    /// What the contract says of it.
    pub about: &'static str,
    /// The member whose type it has.
    pub member: &'static str,
    condition: &'static str,
    index: usize,
}

impl Filter {
    /// The filter `name` of a list of `T`, of the type of `member`: rows for which `condition` is true, where `?` stands
    /// for what the client has given.
    pub const fn new<T: Resource>(
        name: &'static str,
        member: &'static str,
        condition: &'static str,
        about: &'static str,
    ) -> Self {
        Self { name, about, member, condition, index: key::position(T::FIELDS, member) }
    }

    /// Its condition, in SQL: `?` stands for what the client has given.
    pub fn condition(&self) -> &'static str {
        self.condition
    }
}

/// A page of a list of `T`, as a request asks for it.
#[derive(Debug)]
pub struct Listing<T> {
    conditions: Vec<(&'static str, Value)>,
    order: usize,
    page: PageRequest,
    resource: PhantomData<T>,
}

impl<T: Resource> Listing<T> {
    /// The list that `request` asks `operation` for.
    ///
    /// # Errors
    /// 400 with all faults of the query.
    pub fn of(request: &Request, operation: &Operation) -> Result<Self> {
        Self::read(request, operation.name, None)
    }

    /// The same, of those alone that belong to the `Owner` with this id, which their member `<owner>_id` refers to.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn within<Owner: Resource>(request: &Request, operation: &Operation, id: Uuid) -> Result<Self> {
        let filter = const { key::owner_filter::<T, Owner>() };
        Self::read(request, &format!("{} {id}", operation.name), Some((filter, id)))
    }

    /// The list `list`, of those alone that an owner's filter and id restrict it to, if there is an owner.
    fn read(request: &Request, list: &str, owner: Option<(usize, Uuid)>) -> Result<Self> {
        let mut query = request.query();
        let mut conditions = Vec::new();
        for (index, filter) in T::FILTERS.iter().enumerate() {
            let value = match owner {
                Some((restricting, id)) if restricting == index => Some(Value::Uuid(id)),
                _ => query.optional_as(filter.name, |text| T::FIELDS[filter.index].accept_text(text)),
            };
            conditions.extend(value.map(|value| (filter.condition, value)));
        }
        let order = sort::<T>(&mut query);
        let page = query.page(list);
        query.finish()?;
        Ok(Self { conditions, order, page, resource: PhantomData })
    }
}

/// Which of the orders `query` asks for.
fn sort<T: Resource>(query: &mut Query<'_>) -> usize {
    let find = |text: &str| {
        T::ORDERS.iter().position(|order| order.word == text).ok_or_else(|| {
            let words: Vec<_> = T::ORDERS.iter().map(|order| order.word).collect();
            format!("must be one of {}", words.join(", "))
        })
    };
    query.optional_as("sort", find).unwrap_or_default()
}

impl App {
    /// The reply with the page that `listing` asks for.
    ///
    /// # Errors
    /// 400 for a cursor that is none of this list; 503 when the database cannot answer.
    pub async fn list<T: Resource>(&self, request: &Request, listing: Listing<T>) -> Result<Reply> {
        let rows = self.listed(&listing).await?;
        self.page(request, listing, rows)
    }

    /// The same, of what belongs to the `Owner` with this id.
    ///
    /// # Errors
    /// 404 when there is no such owner, and those of [`list`](Self::list).
    pub async fn list_within<T: Resource, Owner: Resource>(
        &self,
        request: &Request,
        listing: Listing<T>,
        owner: Uuid,
    ) -> Result<Reply> {
        let rows = self.listed(&listing).await?;
        if rows.is_empty() {
            self.expect::<Owner>(owner).await?;
        }
        self.page(request, listing, rows)
    }

    /// Nothing, if there is a `T` with this id.
    ///
    /// # Errors
    /// 404 when there is none; 503 when the database cannot answer.
    pub async fn expect<T: Resource>(&self, id: Uuid) -> Result<()> {
        let id = Value::Uuid(id);
        let found = self.database.read_optional(T::statements().exists(), &[id.parameter()]).await?;
        found.map(|_| ()).ok_or_else(|| Problem::not_found(T::NAME))
    }

    async fn listed<T: Resource>(&self, listing: &Listing<T>) -> Result<Vec<T>> {
        let statements = T::statements();
        let order = &statements.orders[listing.order];
        let mut select = Select::new(statements.select());
        for (condition, value) in &listing.conditions {
            select.filter(condition, vec![value.clone()]);
        }
        if let Some(position) = listing.page.position(&self.cursor_keys, |json: Vec<_>| order.read(&json))? {
            select.filter(&order.after, position);
        }
        select.end(&order.by, vec![Value::Int8(listing.page.rows())]);
        let rows = self.database.read(select.sql(), &select.parameters()).await?;
        Ok(rows.iter().map(T::read).collect::<Result<_, _>>()?)
    }

    fn page<T: Resource>(&self, request: &Request, listing: Listing<T>, rows: Vec<T>) -> Result<Reply> {
        let order = &T::statements().orders[listing.order];
        listing.page.reply(request, &self.cursor_keys, rows, |last| order.position(last))
    }
}
