//! A builder for SELECTs with a variable number of conditions. Values become typed parameters; only static
//! text becomes SQL.

use std::fmt::Write;

use super::{Parameter, value::Value};

/// A condition whose values are already parameters of a SELECT; it may be used in several places.
#[derive(Clone)]
pub struct Bound(String);

impl Bound {
    /// The constant condition true or false.
    pub fn of(is_true: bool) -> Self {
        Self(is_true.to_string())
    }

    /// The conjunction of `conditions`; true if empty.
    pub fn all(conditions: &[Self]) -> Self {
        Self::joined(conditions, " and ").unwrap_or_else(|| Self::of(true))
    }

    /// The disjunction of `conditions`; false if empty.
    pub fn any(conditions: &[Self]) -> Self {
        Self::joined(conditions, " or ").unwrap_or_else(|| Self::of(false))
    }

    /// An aggregate: the sum of the numbers of rows for which each of `conditions` is true.
    pub fn counted(conditions: &[Self]) -> Self {
        let counts = conditions.iter().map(|Self(sql)| format!("count(*) filter (where {sql})"));
        let counts: Vec<_> = counts.collect();
        Self(if counts.is_empty() { "0".to_owned() } else { counts.join(" + ") })
    }

    fn joined(conditions: &[Self], word: &str) -> Option<Self> {
        let sql: Vec<_> = conditions.iter().map(|Self(sql)| sql.as_str()).collect();
        match sql.len() {
            0 => None,
            1 => Some(Self(sql.concat())),
            _ => Some(Self(format!("({})", sql.join(word)))),
        }
    }
}

/// A SELECT under construction, with its parameters.
pub struct Select {
    sql: String,
    parameters: Vec<Value>,
    has_condition: bool,
}

impl Select {
    /// A SELECT that starts with `sql`, which has no WHERE clause.
    pub fn new(sql: &'static str) -> Self {
        Self::with(sql, Vec::new())
    }

    /// A SELECT that starts with `sql`, which refers to `parameters` as `$1`, `$2`, ... and has no WHERE
    /// clause of its own.
    pub fn with(sql: &'static str, parameters: Vec<Value>) -> Self {
        Self { sql: sql.to_owned(), parameters, has_condition: false }
    }

    /// Adds a condition to the WHERE clause; each `?` in it stands for the next of `values`.
    pub fn filter(&mut self, condition: &'static str, values: Vec<Value>) {
        self.begin_condition();
        self.push(condition, values);
    }

    /// Adds `values` as parameters of `condition`, in which each `?` stands for the next of them.
    pub fn bind(&mut self, condition: &'static str, values: Vec<Value>) -> Bound {
        Bound(self.numbered(condition, values))
    }

    /// Appends `sql` with the given words replaced by conditions.
    pub fn fill(&mut self, sql: &'static str, conditions: &[(&'static str, Bound)]) {
        let filled = conditions
            .iter()
            .fold(sql.to_owned(), |sql, (word, Bound(condition))| sql.replace(word, condition));
        self.sql.push_str(&filled);
    }

    /// Prepends `head` to the statement.
    #[must_use]
    pub fn within(self, head: &'static str) -> Self {
        Self { sql: format!("{head}\n{}", self.sql), ..self }
    }

    /// Appends `clauses`, such as ORDER BY and LIMIT; `?` as in [`filter`](Self::filter).
    pub fn end(&mut self, clauses: &'static str, values: Vec<Value>) {
        if !self.sql.is_empty() {
            self.sql.push('\n');
        }
        self.push(clauses, values);
    }

    /// The SQL text.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// The parameters, `$1` first.
    pub fn parameters(&self) -> Vec<Parameter<'_>> {
        self.parameters.iter().map(Value::parameter).collect()
    }

    fn begin_condition(&mut self) {
        self.sql.push_str(if self.has_condition { "\n  and " } else { "\nwhere " });
        self.has_condition = true;
    }

    fn push(&mut self, text: &'static str, values: Vec<Value>) {
        let text = self.numbered(text, values);
        self.sql.push_str(&text);
    }

    /// `text` with each `?` replaced by the number of its value, which is added as a parameter.
    fn numbered(&mut self, text: &'static str, values: Vec<Value>) -> String {
        debug_assert_eq!(text.matches('?').count(), values.len(), "one value for each `?` of {text}");
        let mut values = values.into_iter();
        let mut numbered = String::with_capacity(text.len() + 8);
        for (index, part) in text.split('?').enumerate() {
            if index > 0 {
                self.parameters.extend(values.next());
                // Writing to a String cannot fail.
                let _ = write!(numbered, "${}", self.parameters.len());
            }
            numbered.push_str(part);
        }
        numbered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_stand_where_they_belong() {
        let mut select = Select::with("", vec![Value::from("a")]);
        let [new, old] = [2, 1].map(|version| {
            let is_of_version = select.bind("version = ?", vec![Value::Int4(version)]);
            Bound::all(&[is_of_version, select.bind("name = 'Cup'", vec![])])
        });
        let parts = [("{any}", Bound::any(&[new, old])), ("{none}", Bound::all(&[]))];
        select.fill("select {any} from cups where {any} and {none}", &parts);
        let any = "((version = $2 and name = 'Cup') or (version = $3 and name = 'Cup'))";
        assert_eq!(select.sql(), format!("select {any} from cups where {any} and true"));
        assert_eq!(select.parameters().len(), 3);
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
