//! Checks whether one schema is contained in another.

use std::{borrow::Cow, collections::BTreeSet};

use serde_json::{Map, Value};

use super::{below, items, members, resolve};

/// Where a schema is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// In a request: whatever was accepted must stay accepted.
    Request,
    /// In a response: whatever is returned must have been documented.
    Response,
}

impl Side {
    pub(super) fn choose<T>(self, request: T, answer: T) -> T {
        match self {
            Self::Request => request,
            Self::Response => answer,
        }
    }
}

/// The comparison of schemas of two documents.
pub(super) struct Schemas<'a> {
    old_document: &'a Value,
    new_document: &'a Value,
    side: Side,
    /// The pairs of pointers already compared: schemas may be recursive.
    visited: BTreeSet<(String, String)>,
    found: Vec<(String, String)>,
}

/// A pair of schemas with their places.
#[derive(Clone)]
struct Pair<'a> {
    old: &'a Value,
    new: &'a Value,
    old_pointer: String,
    new_pointer: String,
}

/// A schema with its references resolved and its `allOf` merged.
type Flat = Map<String, Value>;

/// The keyword of a limit, and whether a larger value makes it stricter.
const LIMITS: [(&str, bool); 6] = [
    ("minLength", true),
    ("maxLength", false),
    ("minItems", true),
    ("maxItems", false),
    ("minProperties", true),
    ("maxProperties", false),
];

impl<'a> Schemas<'a> {
    pub(super) fn new(old_document: &'a Value, new_document: &'a Value, side: Side) -> Self {
        Self { old_document, new_document, side, visited: BTreeSet::new(), found: Vec::new() }
    }

    /// The breaking differences: pointers, and sentences about `subject`.
    pub(super) fn compare(
        mut self,
        subject: &str,
        (old_pointer, new_pointer): (&str, &str),
        old: &'a Value,
        new: &'a Value,
    ) -> Vec<(String, String)> {
        let (old_pointer, new_pointer) = (old_pointer.to_owned(), new_pointer.to_owned());
        self.pair(subject, &Pair { old, new, old_pointer, new_pointer });
        self.found
    }

    fn report(&mut self, pointer: impl Into<String>, sentence: String) {
        self.found.push((pointer.into(), sentence));
    }

    fn pair(&mut self, subject: &str, pair: &Pair<'_>) {
        let (old, old_pointer) = resolve(self.old_document, pair.old, Cow::Borrowed(&pair.old_pointer));
        let (new, new_pointer) = resolve(self.new_document, pair.new, Cow::Borrowed(&pair.new_pointer));
        if !self.visited.insert((old_pointer.to_string(), new_pointer.to_string())) {
            return;
        }
        let old_flat = flatten(self.old_document, old);
        let new_flat = flatten(self.new_document, new);
        self.variants(subject, (&old_pointer, &new_pointer), &old_flat, &new_flat);
    }

    /// Each alternative of the contained side must be contained in one of the containing side.
    fn variants(&mut self, subject: &str, pointers: (&str, &str), old: &Flat, new: &Flat) {
        let old_variants = alternatives(self.old_document, old);
        let new_variants = alternatives(self.new_document, new);
        if let ([old], [new]) = (&old_variants[..], &new_variants[..]) {
            return self.flat(subject, pointers, old, new);
        }
        let (old_variants, new_variants) = (apart_from_null(old_variants), apart_from_null(new_variants));
        let (inner, outer) = self.side.choose((&old_variants, &new_variants), (&new_variants, &old_variants));
        let pointer = self.side.choose(pointers.0, pointers.1);
        for variant in inner {
            let of_type = |variant: &&Flat| types(variant) != BTreeSet::from(["null"]);
            let fits = |other: &Flat| self.differences(subject, pointers, variant, other).is_empty();
            if outer.iter().any(fits) {
                continue;
            }
            // If both sides have one alternative besides null, report the differences between them.
            let mut others = outer.iter().filter(of_type);
            match (others.next(), others.next()) {
                (Some(other), None) if of_type(&variant) => {
                    let differences = self.differences(subject, pointers, variant, other);
                    self.found.extend(differences);
                }
                _ => {
                    let verb = self.side.choose("no longer accepts", "may now be");
                    let variant = Value::Object(variant.clone());
                    self.report(pointer, format!("{subject} {verb} {}", shortened(&variant)));
                }
            }
        }
    }

    /// The differences between the `inner` and the `outer` schema, without reporting them.
    fn differences(
        &self,
        subject: &str,
        pointers: (&str, &str),
        inner: &Flat,
        outer: &Flat,
    ) -> Vec<(String, String)> {
        let (old, new) = self.side.choose((inner, outer), (outer, inner));
        let mut schemas = Schemas {
            old_document: self.old_document,
            new_document: self.new_document,
            side: self.side,
            visited: self.visited.clone(),
            found: Vec::new(),
        };
        schemas.flat(subject, pointers, old, new);
        schemas.found
    }

    fn flat(&mut self, subject: &str, pointers: (&str, &str), old: &Flat, new: &Flat) {
        self.types(subject, pointers, old, new);
        self.values(subject, pointers, old, new);
        self.format(subject, pointers, old, new);
        if self.side == Side::Request {
            self.limits(subject, pointers, old, new);
        }
        if old.get("not") != new.get("not") {
            self.report(below(pointers.0, "not"), format!("{subject} excludes other values"));
        }
        // Members are only compared if both sides are objects.
        if [old, new].into_iter().all(|schema| types(schema).contains("object")) {
            self.members(subject, pointers, old, new);
        }
        if let (Some(old), Some(new)) = (old.get("items"), new.get("items")) {
            let (old_pointer, new_pointer) = (below(pointers.0, "items"), below(pointers.1, "items"));
            self.pair(&format!("an item of {subject}"), &Pair { old, new, old_pointer, new_pointer });
        }
    }

    fn types(&mut self, subject: &str, pointers: (&str, &str), old: &Flat, new: &Flat) {
        let (old_types, new_types) = (types(old), types(new));
        let (inner, outer) = self.side.choose((&old_types, &new_types), (&new_types, &old_types));
        let has = |name: &str| outer.contains(name) || name == "integer" && outer.contains("number");
        let missing: Vec<_> = inner.iter().copied().filter(|name| !has(name)).collect();
        if !missing.is_empty() {
            let verb = self.side.choose("is no longer accepted as", "may now be");
            let pointer = self.side.choose(pointers.0, pointers.1);
            self.report(below(pointer, "type"), format!("{subject} {verb} {}", missing.join(" or ")));
        }
    }

    fn values(&mut self, subject: &str, pointers: (&str, &str), old: &Flat, new: &Flat) {
        let (inner, outer) = self.side.choose((old, new), (new, old));
        let Some(outer) = enumeration(outer) else { return };
        let sentence = match enumeration(inner) {
            None => {
                let outer: Vec<_> = outer.iter().map(ToString::to_string).collect();
                let outer = outer.join(", ");
                let accepted = format!("{subject} is now accepted only as one of {outer}");
                self.side.choose(accepted, format!("{subject} may now be other than {outer}"))
            }
            Some(inner) => {
                let missing: Vec<_> =
                    inner.iter().filter(|value| !outer.contains(value)).map(ToString::to_string).collect();
                if missing.is_empty() {
                    return;
                }
                let verb = self.side.choose("is no longer accepted as", "may now be");
                format!("{subject} {verb} {}", missing.join(", "))
            }
        };
        self.report(below(self.side.choose(pointers.0, pointers.1), "enum"), sentence);
    }

    fn format(&mut self, subject: &str, pointers: (&str, &str), old: &Flat, new: &Flat) {
        let (inner, outer) = self.side.choose((old, new), (new, old));
        let format = |schema: &'_ Flat| schema.get("format").and_then(Value::as_str).map(ToOwned::to_owned);
        let (inner, Some(outer)) = (format(inner), format(outer)) else { return };
        let is_within = match (inner.as_deref(), outer.as_str()) {
            (Some("int32"), "int64") | (Some("float"), "double") => true,
            (inner, outer) => inner == Some(outer),
        };
        if !is_within {
            let inner = inner.unwrap_or_else(|| "text of any format".to_owned());
            let accepted = format!("{subject} is accepted only as {outer}, no longer as {inner}");
            let sentence =
                self.side.choose(accepted, format!("{subject} may now be {inner} instead of {outer}"));
            self.report(below(pointers.0, "format"), sentence);
        }
    }

    /// Reports limits of a request that have become stricter.
    fn limits(&mut self, subject: &str, pointers: (&str, &str), old: &Flat, new: &Flat) {
        let mut differ = |keyword: &str, old: Option<&Value>, new: Option<&Value>| {
            let show = |value: Option<&Value>| value.map_or_else(|| "none".to_owned(), ToString::to_string);
            let sentence = format!("{subject} has another {keyword}: {} instead of {}", show(new), show(old));
            self.found.push((below(pointers.1, keyword), sentence));
        };
        let is_stricter = |is_lower: bool, old: Option<f64>, new: Option<f64>| match (old, new) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(old), Some(new)) => {
                if is_lower {
                    new > old
                } else {
                    new < old
                }
            }
        };
        for (keyword, is_lower) in LIMITS {
            let number = |schema: &Flat| schema.get(keyword).and_then(Value::as_f64);
            let is_nothing = is_lower && number(new) == Some(0.0);
            if is_stricter(is_lower, number(old), number(new)) && !is_nothing {
                differ(keyword, old.get(keyword), new.get(keyword));
            }
        }
        for (keyword, exclusive, is_lower) in
            [("minimum", "exclusiveMinimum", true), ("maximum", "exclusiveMaximum", false)]
        {
            let (old_bound, new_bound) =
                (bound(old, keyword, exclusive, is_lower), bound(new, keyword, exclusive, is_lower));
            let number = |bound: Option<(f64, bool)>| bound.map(|(number, _)| number);
            let becomes_exclusive = matches!(
                (old_bound, new_bound),
                (Some((old, false)), Some((new, true))) if old.total_cmp(&new).is_eq()
            );
            if is_stricter(is_lower, number(old_bound), number(new_bound)) || becomes_exclusive {
                let value = |schema: &'_ Flat| schema.get(keyword).or(schema.get(exclusive)).cloned();
                differ(keyword, value(old).as_ref(), value(new).as_ref());
            }
        }
        for keyword in ["pattern", "multipleOf", "uniqueItems"] {
            let (old, new) = (old.get(keyword), new.get(keyword));
            if new.is_some() && old != new && new != Some(&Value::Bool(false)) {
                differ(keyword, old, new);
            }
        }
    }

    fn members(&mut self, subject: &str, pointers: (&str, &str), old: &Flat, new: &Flat) {
        let hidden = self.side.choose("readOnly", "writeOnly");
        let old_members = properties(self.old_document, old, hidden);
        let new_members = properties(self.new_document, new, hidden);
        let name_of = |name: &str| match subject {
            "the body" => format!("the member `{name}`"),
            _ => format!("the member `{name}` of {subject}"),
        };
        for &(name, old_member) in &old_members {
            let (what, old_pointer) = (name_of(name), below(&below(pointers.0, "properties"), name));
            let Some(&(_, new_member)) = new_members.iter().find(|(other, _)| *other == name) else {
                self.report(
                    old_pointer,
                    format!("{what} is {}", self.side.choose("no longer accepted", "gone")),
                );
                continue;
            };
            let new_pointer = below(&below(pointers.1, "properties"), name);
            match (self.side, is_required(old, name), is_required(new, name)) {
                (Side::Request, false, true) => self.report(&new_pointer, format!("{what} is now required")),
                (Side::Response, true, false) => {
                    self.report(&new_pointer, format!("{what} may now be absent"))
                }
                _ => {}
            }
            self.pair(&what, &Pair { old: old_member, new: new_member, old_pointer, new_pointer });
        }
        if self.side == Side::Request {
            for (name, _) in new_members {
                let is_new = !old_members.iter().any(|(other, _)| *other == name);
                if is_new && is_required(new, name) {
                    let pointer = below(&below(pointers.1, "properties"), name);
                    self.report(pointer, format!("{} is new and required", name_of(name)));
                }
            }
        }
        self.other_members(subject, pointers, old, new);
    }

    fn other_members(&mut self, subject: &str, pointers: (&str, &str), old: &Flat, new: &Flat) {
        const KEYWORD: &str = "additionalProperties";
        let (old, new) = (old.get(KEYWORD), new.get(KEYWORD));
        let (old_pointer, new_pointer) = (below(pointers.0, KEYWORD), below(pointers.1, KEYWORD));
        let is_closed = |schema: Option<&Value>| schema == Some(&Value::Bool(false));
        match (old, new) {
            (Some(old @ Value::Object(_)), Some(new @ Value::Object(_))) => {
                let what = format!("any member of {subject}");
                self.pair(&what, &Pair { old, new, old_pointer, new_pointer });
            }
            (old, new) if self.side == Side::Request && is_closed(new) && !is_closed(old) => {
                self.report(new_pointer, format!("{subject} no longer accepts other members"));
            }
            _ => {}
        }
    }
}

/// `schema` with the schemas of its `allOf` merged into it.
fn flatten(document: &Value, schema: &Value) -> Flat {
    fn merge(document: &Value, schema: &Value, flat: &mut Flat, depth: usize) {
        let (schema, _) = resolve(document, schema, Cow::Borrowed(""));
        // A deeper schema is recursive.
        if depth < 16 {
            items(&schema["allOf"]).for_each(|part| merge(document, part, flat, depth + 1));
        }
        for (keyword, value) in members(schema).filter(|(keyword, _)| *keyword != "allOf") {
            match (keyword.as_str(), flat.get_mut(keyword), value) {
                ("properties", Some(Value::Object(all)), Value::Object(more)) => {
                    all.extend(more.iter().map(|(name, member)| (name.clone(), member.clone())));
                }
                ("required", Some(Value::Array(all)), Value::Array(more)) => all.extend(more.iter().cloned()),
                _ => {
                    flat.insert(keyword.clone(), value.clone());
                }
            }
        }
    }
    let mut flat = Flat::new();
    merge(document, schema, &mut flat, 0);
    flat
}

/// The alternatives of `oneOf` or `anyOf`, each merged with its sibling keywords; the schema itself if there
/// are none.
fn alternatives(document: &Value, schema: &Flat) -> Vec<Flat> {
    let Some(keyword) = ["oneOf", "anyOf"].into_iter().find(|keyword| schema.contains_key(*keyword)) else {
        return vec![schema.clone()];
    };
    let mut rest = schema.clone();
    let list = rest.remove(keyword).unwrap_or_default();
    let is_nullable = rest.remove("nullable") == Some(Value::Bool(true));
    let mut alternatives = Vec::new();
    for part in items(&list) {
        let mut alternative = rest.clone();
        alternative.extend(flatten(document, part));
        // An alternative may itself have alternatives.
        alternatives.extend(self::alternatives(document, &alternative));
    }
    if is_nullable {
        alternatives.push(null());
    }
    alternatives
}

/// `alternatives` with null as a separate one.
fn apart_from_null(alternatives: Vec<Flat>) -> Vec<Flat> {
    let mut apart = Vec::new();
    for mut alternative in alternatives {
        let mut is_nullable = alternative.remove("nullable") == Some(Value::Bool(true));
        if let Some(Value::Array(names)) = alternative.get_mut("type")
            && names.len() > 1
        {
            let all = names.len();
            names.retain(|name| name != "null");
            is_nullable |= names.len() < all;
        }
        // OpenAPI 3.0 has no null type: there it is an enumeration with null as the only value.
        let is_null = alternative.get("enum").is_some_and(|values| items(values).all(Value::is_null));
        if let Some(Value::Array(values)) = alternative.get_mut("enum") {
            let all = values.len();
            values.retain(|value| !value.is_null());
            is_nullable |= values.len() < all;
        }
        if !is_null {
            apart.push(alternative);
        }
        if is_nullable {
            apart.push(null());
        }
    }
    apart
}

fn null() -> Flat {
    Flat::from_iter([("type".to_owned(), Value::from("null"))])
}

/// The possible types of a value.
fn types(schema: &Flat) -> BTreeSet<&str> {
    const ALL: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];
    let mut types: BTreeSet<_> = match schema.get("type") {
        Some(Value::String(name)) => BTreeSet::from([name.as_str()]),
        Some(names @ Value::Array(_)) => items(names).filter_map(Value::as_str).collect(),
        _ if schema.contains_key("properties") => BTreeSet::from(["object"]),
        _ => enumeration(schema)
            .map_or_else(|| BTreeSet::from(ALL), |values| values.iter().map(type_of).collect()),
    };
    if schema.get("nullable") == Some(&Value::Bool(true)) {
        types.insert("null");
    }
    types
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The possible values, if they are enumerated.
fn enumeration(schema: &Flat) -> Option<&[Value]> {
    match (schema.get("enum"), schema.get("const")) {
        (Some(Value::Array(values)), _) => Some(values),
        (_, Some(value)) => Some(std::slice::from_ref(value)),
        _ => None,
    }
}

/// The bound of a number, and whether it is exclusive: in 3.0 by a flag beside the bound, in 3.1 by a
/// separate bound.
fn bound(schema: &Flat, inclusive: &str, exclusive: &str, is_lower: bool) -> Option<(f64, bool)> {
    let number = schema.get(inclusive).and_then(Value::as_f64);
    match schema.get(exclusive) {
        Some(Value::Bool(is_exclusive)) => number.map(|number| (number, *is_exclusive)),
        Some(Value::Number(other)) => {
            let other = other.as_f64()?;
            let is_stricter =
                number.is_none_or(|number| if is_lower { other >= number } else { other <= number });
            if is_stricter { Some((other, true)) } else { number.map(|number| (number, false)) }
        }
        _ => number.map(|number| (number, false)),
    }
}

/// The declared members, without those that are `hidden` on this side.
fn properties<'f>(document: &Value, schema: &'f Flat, hidden: &str) -> Vec<(&'f str, &'f Value)> {
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let is_shown = |member: &Value| flatten(document, member).get(hidden) != Some(&Value::Bool(true));
    properties.map(|(name, member)| (name.as_str(), member)).filter(|(_, member)| is_shown(member)).collect()
}

fn is_required(schema: &Flat, name: &str) -> bool {
    schema.get("required").is_some_and(|required| items(required).any(|other| other == name))
}

/// `schema` as JSON, truncated to one line.
fn shortened(schema: &Value) -> String {
    let text = schema.to_string();
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
