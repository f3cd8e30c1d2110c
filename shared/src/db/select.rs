//! A SELECT that grows conditions. Each value becomes a typed parameter; only text of the program's own becomes SQL.

use std::fmt::Write;

use super::{Parameter, value::Value};

/// A SELECT with its parameters.
pub struct Select {
    sql: String,
    parameters: Vec<Value>,
    has_condition: bool,
}

impl Select {
    /// A SELECT that begins with `sql`, which has no WHERE clause.
    pub fn new(sql: &'static str) -> Self {
        Self::with(sql, Vec::new())
    }

    /// A SELECT that begins with `sql`, which refers to `parameters` as `$1`, `$2`, ... and has no WHERE clause
    /// of its own.
    pub fn with(sql: &'static str, parameters: Vec<Value>) -> Self {
        Self { sql: sql.to_owned(), parameters, has_condition: false }
    }

    /// Adds a condition; each `?` in it stands for the next of `values`.
    pub fn filter(&mut self, condition: &'static str, values: Vec<Value>) {
        self.sql.push_str(if self.has_condition { "\n  and " } else { "\nwhere " });
        self.has_condition = true;
        self.push(condition, values);
    }

    /// Ends the statement with `clauses`, such as ORDER BY and LIMIT; `?` as in [`filter`](Self::filter).
    pub fn end(&mut self, clauses: &'static str, values: Vec<Value>) {
        self.sql.push('\n');
        self.push(clauses, values);
    }

    /// The statement's text.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// The statement's parameters.
    pub fn parameters(&self) -> Vec<Parameter<'_>> {
        self.parameters.iter().map(Value::parameter).collect()
    }

    fn push(&mut self, text: &'static str, values: Vec<Value>) {
        debug_assert_eq!(text.matches('?').count(), values.len(), "one value for each `?` of {text}");
        let mut values = values.into_iter();
        for (index, part) in text.split('?').enumerate() {
            if index > 0 {
                self.parameters.extend(values.next());
                // Writing to a String cannot fail.
                let _ = write!(self.sql, "${}", self.parameters.len());
            }
            self.sql.push_str(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_its_parameters_in_order() {
        let mut select = Select::new("select id from products");
        select.filter("name = ?", vec![Value::from("a")]);
        select.filter("(price, id) > (?, ?)", vec![Value::Int8(1), Value::Int8(2)]);
        select.end("order by price\nlimit ?", vec![Value::Int8(3)]);
        assert_eq!(
            select.sql(),
            "select id from products\nwhere name = $1\n  and (price, id) > ($2, $3)\norder by price\nlimit $4"
        );
        assert_eq!(select.parameters().len(), 4);
    }
}
