//! The environment variables that functions read, each described where it is read. `docs/configuration.md` has a table of
//! all of them, generated from these descriptions.

use std::{env, fmt};

/// An environment variable: its name, what it means, and what counts where it is not set.
///
/// Only `variables!` makes one, which also puts it into a list for the documentation.
#[derive(Debug)]
pub struct Variable {
    name: &'static str,
    meaning: &'static str,
    default: &'static str,
}

impl Variable {
    pub(crate) const fn new(name: &'static str, meaning: &'static str, default: &'static str) -> Self {
        Self { name, meaning, default }
    }

    /// The name in the environment.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What the value means, in Markdown.
    pub fn meaning(&self) -> &'static str {
        self.meaning.trim_start()
    }

    /// The value that counts where the variable is not set, or a sentence about it. Empty if there is none.
    pub fn default(&self) -> &'static str {
        self.default
    }

    /// The variable's value in the environment. An empty value counts as not set.
    pub fn read(&self) -> Option<String> {
        env::var(self.name).ok().filter(|value| !value.is_empty())
    }

    /// The variable's value in the environment, else the default.
    pub fn read_or_default(&self) -> String {
        self.or_default(&Self::read)
    }

    /// The value that `variable` returns, else the default.
    pub(crate) fn or_default(&self, variable: &impl Fn(&Self) -> Option<String>) -> String {
        variable(self).unwrap_or_else(|| self.default.to_owned())
    }

    /// Whether the value is `true`. Anything but `true` and `false` is added to `faults`.
    pub(crate) fn is_true(
        &self,
        variable: &impl Fn(&Self) -> Option<String>,
        faults: &mut Vec<String>,
    ) -> bool {
        match self.or_default(variable).as_str() {
            "true" => true,
            "false" => false,
            _ => {
                faults.push(format!("{self} is neither true nor false"));
                false
            }
        }
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Declares a constant for each environment variable, whose comment is its description and whose value is its default, and
/// `VARIABLES`, the list of them.
macro_rules! variables {
    ($($(#[doc = $meaning:literal])+ $visibility:vis $name:ident = $default:expr;)+) => {
        $(
            $(#[doc = $meaning])+
            $visibility const $name: $crate::environment::Variable =
                $crate::environment::Variable::new(stringify!($name), concat!($($meaning),+), $default);
        )+

        /// Every variable that is declared here.
        pub const VARIABLES: &[$crate::environment::Variable] = &[$($name),+];
    };
}
pub(crate) use variables;

/// The values of a test in place of the environment.
#[cfg(test)]
pub(crate) fn given(values: &[(&str, &str)]) -> impl Fn(&Variable) -> Option<String> {
    move |it: &Variable| {
        values.iter().find(|(name, _)| *name == it.name).map(|(_, value)| (*value).to_owned())
    }
}

variables! {
    /// Address of the Runtime API. Without it, a function does not start.
    pub AWS_LAMBDA_RUNTIME_API = "";
    /// `snap-start`: the environment waits until it is restored from a snapshot.
    pub(crate) AWS_LAMBDA_INITIALIZATION_TYPE = "";
    /// `function_name` in log lines, and the name of the database session.
    pub(crate) AWS_LAMBDA_FUNCTION_NAME = "";
    /// `function_memory_size` in log lines.
    pub(crate) AWS_LAMBDA_FUNCTION_MEMORY_SIZE = "";
    /// Region of the secret and of IAM tokens, and the one that `/docs` signs for. Required with `DB_SECRET_ARN` and
    /// `DB_AUTH=iam`.
    pub AWS_REGION = "";
    /// With the next two, the function's credentials, for IAM tokens and Secrets Manager.
    pub(crate) AWS_ACCESS_KEY_ID = "";
    /// See `AWS_ACCESS_KEY_ID`.
    pub(crate) AWS_SECRET_ACCESS_KEY = "";
    /// See `AWS_ACCESS_KEY_ID`.
    pub(crate) AWS_SESSION_TOKEN = "";
}
