//! The meaning of the server's errors by SQLSTATE: one table of every class of PostgreSQL (its appendix A)
//! and the codes that differ from their class. Retries and the response to the client depend on the verdict
//! alone.

use crate::http::CarriedOut;

use super::Attempt;

/// What a server error means for the statement, for its connection and for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// This session cannot run the statement and has not; another one may. Repeated on a new connection, then
    /// 503.
    OtherSession,
    /// The session has ended and may have carried the statement out. Repeated on a new connection if that is
    /// safe, then 503.
    Lost,
    /// Rolled back because of a concurrent transaction. Repeated, then 503.
    RolledBack,
    /// Rolled back for a reason that will pass, but not at once. 503.
    Later,
    /// Rolled back for a permanent reason. 500, unless the operation maps the violated constraint to an error
    /// of its own.
    Refused,
}

impl Verdict {
    /// All verdicts.
    pub const ALL: [Self; 5] = [Self::OtherSession, Self::Lost, Self::RolledBack, Self::Later, Self::Refused];

    /// What it means for another attempt.
    pub fn attempt(self) -> Attempt {
        match self {
            Self::OtherSession | Self::RolledBack => Attempt::NotMade,
            Self::Lost => Attempt::Unknown,
            Self::Later | Self::Refused => Attempt::Final,
        }
    }

    /// Whether the connection has to be closed.
    pub fn ends_connection(self) -> bool {
        matches!(self, Self::OtherSession | Self::Lost)
    }

    /// Whether the statement may have been carried out.
    pub fn carried_out(self) -> CarriedOut {
        if self == Self::Lost { CarriedOut::Unknown } else { CarriedOut::No }
    }

    /// Whether the client gets 503 and may retry; otherwise 500.
    pub fn is_passing(self) -> bool {
        self != Self::Refused
    }

    /// The log message.
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::OtherSession => "this session cannot run the statement",
            Self::Lost => "lost the connection to the database",
            Self::RolledBack => "the database rolled back the statement",
            Self::Later => "the database cannot run the statement now",
            Self::Refused => "the database rejected the statement",
        }
    }
}

/// A row of the table.
#[derive(Debug)]
pub struct Rule {
    /// A class (two characters) or a code (five).
    pub sqlstate: &'static str,
    /// The verdict.
    pub verdict: Verdict,
    /// PostgreSQL's name for it, and the reason for the verdict where the name does not explain it.
    pub why: &'static str,
}

const fn rule(sqlstate: &'static str, verdict: Verdict, why: &'static str) -> Rule {
    Rule { sqlstate, verdict, why }
}

/// The table. An unlisted code has the verdict of its class; an unlisted class, such as one of an extension
/// or a later PostgreSQL, is `Refused`.
pub static RULES: &[Rule] = &[
    rule("00", Verdict::Refused, "successful completion: not an error"),
    rule("01", Verdict::Refused, "warning: not an error"),
    rule("02", Verdict::Refused, "no data"),
    rule("03", Verdict::Refused, "SQL statement not yet complete"),
    rule("08", Verdict::Lost, "connection exception"),
    rule("09", Verdict::Refused, "triggered action exception"),
    rule("0A", Verdict::Refused, "feature not supported"),
    rule("0B", Verdict::Refused, "invalid transaction initiation"),
    rule("0F", Verdict::Refused, "locator exception"),
    rule("0L", Verdict::Refused, "invalid grantor"),
    rule("0P", Verdict::Refused, "invalid role specification"),
    rule("0Z", Verdict::Refused, "diagnostics exception"),
    rule("10", Verdict::Refused, "XQuery error"),
    rule("20", Verdict::Refused, "case not found"),
    rule("21", Verdict::Refused, "cardinality violation"),
    rule("22", Verdict::Refused, "data exception"),
    rule("23", Verdict::Refused, "integrity constraint violation"),
    rule("24", Verdict::Refused, "invalid cursor state"),
    rule("25", Verdict::Refused, "invalid transaction state"),
    rule("25001", Verdict::OtherSession, "active SQL transaction: another's, left behind by a pooler"),
    rule("25006", Verdict::OtherSession, "read-only SQL transaction: a standby, as after a failover"),
    rule("25P02", Verdict::OtherSession, "in failed SQL transaction: another's, left behind by a pooler"),
    rule("25P03", Verdict::OtherSession, "idle in transaction session timeout: another's transaction"),
    rule("25P04", Verdict::OtherSession, "transaction timeout: the session ends with the transaction"),
    rule("26", Verdict::Refused, "invalid SQL statement name"),
    rule("27", Verdict::Refused, "triggered data change violation"),
    rule(
        "28",
        Verdict::OtherSession,
        "invalid authorization: a new session logs in with the secret as it is now",
    ),
    rule("2B", Verdict::Refused, "dependent privilege descriptors still exist"),
    rule("2D", Verdict::Refused, "invalid transaction termination"),
    rule("2F", Verdict::Refused, "SQL routine exception"),
    rule("34", Verdict::Refused, "invalid cursor name"),
    rule("38", Verdict::Refused, "external routine exception"),
    rule("39", Verdict::Refused, "external routine invocation exception"),
    rule("3B", Verdict::Refused, "savepoint exception"),
    rule("3D", Verdict::Refused, "invalid catalog name"),
    rule("3F", Verdict::Refused, "invalid schema name"),
    rule("40", Verdict::RolledBack, "transaction rollback, serialization failure and deadlock among them"),
    rule("40002", Verdict::Refused, "transaction integrity constraint violation: it would violate it again"),
    rule("40003", Verdict::Lost, "statement completion unknown"),
    rule("42", Verdict::Refused, "syntax error or access rule violation"),
    rule("44", Verdict::Refused, "with check option violation"),
    rule("53", Verdict::Later, "insufficient resources: disk full, out of memory, too many connections"),
    rule("54", Verdict::Refused, "program limit exceeded"),
    rule("55", Verdict::Refused, "object not in prerequisite state"),
    rule("55006", Verdict::Later, "object in use"),
    rule("55P03", Verdict::Later, "lock not available"),
    rule("57", Verdict::Lost, "operator intervention"),
    rule("57014", Verdict::Later, "query canceled: by statement_timeout or by an administrator"),
    rule("57P03", Verdict::OtherSession, "cannot connect now: the server starts or recovers"),
    rule("57P05", Verdict::OtherSession, "idle session timeout: it ended before the statement arrived"),
    rule("58", Verdict::Later, "system error: outside of PostgreSQL, such as the disk"),
    rule("72", Verdict::RolledBack, "snapshot failure: the next attempt has a new snapshot"),
    rule("F0", Verdict::Refused, "configuration file error"),
    rule("HV", Verdict::Refused, "foreign data wrapper error"),
    rule("P0", Verdict::Refused, "PL/pgSQL error"),
    rule("XX", Verdict::Refused, "internal error, corruption among them"),
];

/// The verdict for `code`: that of the code, else that of its class, else `Refused`.
pub fn verdict(code: &str) -> Verdict {
    let of = |sqlstate: &str| RULES.iter().find(|rule| rule.sqlstate == sqlstate);
    let rule = of(code).or_else(|| of(code.get(..2)?));
    rule.map_or(Verdict::Refused, |rule| rule.verdict)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_code_is_looked_up_before_its_class() {
        for (code, expected) in [
            ("25006", Verdict::OtherSession),
            ("57P03", Verdict::OtherSession),
            ("28P01", Verdict::OtherSession),
            ("57P01", Verdict::Lost),
            ("57P02", Verdict::Lost),
            ("08006", Verdict::Lost),
            ("40003", Verdict::Lost),
            ("40001", Verdict::RolledBack),
            ("40P01", Verdict::RolledBack),
            ("53100", Verdict::Later),
            ("53200", Verdict::Later),
            ("53300", Verdict::Later),
            ("55P03", Verdict::Later),
            ("57014", Verdict::Later),
            ("40002", Verdict::Refused),
            ("23503", Verdict::Refused),
            ("42501", Verdict::Refused),
            ("XX001", Verdict::Refused),
            ("ZZ123", Verdict::Refused),
            ("", Verdict::Refused),
        ] {
            assert_eq!(verdict(code), expected, "{code}");
        }
    }

    /// The classes of appendix A of PostgreSQL 18.
    #[test]
    fn every_class_is_decided_once() {
        let classes = "00 01 02 03 08 09 0A 0B 0F 0L 0P 0Z 10 20 21 22 23 24 25 26 27 28 2B 2D 2F 34 38 39 3B 3D 3F 40 42 44 \
            53 54 55 57 58 72 F0 HV P0 XX";
        let decided: Vec<_> = RULES.iter().map(|rule| rule.sqlstate).collect();
        assert_eq!(decided.iter().collect::<BTreeSet<_>>().len(), decided.len(), "no line twice");
        let of_classes: Vec<_> = decided.iter().copied().filter(|sqlstate| sqlstate.len() == 2).collect();
        assert_eq!(of_classes, classes.split_whitespace().collect::<Vec<_>>());
        for rule in RULES {
            assert!([2, 5].contains(&rule.sqlstate.len()), "{rule:?}");
            let is_class = rule.sqlstate.len() == 2;
            let class = RULES.iter().find(|class| rule.sqlstate.starts_with(class.sqlstate)).unwrap();
            assert!(is_class || class.verdict != rule.verdict, "{rule:?} is what its class is");
        }
        for verdict in Verdict::ALL {
            assert!(RULES.iter().any(|rule| rule.verdict == verdict), "{verdict:?}");
        }
    }

    #[test]
    fn only_what_was_certainly_not_carried_out_is_sent_again_blindly() {
        for verdict in Verdict::ALL {
            if verdict.attempt() == Attempt::NotMade {
                assert_eq!(verdict.carried_out(), CarriedOut::No, "{verdict:?}");
            }
        }
    }
}
