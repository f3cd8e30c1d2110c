//! What can be asked of a cell, as `cell.lua` takes it and answers.

use std::{sync::LazyLock, time::Duration};

use redis::{Cmd, FromRedisValue, RedisError, Script, Value};
use uuid::Uuid;

/// The script that does every step.
pub const SCRIPT: &str = include_str!("cell.lua");

/// It and its hash.
pub(super) static CELL: LazyLock<Script> = LazyLock::new(|| Script::new(SCRIPT));

/// What is known of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// There was none.
    None,
    /// It was deleted, and comes never back.
    Gone,
    /// A version, and its JSON.
    Version(Version),
}

/// A version of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The version.
    pub version: i64,
    /// The row as JSON.
    pub body: String,
}

/// What a cell says to a reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// Ask the database, and keep the answer to yourself.
    Busy,
    /// Ask the database, and fill the cell under this lease.
    Miss {
        /// The lease.
        lease: String,
    },
    /// The value.
    Hit {
        /// What is known.
        known: Known,
        /// How long it has been known.
        age: Duration,
        /// How long it is fresh still, ms; below zero if it no longer is.
        ttl_ms: i64,
        /// To fill the cell under, if the value is no longer fresh.
        lease: Option<String>,
    },
}

impl Known {
    /// As `cell.lua` has it: version and body.
    pub(super) fn arguments(&self) -> (String, &str) {
        match self {
            Self::None => ("none".to_owned(), ""),
            Self::Gone => ("gone".to_owned(), ""),
            Self::Version(it) => (it.version.to_string(), &it.body),
        }
    }

    fn read(version: &str, body: String) -> Result<Self, RedisError> {
        match version {
            "none" => Ok(Self::None),
            "gone" => Ok(Self::Gone),
            version => {
                let version = version.parse().map_err(|_| unexpected("no version"))?;
                Ok(Self::Version(Version { version, body }))
            }
        }
    }
}

impl Reading {
    /// Reads the script's answer.
    ///
    /// # Errors
    /// When it has another form.
    pub(super) fn from_value(value: Value) -> Result<Self, RedisError> {
        let mut parts = Vec::<Value>::from_redis_value(value)?.into_iter();
        let mut text = || {
            let part = parts.next().ok_or_else(|| unexpected("an answer is too short"))?;
            Ok::<_, RedisError>(String::from_redis_value(part)?)
        };
        let kind = text()?;
        match kind.as_str() {
            "busy" => Ok(Self::Busy),
            "miss" => Ok(Self::Miss { lease: text()? }),
            "hit" | "stale" => {
                let lease = text()?;
                let (version, body) = (text()?, text()?);
                let known = Known::read(&version, body)?;
                let number =
                    |text: String| text.parse::<i64>().map_err(|_| unexpected("an answer has no time"));
                let (age_ms, ttl_ms) = (number(text()?)?, number(text()?)?);
                let age = Duration::from_millis(age_ms.unsigned_abs());
                Ok(Self::Hit { known, age, ttl_ms, lease: (kind == "stale").then_some(lease) })
            }
            _ => Err(unexpected("an answer of no known kind")),
        }
    }
}

fn unexpected(what: &'static str) -> RedisError {
    (redis::ErrorKind::UnexpectedReturnType, what).into()
}

/// One step of the protocol.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    /// Its name.
    pub step: &'static str,
    /// The key of the cell.
    pub key: &'a str,
    /// What else the script wants to know.
    pub arguments: &'a [&'a str],
}

/// A name that nobody else has.
pub(super) fn nonce() -> String {
    Uuid::now_v7().simple().to_string()
}

/// The command that takes a step by the script, which is named by its hash or sent in full.
pub(super) fn command(by_hash: bool, call: Call<'_>) -> Cmd {
    let (name, script) = if by_hash { ("EVALSHA", CELL.get_hash()) } else { ("EVAL", SCRIPT) };
    let mut command = redis::cmd(name);
    command.arg(script).arg(1).arg(call.key).arg(call.step);
    for argument in call.arguments {
        command.arg(argument);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn reads_what_the_script_answers_and_nothing_else() {
        let of = |parts: Vec<Value>| Reading::from_value(Value::Array(parts));
        assert_eq!(of(vec![bulk("busy")]).unwrap(), Reading::Busy);
        assert_eq!(of(vec![bulk("miss"), bulk("g")]).unwrap(), Reading::Miss { lease: "g".to_owned() });
        let stale = vec![bulk("stale"), bulk("g"), bulk("7"), bulk("{}"), Value::Int(90), Value::Int(-30)];
        assert_eq!(
            of(stale).unwrap(),
            Reading::Hit {
                known: Known::Version(Version { version: 7, body: "{}".to_owned() }),
                age: Duration::from_millis(90),
                ttl_ms: -30,
                lease: Some("g".to_owned()),
            }
        );
        let gone = vec![bulk("hit"), bulk(""), bulk("gone"), bulk(""), Value::Int(1), Value::Int(1)];
        assert!(matches!(of(gone).unwrap(), Reading::Hit { known: Known::Gone, lease: None, .. }));
        for bad in [
            vec![],
            vec![bulk("hit")],
            vec![bulk("what")],
            vec![Value::Nil],
            vec![bulk("hit"), bulk(""), bulk("x"), bulk(""), Value::Int(1), Value::Int(1)],
            vec![bulk("hit"), bulk(""), bulk("1"), bulk(""), bulk("soon"), Value::Int(1)],
        ] {
            assert!(of(bad.clone()).is_err(), "{bad:?}");
        }
    }
}
