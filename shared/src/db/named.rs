//! Statements with named parameters: `:price` in the text, bound by name. PostgreSQL only has numbered ones.

use super::{Error, Parameter};

/// A statement whose parameters are bound by name.
#[derive(Debug)]
pub struct NamedStatement {
    sql: String,
    /// The names of `$1`, `$2` and so on.
    names: Vec<String>,
}

impl NamedStatement {
    /// Parses `text`, in which `:name` is a parameter, possibly several times. The `::` of a cast and a colon
    /// before anything but a name are left unchanged.
    pub fn new(text: &str) -> Self {
        let mut named = Self { sql: String::with_capacity(text.len()), names: Vec::new() };
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(':') {
            named.sql.push_str(before);
            if let Some(cast) = after.strip_prefix(':') {
                named.sql.push_str("::");
                rest = cast;
                continue;
            }
            let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
            let end = after.find(|character| !is_name(character)).unwrap_or(after.len());
            let (name, after) = after.split_at(end);
            rest = after;
            if name.is_empty() {
                named.sql.push(':');
                continue;
            }
            let known = named.names.iter().position(|known| known == name);
            let number = known.unwrap_or_else(|| {
                named.names.push(name.to_owned());
                named.names.len() - 1
            });
            named.sql.push('$');
            named.sql.push_str(&(number + 1).to_string());
        }
        named.sql.push_str(rest);
        named
    }

    /// The text with numbered parameters.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// `values` in the order of the parameters.
    ///
    /// # Errors
    /// If a parameter has no value, or a value has no parameter: nothing is sent.
    pub fn bind<'a>(&self, values: &[(&str, Parameter<'a>)]) -> Result<Vec<Parameter<'a>>, Error> {
        let unknown = values.iter().find(|(name, _)| !self.names.iter().any(|known| known == name));
        if let Some((name, _)) = unknown {
            return Err(Error::Unbound(format!("a statement has no parameter :{name}")));
        }
        let value = |name: &String| {
            let found = values.iter().find(|(known, _)| known == name);
            let missing = || Error::Unbound(format!("the parameter :{name} has no value"));
            found.map(|(_, value)| value.clone()).ok_or_else(missing)
        };
        self.names.iter().map(value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Type;

    #[test]
    fn names_become_numbers_in_the_order_of_their_first_use() {
        let named =
            NamedStatement::new("-- first: ids\nselect :id::uuid, :name, :id where price > :min_price");
        assert_eq!(named.sql(), "-- first: ids\nselect $1::uuid, $2, $1 where price > $3");
        let bound = named
            .bind(&[
                ("min_price", (&1_i64, Type::INT8)),
                ("id", (&2_i64, Type::INT8)),
                ("name", (&"a", Type::TEXT)),
            ])
            .unwrap();
        let kinds: Vec<_> = bound.into_iter().map(|(_, kind)| kind).collect();
        assert_eq!(kinds, [Type::INT8, Type::TEXT, Type::INT8]);
    }

    #[test]
    fn a_value_too_few_or_too_many_is_named() {
        let named = NamedStatement::new("select :id");
        let error = named.bind(&[]).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "the parameter :id has no value");
        let error = named
            .bind(&[("id", (&1_i64, Type::INT8)), ("ID", (&1_i64, Type::INT8))])
            .map(|_| ())
            .unwrap_err();
        assert_eq!(error.to_string(), "a statement has no parameter :ID");
    }
}
