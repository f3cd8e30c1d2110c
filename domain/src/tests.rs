//! Tests of every resource.

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use shared::resource::{READ_ONLY, Resource, laws};

use super::{Visitor, visit};

struct Laws;

impl Visitor for Laws {
    fn visit<T: Resource>(&mut self) {
        laws::is_sound::<T>();
        laws::a_replacement_sets_everything::<T>();
        let mut runner = TestRunner::new(Config::with_cases(2_000));
        let inputs = (patch_document(laws::writable::<T>(), T::example()), any::<bool>());
        let checked = runner.run(&inputs, |(patch, has_nulls)| {
            let target = if has_nulls { laws::with_nulls::<T>() } else { T::example() };
            laws::a_patch_is_a_merge_then_a_check::<T>(&patch, &target);
            Ok(())
        });
        checked.unwrap_or_else(|error| panic!("{}: {error}", T::TYPE));
    }
}

#[test]
fn every_resource_is_sound_and_a_patch_of_it_is_a_merge_then_a_check() {
    visit(&mut Laws);
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        Just(json!("EUR")),
        Just(json!("01936b5e-7c00-7000-8000-000000000002")),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,4}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A patch of a resource with these fields, now and then with values of the example.
fn patch_document(writable: Vec<&'static str>, example: Value) -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        8 => prop::sample::select(writable).prop_map(str::to_owned),
        1 => prop::sample::select(READ_ONLY.to_vec()).prop_map(str::to_owned),
        1 => ".{0,6}",
    ];
    let member = (name, any::<bool>(), json_value()).prop_map(move |(name, is_example, value)| {
        let example = example.get(&name).filter(|_| is_example).cloned();
        (name, example.unwrap_or(value))
    });
    let object =
        prop::collection::vec(member, 0..5).prop_map(|members| Value::Object(members.into_iter().collect()));
    prop_oneof![9 => object, 1 => json_value()]
}
