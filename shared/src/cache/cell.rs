//! The operations on a cell: arguments and replies of `cell.lua`.

use std::{sync::LazyLock, time::Duration};

use redis::{Cmd, FromRedisValue, RedisError, Script, Value};
use uuid::Uuid;

/// The script that implements every step.
pub const SCRIPT: &str = include_str!("cell.lua");

/// The script with its hash.
pub(super) static CELL: LazyLock<Script> = LazyLock::new(|| Script::new(SCRIPT));

/// The cached knowledge about a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CachedValue {
    /// The row did not exist.
    None,
    /// The row was deleted. Ids are never reused, so this is final.
    Gone,
    /// A version of the row.
    Version(Version),
}

/// A version of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The version number.
    pub version: i64,
    /// The row as JSON.
    pub body: String,
}

/// The script's reply to a reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CellReply {
    /// A writer is active: read the database, and do not store the result.
    Busy,
    /// Nothing is stored: read the database, then fill the cell under this lease.
    Miss {
        /// The lease to fill the cell under.
        lease: String,
    },
    /// The cell holds a value.
    Hit {
        /// The value.
        value: CachedValue,
        /// Its age.
        age: Duration,
        /// Its remaining freshness lifetime in ms; negative if stale.
        ttl_ms: i64,
        /// The lease to refill the cell under if the value is stale.
        lease: Option<String>,
    },
}

impl CachedValue {
    /// The version and body as `cell.lua` encodes them.
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
                let version = version.parse().map_err(|_| unexpected("not a version"))?;
                Ok(Self::Version(Version { version, body }))
            }
        }
    }
}

impl CellReply {
    /// Parses the script's reply.
    ///
    /// # Errors
    /// If the reply has another form.
    pub(super) fn from_value(value: Value) -> Result<Self, RedisError> {
        let mut parts = Vec::<Value>::from_redis_value(value)?.into_iter();
        let mut text = || {
            let part = parts.next().ok_or_else(|| unexpected("the reply is too short"))?;
            Ok::<_, RedisError>(String::from_redis_value(part)?)
        };
        let kind = text()?;
        match kind.as_str() {
            "busy" => Ok(Self::Busy),
            "miss" => Ok(Self::Miss { lease: text()? }),
            "hit" | "stale" => {
                let lease = text()?;
                let (version, body) = (text()?, text()?);
                let value = CachedValue::read(&version, body)?;
                let number = |text: String| {
                    text.parse::<i64>().map_err(|_| unexpected("the reply has an invalid time"))
                };
                let (age_ms, ttl_ms) = (number(text()?)?, number(text()?)?);
                let age = Duration::from_millis(age_ms.unsigned_abs());
                Ok(Self::Hit { value, age, ttl_ms, lease: (kind == "stale").then_some(lease) })
            }
            _ => Err(unexpected("the reply has an unknown kind")),
        }
    }
}

fn unexpected(what: &'static str) -> RedisError {
    (redis::ErrorKind::UnexpectedReturnType, what).into()
}

/// One call of the script.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    /// The step's name.
    pub step: &'static str,
    /// The key of the cell.
    pub key: &'a str,
    /// The step's arguments.
    pub arguments: &'a [&'a str],
}

/// A unique token.
pub(super) fn nonce() -> String {
    Uuid::now_v7().simple().to_string()
}

/// The command that runs the script, by hash (`EVALSHA`) or with its source (`EVAL`).
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
        let of = |parts: Vec<Value>| CellReply::from_value(Value::Array(parts));
        assert_eq!(of(vec![bulk("busy")]).unwrap(), CellReply::Busy);
        assert_eq!(of(vec![bulk("miss"), bulk("g")]).unwrap(), CellReply::Miss { lease: "g".to_owned() });
        let stale = vec![bulk("stale"), bulk("g"), bulk("7"), bulk("{}"), Value::Int(90), Value::Int(-30)];
        assert_eq!(
            of(stale).unwrap(),
            CellReply::Hit {
                value: CachedValue::Version(Version { version: 7, body: "{}".to_owned() }),
                age: Duration::from_millis(90),
                ttl_ms: -30,
                lease: Some("g".to_owned()),
            }
        );
        let gone = vec![bulk("hit"), bulk(""), bulk("gone"), bulk(""), Value::Int(1), Value::Int(1)];
        assert!(matches!(of(gone).unwrap(), CellReply::Hit { value: CachedValue::Gone, lease: None, .. }));
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
