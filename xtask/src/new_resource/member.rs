//! A member of a new resource, as described on the command line, and the code for its type.

use anyhow::{Context, Result, bail, ensure};

/// A member of a resource.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) is_optional: bool,
}

/// The type of a member.
pub(super) enum Kind {
    /// One line, with this maximum number of characters.
    Line(usize),
    /// Paragraphs, with this maximum number of characters.
    Text(usize),
    /// An integer between these bounds, inclusive.
    Integer(i64, i64),
    Boolean,
    Date,
    /// The id of another resource.
    Reference(String),
}

impl Member {
    /// Parses `name:line/200`, `town:line/100?`, `opened_on:date`, `artisan:reference`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        const TYPES: &str = "a type must be one of line/200, text/4000, integer, integer/0..100, boolean, date and reference, with ? if it can be null";
        let (name, kind) =
            text.split_once(':').with_context(|| format!("{text}: a member must be name:type"))?;
        ensure!(is_name(name), "{name}: a member's name must be in lower case, with _ between words");
        let (kind, is_optional) = kind.strip_suffix('?').map_or((kind, false), |kind| (kind, true));
        let (kind, size) = kind.split_once('/').map_or((kind, None), |(kind, size)| (kind, Some(size)));
        let length = |default: usize| {
            let length =
                size.map_or(Ok(default), str::parse).ok().filter(|length| (1..=10_000).contains(length));
            length.with_context(|| format!("{text}: a length must be a number from 1 to 10000"))
        };
        let mut name = name.to_owned();
        let kind = match kind {
            "line" => Kind::Line(length(200)?),
            "text" => Kind::Text(length(4_000)?),
            "integer" => {
                let bounds = size.unwrap_or("0..9223372036854775807").split_once("..");
                let bounds = bounds.and_then(|(min, max)| Some((min.parse().ok()?, max.parse().ok()?)));
                let (min, max) = bounds
                    .filter(|(min, max)| min < max)
                    .with_context(|| format!("{text}: bounds must be like 0..100"))?;
                Kind::Integer(min, max)
            }
            "boolean" => Kind::Boolean,
            "date" => Kind::Date,
            "reference" => {
                let to = name;
                name = format!("{to}_id");
                Kind::Reference(to)
            }
            _ => bail!("{text}: {TYPES}"),
        };
        ensure!(
            size.is_none() || matches!(kind, Kind::Line(_) | Kind::Text(_) | Kind::Integer(..)),
            "{text}: {TYPES}"
        );
        ensure!(
            !RESERVED.contains(&name.as_str()),
            "{name} is reserved: every resource has such a column, or every list such a parameter"
        );
        Ok(Self { name, kind, is_optional })
    }

    /// The member's lines in the description.
    pub(super) fn described(&self, is_searched: bool) -> String {
        let Self { name, kind, is_optional } = self;
        let own = match kind {
            Kind::Line(max) => format!("Line<{max}>"),
            Kind::Text(max) => format!("Paragraphs<{max}>"),
            Kind::Integer(min, max) => format!("Whole<{min}, {max}>"),
            Kind::Boolean => "bool".to_owned(),
            Kind::Date => "Day".to_owned(),
            Kind::Reference(to) => format!("{}Id", super::type_name(to)),
        };
        let r#type = if *is_optional { format!("Option<{own}>") } else { own };
        let default = if self.has_default() { " = Default::default()" } else { "" };
        let derived = if is_searched { " => search_key: text::fold" } else { "" };
        format!("        /// {}\n        {name}: {type}{default}{derived},\n", self.about())
    }

    fn has_default(&self) -> bool {
        matches!(self.kind, Kind::Text(_) | Kind::Boolean) && !self.is_optional
    }

    fn about(&self) -> String {
        let words = self.words();
        match &self.kind {
            Kind::Boolean => format!("Whether it {words}."),
            Kind::Reference(to) => format!("The {} that it belongs to.", to.replace('_', " ")),
            Kind::Date => match words.strip_suffix(" on") {
                Some(happened) => format!("The day on which it {happened}."),
                None => format!("Its {words}, a day."),
            },
            _ => format!("Its {words}."),
        }
    }

    /// The name as words: "opened on".
    fn words(&self) -> String {
        self.name.replace('_', " ")
    }

    /// The member's filters: name, condition, and documentation.
    pub(super) fn filters(&self, things: &str) -> Vec<(String, String, String)> {
        let Self { name, kind, .. } = self;
        let words = self.words();
        match kind {
            Kind::Text(_) => Vec::new(),
            Kind::Line(_) => {
                vec![(
                    name.clone(),
                    format!("{name} = ?"),
                    format!("Only {things} with exactly this {words}."),
                )]
            }
            Kind::Boolean => {
                vec![(name.clone(), format!("{name} = ?"), format!("Only {things} with this value."))]
            }
            Kind::Reference(to) => {
                vec![(name.clone(), format!("{name} = ?"), format!("Only the {things} of this {to}."))]
            }
            Kind::Integer(..) | Kind::Date => {
                let (less, more) =
                    if let Kind::Date = kind { ("earlier", "later") } else { ("less", "more") };
                let bound = |prefix: &str, sign: &str, beyond: &str| {
                    let about = format!("Only {things} with this `{name}`, or {beyond}.");
                    (format!("{prefix}_{name}"), format!("{name} {sign} ?"), about)
                };
                vec![bound("min", ">=", more), bound("max", "<=", less)]
            }
        }
    }

    /// Whether lists can be ordered by the member; of lines, only by the searched one.
    pub(super) fn is_ordered(&self, is_searched: bool) -> bool {
        is_searched || matches!(self.kind, Kind::Integer(..) | Kind::Date)
    }

    /// The definition of the member's column.
    pub(super) fn column(&self, table: &str) -> String {
        let Self { name, kind, is_optional } = self;
        let null = if *is_optional { "" } else { " not null" };
        match kind {
            Kind::Line(_) => format!("{name} text collate \"C\"{null}"),
            Kind::Text(_) if *is_optional => format!("{name} text"),
            Kind::Text(_) => format!("{name} text not null default ''"),
            Kind::Integer(min, max) => {
                format!(
                    "{name} bigint{null} constraint {table}_{name}_check check ({name} between {min} and {max})"
                )
            }
            Kind::Boolean if *is_optional => format!("{name} boolean"),
            Kind::Boolean => format!("{name} boolean not null default false"),
            Kind::Date => format!(
                "{name} date{null} constraint {table}_{name}_check check ({name} between '0001-01-01' and '9999-12-31')"
            ),
            Kind::Reference(to) => {
                format!(
                    "{name} uuid{null} constraint {table}_{name}_fkey references {} (id)",
                    super::plural(to)
                )
            }
        }
    }

    /// The indexes for the member's orders and filters.
    pub(super) fn indexes(&self, table: &str, is_searched: bool) -> Vec<String> {
        let Self { name, is_optional, .. } = self;
        let index = |suffix: &str, columns: &str| {
            format!("create index {table}_{name}{suffix} on {table} ({columns});\n")
        };
        let mut indexes = Vec::new();
        if self.is_ordered(is_searched) {
            if *is_optional {
                let any = match self.kind {
                    Kind::Integer(..) => "0",
                    Kind::Date => "'-infinity'::date",
                    _ => "''",
                };
                indexes.push(index("_order_idx", &format!("({name} is null), coalesce({name}, {any}), id")));
            } else {
                indexes.push(index("_idx", &format!("{name}, id")));
            }
        }
        let has_filter = !matches!(self.kind, Kind::Text(_));
        if has_filter && (*is_optional || !self.is_ordered(is_searched)) {
            indexes.push(index("_idx", &format!("{name}, created_at, id")));
        }
        indexes
    }

    /// The member's value in examples, as JSON.
    pub(super) fn example(&self) -> String {
        match &self.kind {
            Kind::Line(max) => {
                format!("\"{}\"", super::capitalised(&self.words()).chars().take(*max).collect::<String>())
            }
            Kind::Text(max) => format!("\"{}\"", "More of it.".chars().take(*max).collect::<String>()),
            Kind::Integer(min, max) => 7.clamp(*min, *max).to_string(),
            Kind::Boolean => "true".to_owned(),
            Kind::Date => "\"2026-11-21\"".to_owned(),
            Kind::Reference(_) => format!("\"{}\"", super::REFERRED),
        }
    }

    /// Another value as JSON, for a patch.
    pub(super) fn changed(&self) -> String {
        match &self.kind {
            Kind::Line(max) => format!("\"{}\"", "Other".chars().take(*max).collect::<String>()),
            Kind::Text(max) => format!("\"{}\"", "Less of it.".chars().take(*max).collect::<String>()),
            Kind::Integer(min, max) => {
                if 7.clamp(*min, *max) == *max {
                    min.to_string()
                } else {
                    max.to_string()
                }
            }
            Kind::Boolean => "false".to_owned(),
            Kind::Date => "\"2026-11-22\"".to_owned(),
            Kind::Reference(_) => self.example(),
        }
    }
}

/// The names of columns that every table has, and of parameters that every list has.
const RESERVED: [&str; 11] = [
    "id",
    "version",
    "created_at",
    "updated_at",
    "changed_by_request",
    "search_key",
    "search_version",
    "limit",
    "cursor",
    "sort",
    "q",
];

/// Whether `name` consists of lower-case words with `_` between them.
pub(super) fn is_name(name: &str) -> bool {
    name.split('_').all(|word| {
        let starts = word.starts_with(|first: char| first.is_ascii_lowercase());
        starts && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_a_name_and_a_type() {
        let described = |text: &str| {
            let member = Member::parse(text).unwrap();
            member.described(false).lines().nth(1).unwrap().trim().to_owned()
        };
        for (text, line) in [
            ("name:line/200", "name: Line<200>,"),
            ("town:line", "town: Line<200>,"),
            ("notes:text/500", "notes: Paragraphs<500> = Default::default(),"),
            ("notes:text?", "notes: Option<Paragraphs<4000>>,"),
            ("seats:integer/1..40?", "seats: Option<Whole<1, 40>>,"),
            ("is_open:boolean", "is_open: bool = Default::default(),"),
            ("opened_on:date", "opened_on: Day,"),
            ("artisan:reference", "artisan_id: ArtisanId,"),
            ("artisan:reference?", "artisan_id: Option<ArtisanId>,"),
        ] {
            assert_eq!(described(text), line, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_a_member_is_refused() {
        for text in [
            "name",
            "Name:line",
            "name:",
            "name:word",
            "name:line/0",
            "name:line/x",
            "name:date/4",
            "_:line",
            "a__b:line",
            "version:integer",
            "seats:integer/4",
            "seats:integer/4..4",
            "1st:line",
            "q:line",
        ] {
            assert!(Member::parse(text).is_err(), "{text}");
        }
    }
}
