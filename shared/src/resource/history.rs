//! The history of a resource, page by page.

use uuid::Uuid;

use super::Resource;
use crate::{
    App, Operation,
    db::{Select, value::Value},
    history::{HistoryEntry, LIST_HISTORY},
    http::{Request, Response, Result},
};

impl App {
    /// The response of `operation` to `request`: the history of the `T` with this id, newest entries first.
    ///
    /// # Errors
    /// 400 with all errors in the query; 404 if the resource never existed; 503 if the database is
    /// unavailable.
    pub async fn history<T: Resource>(
        &self,
        request: &Request,
        operation: &Operation,
        id: Uuid,
    ) -> Result<Response> {
        let mut query = request.query();
        let page = query.page(&format!("{} {id}", operation.name));
        query.finish()?;

        let mut select = Select::new(LIST_HISTORY);
        select.filter("resource = ? and resource_id = ?", vec![Value::from(T::NAME), Value::Uuid(id)]);
        if let Some(version) = page.position(&self.cursor_keys, |version: i64| Some(version))? {
            select.filter("version < ?", vec![Value::Int8(version)]);
        }
        select.end("order by version desc\nlimit ?", vec![Value::Int8(page.rows())]);
        let rows = self.database.read(select.sql(), &select.parameters()).await?;
        if rows.is_empty() {
            // A resource that is older than the history table has no entries until its next change.
            self.expect::<T>(id).await?;
        }
        let entries = rows.iter().map(HistoryEntry::from_row).collect::<Result<Vec<_>, _>>()?;
        page.respond(request, &self.cursor_keys, entries, |last| last.version)
    }
}
