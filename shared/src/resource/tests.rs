//! Tests of what is derived from a description.

use serde_json::json;

use super::{
    order::{Ordered, Placed},
    sample::Cup,
    *,
};
use crate::{db::value::ColumnType, http::JsonObject};

fn members(body: &serde_json::Value) -> JsonObject {
    JsonObject::parse(body.to_string().as_bytes()).unwrap()
}

#[test]
fn the_sample_is_sound() {
    laws::is_sound::<Cup>();
    laws::a_replacement_sets_everything::<Cup>();
}

#[test]
fn what_is_left_out_is_the_default_null_or_a_fault() {
    let cup: Cup = members(&json!({"name": "湯呑", "price": 1})).create().unwrap();
    assert_eq!((cup.weight, cup.is_glazed, cup.description.as_str()), (None, true, ""));
    let faults =
        format!("{:?}", members(&json!({"name": null, "weight": 0, "id": 1})).create::<Cup>().unwrap_err());
    for expected in [
        "/name",
        "must not be null",
        "/price",
        "is required",
        "/weight",
        "from 1 to 5000",
        "/id",
        "is read-only",
    ] {
        assert!(faults.contains(expected), "{expected} is missing in {faults}");
    }
    let faults = format!("{:?}", members(&json!({"name": null, "price": "1"})).patch::<Cup>().unwrap_err());
    assert!(faults.contains("cannot be removed") && faults.contains("must be an integer"), "{faults}");
}

#[test]
fn a_patch_changes_what_it_names_and_what_follows_from_that() {
    let changes =
        members(&json!({"name": "Ｃup", "is_glazed": null, "weight": null})).patch::<Cup>().unwrap();
    assert_eq!(changes.names::<Cup>(), ["name", "weight", "is_glazed"]);
    let columns = changes.columns::<Cup>();
    let value = |name: &str| columns.iter().find(|(column, _)| *column == name).unwrap().1.clone();
    assert_eq!(value("search_key"), Value::Text("cup".to_owned()));
    assert_eq!((value("is_glazed"), value("weight")), (Value::Bool(true), Value::Null(ColumnType::Int8)));
    assert_eq!(value("price"), Value::Null(ColumnType::Int8), "which the statement leaves as it is");
}

#[test]
fn another_description_is_another_representation() {
    const FIELDS: &[Field] = Cup::FIELDS;
    let first = representation(FIELDS);
    assert_eq!(representation(FIELDS), first);
    assert_ne!(representation(&FIELDS[1..]), first);
    let changed = |change: fn(&mut Field)| {
        let mut fields = FIELDS.to_vec();
        change(&mut fields[1]);
        representation(&fields)
    };
    assert_ne!(changed(|field| field.name = "title"), first);
    assert_ne!(changed(|field| field.kind = ColumnType::Int8), first);
    assert_ne!(changed(|field| field.is_nullable = true), first);
    assert_eq!(changed(|field| field.default = Some(|| Value::from(""))), first, "nobody reads a default");
}

#[test]
fn a_key_that_can_be_null_is_two() {
    let of = |word: &str| {
        let order = Cup::ORDERS.iter().find(|order| order.word == word).unwrap();
        Ordered::of::<Cup>(order)
    };
    let weight = of("weight");
    assert_eq!(weight.after, "((weight is null), coalesce(weight, 0), id) > (?, coalesce(?, 0), ?)");
    assert_eq!(weight.by, "order by (weight is null), coalesce(weight, 0), id\nlimit ?");
    assert_eq!(of("name").after, "(name, id) > (?, ?)");
    assert!(of("-fired_on").after.contains("< (?, coalesce(?, '-infinity'::date), ?, coalesce(?, 0), ?)"));

    let mut cup: Cup = members(&Cup::example()).create().unwrap();
    for weight_of_it in [cup.weight, None] {
        cup.weight = weight_of_it;
        let position = serde_json::to_value(weight.position(&Placed::of(cup.clone()))).unwrap();
        let read = weight.read(position.as_array().unwrap()).unwrap();
        let value = cup.weight.value();
        assert_eq!(read, [Value::Bool(value.is_null()), value, Value::Uuid(cup.id.0)]);
    }
    for foreign in [json!([1]), json!([null, "1"]), json!(["1", cup.id]), json!([1, 2, cup.id])] {
        assert_eq!(weight.read(foreign.as_array().unwrap()), None, "{foreign}");
    }
    assert_eq!(of("name").read(json!([null, cup.id]).as_array().unwrap()), None);
}

#[test]
fn statements_have_numbers_for_all_names() {
    let shown = Statements::shown::<Cup>();
    assert!(
        !shown.lines().any(|line| !line.starts_with("--") && line.replace("::", "").contains(" :")),
        "{shown}"
    );
}
