//! `cargo xtask new-resource workshop name:line/200 opened_on:date artisan:reference`: adds a whole resource, with its
//! table, its description and the standard operations.

mod member;

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::new::{self, Edits, Operation, capitalised};
use member::{Kind, Member};

/// The id in sample requests, of a row that no other row refers to.
const SAMPLE: &str = "01936b5e-7c00-7000-8000-000000000002";

/// The id of the row that examples refer to.
const REFERRED: &str = "01936b5e-7c00-7000-8000-000000000001";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Name of the resource in the singular: `workshop`
    resource: String,
    /// Members, each as `name:type`. Types: line/200, text/4000, integer, integer/0..100, boolean, date, reference;
    /// with `?` after it if it can be null. Searches look at the first line
    #[arg(required = true)]
    members: Vec<String>,
    /// Its plural, for its table and its path; by default formed from the name: `workshops`
    #[arg(long)]
    plural: Option<String>,
}

/// The names of a resource.
struct Names {
    /// `workshop`
    name: String,
    /// `workshops`
    things: String,
    /// `Workshop`
    r#type: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let root = crate::root();
    let name = arguments.resource.clone();
    let things = arguments.plural.clone().unwrap_or_else(|| plural(&name));
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    ensure!(is_word(&name) && is_word(&things), "a resource's name is one word in lower case: workshop");
    ensure!(name != things, "the plural must differ from the name: use --plural");
    let members = arguments.members.iter().map(|member| Member::parse(member)).collect::<Result<Vec<_>>>()?;
    let mut known: Vec<_> = members.iter().map(|member| &member.name).collect();
    known.sort();
    let count = known.len();
    known.dedup();
    ensure!(known.len() == count, "two members have the same name");
    for member in &members {
        if let Kind::Reference(to) = &member.kind {
            ensure!(
                root.join(format!("domain/src/{to}.rs")).exists(),
                "{to}: there is no such resource, domain/src/{to}.rs does not exist"
            );
        }
    }
    let names = Names { r#type: type_name(&name), name, things };

    let mut edits = Edits::new(&root);
    edits.create(&format!("domain/src/{}.rs", names.name), description(&names, &members))?;
    edits.change("domain/src/lib.rs", |text| in_domain(text, &names))?;
    let number = next_migration(&root.join("migrations"))?;
    edits.create(&format!("migrations/V{number}__{}.sql", names.things), migration(&names, &members))?;
    let operations = operations(&names, &members)?;
    let described = format!("{}.", capitalised(&names.things));
    edits.change("api/src/document/tags.rs", |tags| new::with_tag(tags, &names.things, &described))?;
    for (operation, code, requests) in &operations {
        operation.add(&mut edits, code.clone(), requests.clone())?;
        edits.change(&format!("functions/{}/Cargo.toml", operation.name), |manifest| {
            new::sorted_below(manifest, "[dependencies]", "domain.workspace = true")
        })?;
    }
    edits.change("CHANGELOG.md", |changelog| {
        let things = capitalised(&names.things);
        new::in_changelog(
            changelog,
            &format!("- {things}: list, search, get, create, replace, patch, delete, and their history."),
        )
    })?;
    edits.write()?;
    let operations: Vec<_> = operations.iter().map(|(operation, ..)| operation).collect();
    new::format_and_generate(&operations)?;
    println!(
        "
/v1/{things} can be listed, searched, read, created, replaced, patched and deleted, and has a history.
domain/src/{name}.rs describes it; improve the generated descriptions of its members
migrations/V{number}__{things}.sql has its table
Nothing is left to do. `cargo xtask test` tests it; docs/adding-a-resource.md explains what is generated from what.",
        things = names.things,
        name = names.name,
    );
    Ok(())
}

/// The regular plural.
fn plural(name: &str) -> String {
    match name.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ if name.ends_with(['s', 'x', 'z']) || name.ends_with("ch") || name.ends_with("sh") => {
            format!("{name}es")
        }
        _ => format!("{name}s"),
    }
}

/// The type's name: `Workshop`.
fn type_name(name: &str) -> String {
    name.split('_').map(capitalised).collect()
}

/// The name with its article: "a workshop", "an artisan".
fn with_article(name: &str) -> String {
    format!("{} {name}", if name.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" })
}

/// The member that searches look at: the first line.
fn searched(members: &[Member]) -> Option<&str> {
    members.iter().find(|member| matches!(member.kind, Kind::Line(_))).map(|member| member.name.as_str())
}

/// A JSON object of the members' values.
fn json<'m>(members: impl IntoIterator<Item = &'m Member>, value: fn(&Member) -> String) -> String {
    let members = members.into_iter().map(|member| format!("\"{}\": {}", member.name, value(member)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
}

/// A merge patch as JSON. It changes the first member that is not a reference, since the referenced row would have to
/// exist.
fn patch(members: &[Member]) -> String {
    let changed = members.iter().find(|member| !matches!(member.kind, Kind::Reference(_)));
    json(changed.or(members.first()), Member::changed)
}

fn description(Names { name, things, r#type }: &Names, members: &[Member]) -> String {
    let searched = searched(members);
    let is_searched = |member: &Member| Some(member.name.as_str()) == searched;
    let lines: String = members.iter().map(|member| member.described(is_searched(member))).collect();
    let mut filters = String::new();
    for member in members {
        for (filter, condition, about) in member.filters(things) {
            filters += &format!(
                "        Filter::new::<Self>(\"{filter}\", \"{}\", \"{condition}\", \"{about}\"),\n",
                member.name
            );
        }
    }
    let mut orders = String::new();
    for member in members.iter().filter(|member| member.is_ordered(is_searched(member))) {
        let column = &member.name;
        orders += &format!("        Order::new::<Self>(\"{column}\", &[\"{column}\"]),\n");
        if !is_searched(member) {
            orders += &format!("        Order::new::<Self>(\"-{column}\", &[\"-{column}\"]),\n");
        }
    }
    let matches = searched.map_or_else(String::new, |column| {
        format!("    const MATCHES: &'static [&'static str] = &[\"{column}\"];\n")
    });
    let uses = |word: &str| lines.contains(word);
    let mut types: Vec<&str> = vec!["Filter", "Order", "Resource", "contract"];
    types.extend(
        ["Day", "Whole"]
            .into_iter()
            .filter(|name| lines.contains(&format!(": {name}")) || uses(&format!("<{name}"))),
    );
    types.sort_unstable();
    let mut texts: Vec<&str> = ["Line<", "Paragraphs<"]
        .into_iter()
        .filter(|name| uses(name))
        .map(|name| name.trim_end_matches('<'))
        .collect();
    if searched.is_some() {
        texts.push("self");
    }
    texts.sort_unstable_by_key(|name| *name != "self");
    let texts =
        if texts.is_empty() { String::new() } else { format!("    text::{{{}}},\n", texts.join(", ")) };
    let mut references: Vec<_> = members
        .iter()
        .filter_map(|member| if let Kind::Reference(to) = &member.kind { Some(to.as_str()) } else { None })
        .filter(|to| to != name)
        .collect();
    references.sort_unstable();
    references.dedup();
    let references: String =
        references.iter().map(|to| format!("use crate::{to}::{}Id;\n", type_name(to))).collect();
    let references = if references.is_empty() { references } else { format!("\n{references}") };
    format!(
        "//! {Things}.

use serde_json::{{Value, json}};
use shared::{{
    id, resource,
    resource::{{{types}}},
{texts}}};
{references}
id! {{
    /// {Article}'s id.
    {type}Id
}}

resource! {{
    /// {Article}.
    pub struct {type}: \"{name}\" in \"{things}\" {{
        id: {type}Id,
{lines}    }}
}}

/// The body that creates or replaces {article}.
pub type New{type} = contract::New<{type}>;

/// The body that changes {article}.
pub type {type}Patch = contract::Patch<{type}>;

impl Resource for {type} {{
    const FILTERS: &'static [Filter] = &[
{filters}    ];
    const ORDERS: &'static [Order] = &[
        Order::new::<Self>(\"-created_at\", &[\"-created_at\"]),
        Order::new::<Self>(\"created_at\", &[\"created_at\"]),
{orders}    ];
{matches}
    fn example() -> Value {{
        json!({example})
    }}

    fn patch_example() -> Value {{
        json!({patch})
    }}
}}
",
        Things = capitalised(things),
        Article = capitalised(&with_article(name)),
        article = with_article(name),
        types = types.join(", "),
        example = json(members, Member::example),
        patch = patch(members),
    )
}

/// `domain/src/lib.rs` with the resource after all others, to which it may refer.
fn in_domain(text: &str, Names { name, r#type, .. }: &Names) -> Result<String> {
    let module = format!("pub mod {name};\n");
    let at = text.find("pub mod ").context("no line begins with `pub mod `")?;
    let text = format!("{}{module}{}", &text[..at], &text[at..]);
    let at = text.find("use shared::").context("no line begins with `use shared::`")?;
    let text = format!("{}use {name}::{type};\n{}", &text[..at], &text[at..]);
    let last = text.rfind("    visitor.visit::<").context("no resource is shown to visitors")?;
    let end = last + text[last..].find('\n').context("the line has no end")? + 1;
    Ok(format!("{}    visitor.visit::<{type}>();\n{}", &text[..end], &text[end..]))
}

/// The number of the next migration.
fn next_migration(folder: &std::path::Path) -> Result<u32> {
    let mut last = 0;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let number = name
            .strip_prefix('V')
            .and_then(|rest| rest.split_once("__"))
            .and_then(|(number, _)| number.parse().ok());
        last = last.max(number.unwrap_or(0));
    }
    Ok(last + 1)
}

fn migration(Names { name, things, .. }: &Names, members: &[Member]) -> String {
    let searched = searched(members);
    let is_searched = |member: &Member| Some(member.name.as_str()) == searched;
    let mut columns = String::new();
    let mut trigger = String::new();
    let mut indexes = format!("create index {things}_created_at_idx on {things} (created_at, id);\n");
    for member in members {
        columns += &format!("  {},\n", member.column(things));
        if is_searched(member) {
            let null = if member.is_optional { "" } else { " not null" };
            columns += "  -- The searched form: folded by the service, which folds the search term in the same way.\n";
            columns += &format!(
                "  search_key text collate \"C\"{null},\n  search_version integer not null default 1,\n"
            );
            indexes += &format!(
                "create index {things}_search_key_idx on {things} using gin (search_key gin_trgm_ops) with (fastupdate = off);
create index {things}_search_grams_idx on {things} using gin (search_grams(search_frame(search_key))) with (fastupdate = off);
alter table {things} alter column search_key set statistics 500;
"
            );
            trigger = format!(
                "
create trigger say_search_version before insert or update of search_key on {things}
for each row execute function say_search_version();
create trigger learn_search_words after insert on {things}
referencing new table as written
for each statement execute function learn_search_words('{name}');
create trigger learn_changed_search_words after update on {things}
referencing old table as replaced new table as written
for each statement execute function learn_search_words('{name}');
"
            );
        }
        indexes.extend(member.indexes(things, is_searched(member)));
    }
    format!(
        "-- {Things}.

create table {things} (
  id uuid primary key,
{columns}  version bigint not null default 1,
  created_at timestamptz not null constraint {things}_created_at_check
    check (created_at between '0001-01-01 00:00:00+00' and '9999-12-30 00:00:00+00'),
  updated_at timestamptz not null constraint {things}_updated_at_check
    check (updated_at between '0001-01-01 00:00:00+00' and '9999-12-30 00:00:00+00'),
  changed_by_request uuid
);

-- One index for each order and filter; each includes the id as a tiebreaker.
{indexes}{trigger}
grant select on {things} to catalog_reader;
grant select, insert, update, delete on {things} to catalog_writer;
",
        Things = capitalised(things),
    )
}

/// The standard operations, each with its code and its sample requests.
fn operations(names: &Names, members: &[Member]) -> Result<Vec<(Operation, String, String)>> {
    let Names { name, things, r#type } = names;
    let whole_body = format!("Content-Type: application/json\n\n{}\n", json(members, Member::example));
    let searched = searched(members).map(|searched| searched.replace('_', " "));
    let whole = format!("/v1/{things}");
    let one = format!("{whole}/{{id}}");
    let mut standard = vec![
        (
            format!("list-{things}"),
            "GET",
            whole.clone(),
            200,
            include_str!("new_resource/list.rs.template"),
            String::new(),
        ),
        (
            format!("search-{things}"),
            "GET",
            format!("{whole}/search"),
            200,
            include_str!("new_resource/search.rs.template"),
            String::new(),
        ),
        (
            format!("create-{name}"),
            "POST",
            whole.clone(),
            201,
            include_str!("new_resource/create.rs.template"),
            whole_body.clone(),
        ),
        (
            format!("get-{name}"),
            "GET",
            one.clone(),
            200,
            include_str!("new_resource/get.rs.template"),
            String::new(),
        ),
        (
            format!("replace-{name}"),
            "PUT",
            one.clone(),
            200,
            include_str!("new_resource/replace.rs.template"),
            whole_body,
        ),
        (
            format!("patch-{name}"),
            "PATCH",
            one.clone(),
            200,
            include_str!("new_resource/patch.rs.template"),
            format!("Content-Type: application/merge-patch+json\n\n{}\n", patch(members)),
        ),
        (
            format!("delete-{name}"),
            "DELETE",
            one.clone(),
            204,
            include_str!("new_resource/delete.rs.template"),
            String::new(),
        ),
        (
            format!("list-{name}-history"),
            "GET",
            format!("{one}/history"),
            200,
            include_str!("new_resource/history.rs.template"),
            String::new(),
        ),
    ];
    standard.retain(|(operation, ..)| searched.is_some() || !operation.starts_with("search-"));
    let searched = searched.unwrap_or_default();
    let made = standard.into_iter().map(|(operation, method, route, status, code, rest)| {
        let operation = Operation::new(&operation, method, &route)?;
        let code = code
            .replace("OPERATION_ID", &operation.id())
            .replace("HANDLER", &operation.handler())
            .replace("THING_NAME", name)
            .replace("A_THING", &with_article(name))
            .replace("THINGS", things)
            .replace("THING", r#type)
            .replace("MODULE", name)
            .replace("SEARCHED", &searched);
        let query = if route.ends_with("/search") {
            format!("?q={}", &searched[..searched.len().min(3)])
        } else {
            String::new()
        };
        let target = route.replace("{id}", SAMPLE) + &query;
        let request = format!("### {}\n# @status {status}\n{method} {target}\n{rest}", operation.name);
        Ok((operation, code, request))
    });
    made.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_are_the_usual_ones() {
        for (one, many) in [
            ("workshop", "workshops"),
            ("glaze", "glazes"),
            ("city", "cities"),
            ("box", "boxes"),
            ("day", "days"),
        ] {
            assert_eq!(plural(one), many);
        }
    }
}
