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
        self.begin_condition();
        self.push(condition, values);
    }

    /// Adds the condition that one of `alternatives` holds, each some conditions that hold together, with their values as
    /// in [`filter`](Self::filter).
    pub fn filter_any(&mut self, alternatives: Vec<Vec<(&'static str, Vec<Value>)>>) {
        self.begin_condition();
        self.sql.push('(');
        for (index, conditions) in alternatives.into_iter().enumerate() {
            self.sql.push_str(if index == 0 { "" } else { "\n    or " });
            for (index, (condition, values)) in conditions.into_iter().enumerate() {
                self.sql.push_str(if index == 0 { "" } else { " and " });
                self.push(condition, values);
            }
        }
        self.sql.push(')');
    }

    /// Ends a sub-select with `end`; the conditions that follow are those of the statement around it.
    pub fn close(&mut self, end: &'static str) {
        self.sql.push('\n');
        self.sql.push_str(end);
        self.has_condition = false;
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

    fn begin_condition(&mut self) {
        self.sql.push_str(if self.has_condition { "\n  and " } else { "\nwhere " });
        self.has_condition = true;
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
    fn conditions_stand_where_they_belong() {
        let mut select = Select::with("select * from (\nselect id from cups", vec![Value::from("a")]);
        let is_cup = |version| vec![("version = ?", vec![Value::Int4(version)]), ("name = 'Cup'", vec![])];
        select.filter_any(vec![is_cup(2), is_cup(1)]);
        select.filter("price > ?", vec![Value::Int8(1)]);
        select.close(") found");
        select.filter("id > ?", vec![Value::Int8(2)]);
        assert_eq!(
            select.sql(),
            "select * from (\nselect id from cups\nwhere (version = $2 and name = 'Cup'\n    or version = $3 and name = 'Cup')\n  and price > $4\n) found\nwhere id > $5"
        );
    }

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
