//! Errors in a form that is safe to log. Most errors only say what happened; some quote a client's or a
//! stored value. Those are recognised by their types and logged without the quotation.

use std::{
    error::Error,
    fmt::{self, Formatter},
    io,
};

use redis::{ErrorKind, RedisError};
use serde_json::error::Category;
use tokio_postgres::error::DbError;

/// Displays an error and all its causes, safe for a log line.
pub struct Cause<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Cause<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        one(self.0, f)?;
        if self.0.is::<RedisError>() {
            // Its `Display` form already includes its sources.
            return Ok(());
        }
        let mut source = self.0.source();
        while let Some(error) = source {
            f.write_str(": ")?;
            one(error, f)?;
            source = error.source();
        }
        Ok(())
    }
}

fn one(error: &(dyn Error + 'static), f: &mut Formatter<'_>) -> fmt::Result {
    if let Some(error) = error.downcast_ref() {
        database(error, f)
    } else if let Some(error) = error.downcast_ref() {
        json(error, f)
    } else if let Some(error) = error.downcast_ref() {
        cache(error, f)
    } else if let Some(inner) = error.downcast_ref().and_then(io::Error::get_ref) {
        // The `Display` form of an io::Error is that of its inner error, which `source` skips.
        one(inner, f)
    } else {
        fmt::Display::fmt(error, f)
    }
}

/// Classes of SQLSTATE whose primary messages name schema objects, roles and settings, but never a value of a
/// row or a parameter. DETAIL and HINT are always omitted, because they do: "Key (name)=(...) already
/// exists".
const WITHOUT_VALUES: [&str; 14] =
    ["08", "0A", "23", "25", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58"];

fn database(error: &DbError, f: &mut Formatter<'_>) -> fmt::Result {
    let code = error.code().code();
    let message = if code.get(..2).is_some_and(|class| WITHOUT_VALUES.contains(&class)) {
        error.message()
    } else {
        "message omitted, because it may quote a value"
    };
    write!(f, "{}: {message} (SQLSTATE {code}", error.severity())?;
    for (what, name) in
        [("table", error.table()), ("column", error.column()), ("constraint", error.constraint())]
    {
        if let Some(name) = name {
            write!(f, ", {what} {name}")?;
        }
    }
    f.write_str(")")
}

/// An error of the cache driver, without the values that it quotes: the driver quotes replies that it cannot
/// parse, the server quotes unknown commands.
fn cache(error: &RedisError, f: &mut Formatter<'_>) -> fmt::Result {
    match error.kind() {
        ErrorKind::UnexpectedReturnType | ErrorKind::Parse => f.write_str(error.category()),
        _ => {
            let message = error.to_string();
            f.write_str(message.split(", with args beginning with").next().unwrap_or_default())
        }
    }
}

fn json(error: &serde_json::Error, f: &mut Formatter<'_>) -> fmt::Result {
    let message = error.to_string();
    if message.starts_with("missing field `") {
        // The names of required fields are those of this service.
        return f.write_str(&message);
    }
    let what = match error.classify() {
        Category::Io => "JSON cannot be read or written",
        Category::Syntax => "malformed JSON",
        Category::Data => "JSON of an unexpected shape",
        Category::Eof => "JSON that ends prematurely",
    };
    write!(f, "{what} (line {}, column {})", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_error_does_not_quote_the_document() {
        for document in [r#""sesame""#, "sesame", r#"{"a": "sesame"#] {
            let error = serde_json::from_str::<u32>(document).unwrap_err();
            let shown = Cause(&error).to_string();
            assert!(shown.contains("line 1") && !shown.contains("sesame"), "{shown}");
        }
    }

    #[test]
    fn an_error_of_the_cache_does_not_quote_a_value() {
        use redis::{FromRedisValue, Value, make_extension_error};
        let quoting = [
            String::from_redis_value(Value::Array(vec![Value::SimpleString("sesame".to_owned())]))
                .unwrap_err()
                .into(),
            RedisError::from((ErrorKind::Parse, "x", "sesame".to_owned())),
            make_extension_error(
                "ERR".to_owned(),
                Some("unknown command 'EVAL', with args beginning with: 'sesame'".to_owned()),
            ),
        ];
        for error in &quoting {
            assert!(error.to_string().contains("sesame"), "{error}");
            let shown = Cause(error).to_string();
            assert!(!shown.is_empty() && !shown.contains("sesame"), "{shown}");
        }
        let refusal =
            make_extension_error("NOREPLICAS".to_owned(), Some("Not enough good replicas".to_owned()));
        let shown = Cause(&refusal).to_string();
        assert!(shown.contains("NOREPLICAS") && shown.contains("Not enough good replicas"), "{shown}");
    }

    #[test]
    fn nor_does_an_error_around_it() {
        let inner = serde_json::from_str::<u32>(r#""sesame""#).unwrap_err();
        let error = io::Error::other(io::Error::other(inner));
        assert_eq!(Cause(&error).to_string(), "JSON of an unexpected shape (line 1, column 8)");
    }
}
