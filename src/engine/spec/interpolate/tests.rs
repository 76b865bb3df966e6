use super::*;
use serde_json::json;

fn fill_with(params: Value, axes: Value, value: Value) -> Result<Value, Vec<Trouble>> {
    let axes: BTreeMap<String, Value> = serde_json::from_value(axes).unwrap();
    Scope::new(params.as_object().unwrap(), &axes).fill(&value)
}

fn fill(params: Value, value: Value) -> Result<Value, Vec<Trouble>> {
    fill_with(params, json!({}), value)
}

fn trouble(params: Value, value: Value) -> Trouble {
    fill(params, value).unwrap_err().remove(0)
}

#[test]
fn a_whole_scalar_keeps_its_type() {
    let params = json!({"n": 5, "l": [1, 2], "m": {"k": true}, "none": null});
    let filled = fill(params, json!(["${n}", "${l}", "${m.k}", "${m}", "${none}"]));
    assert_eq!(filled, Ok(json!([5, [1, 2], true, {"k": true}, null])));
}

#[test]
fn inside_text_it_becomes_text() {
    assert_eq!(
        fill(json!({"n": 5, "s": "x"}), json!("a-${n}-${s}")),
        Ok(json!("a-5-x"))
    );
    for n in [json!(100), json!(100.0), json!(1e2)] {
        assert_eq!(
            fill(json!({"n": n}), json!("n=${n}")),
            Ok(json!("n=100")),
            "one spelling per number"
        );
    }
    assert_eq!(fill(json!({"n": 0.5}), json!("n=${n}")), Ok(json!("n=0.5")));
    assert!(
        trouble(json!({"l": [1]}), json!("a ${l}"))
            .message
            .contains("cannot stand inside text")
    );
}

#[test]
fn two_dollars_escape() {
    assert_eq!(
        fill(json!({"n": 5}), json!("$${n} ${n} $5 $")),
        Ok(json!("${n} 5 $5 $"))
    );
}

#[test]
fn parameters_may_use_parameters() {
    let params = json!({"a": "${b}", "b": {"c": 1}, "d": "${a.c}"});
    assert_eq!(fill(params, json!(["${d}", "${a}"])), Ok(json!([1, {"c": 1}])));
}

#[test]
fn circles_are_refused_and_named() {
    let found = trouble(json!({"a": "${b}", "b": "x${a}"}), json!("${a}"));
    assert!(found.message.contains("a → b → a"), "{found:?}");
    assert!(fill(json!({"a": "${a.b}"}), json!("${a}")).is_err());
    assert!(fill(json!({"a": {"b": "${a}"}}), json!("${a}")).is_err());
}

#[test]
fn parameters_that_double_each_other_are_refused() {
    let doubling = |link: fn(usize) -> Value| {
        let params = (1..60).map(|i| (format!("a{i}"), link(i - 1)));
        let params: Map<String, Value> = params.chain([("a0".to_owned(), json!(""))]).collect();
        trouble(Value::Object(params), json!({"x": ["${a59}"]})).message
    };
    let lists = |i: usize| json!([format!("${{a{i}}}"), format!("${{a{i}}}")]);
    for link in [(|i| json!(format!("${{a{i}}}${{a{i}}}"))) as fn(usize) -> Value, lists] {
        assert!(doubling(link).contains("unfold to more than"));
    }
}

#[test]
fn a_long_text_may_be_used_often_but_not_without_end() {
    let used = |times: usize| fill(json!({"a": "x".repeat(10_000)}), json!(vec!["${a} "; times]));
    assert!(used(50).is_ok());
    assert!(used(500).is_err());
}

#[test]
fn unknown_names_give_the_nearest() {
    let found = trouble(json!({"epochs": {"vae": 1}}), json!({"x": ["${epochs.vea}"]}));
    assert_eq!(found.path, ["x", "0"]);
    assert_eq!(found.hint.as_deref(), Some("did you mean `epochs.vae`?"));
}

#[test]
fn unclosed_and_empty_references_are_refused() {
    for text in ["${a", "${}", "${a b}", "${.a}", "${a..b}"] {
        assert!(fill(json!({"a": 1}), json!(text)).is_err(), "{text}");
    }
}

#[test]
fn all_troubles_are_told() {
    assert_eq!(fill(json!({}), json!(["${x}", "${y}"])).unwrap_err().len(), 2);
}

#[test]
fn axes_replace_parameters_above_at_and_below() {
    let params = json!({"epochs": {"vae": 1, "moe": 2}, "alpha": 1, "both": "${epochs}"});
    let axes = json!({"epochs.vae": 9, "alpha": 7});
    let filled = fill_with(
        params,
        axes,
        json!(["${epochs.vae}", "${both.vae}", "${epochs}", "${alpha}"]),
    );
    assert_eq!(filled, Ok(json!([9, 9, {"vae": 9, "moe": 2}, 7])));
    assert_eq!(
        fill_with(json!({"d": "x"}), json!({"d": {"n": 3}}), json!("${d.n}")),
        Ok(json!(3))
    );
}

#[test]
fn an_axis_below_a_reference_changes_what_it_stands_for_and_below_a_plain_value_nothing() {
    let params = || json!({"base": {"a": 1, "b": 2}, "data": "${base}", "loop": "${loop}"});
    let with = |axis: &str, wanted: &str| fill_with(params(), json!({axis: 3}), json!(wanted));
    assert_eq!(with("data.a", "${data}"), Ok(json!({"a": 3, "b": 2})));
    assert_eq!(with("data.a", "${base}"), Ok(json!({"a": 1, "b": 2})));
    assert!(with("loop.a", "${loop}").unwrap_err()[0].message.contains("circle"));
    let message = &with("base.a.c", "${base.a}").unwrap_err()[0].message;
    assert_eq!(message, "`base.a` is 1 here and has no part `base.a.c`");
}

#[test]
fn only_axes_that_are_used_are_touched() {
    let params = json!({"a": 1, "b": "${c.d}", "c": {"d": 1, "e": 2}});
    let axes: BTreeMap<String, Value> = [
        ("a".to_owned(), json!(5)),
        ("c.d".to_owned(), json!(6)),
        ("c.e".to_owned(), json!(7)),
    ]
    .into();
    let scope = Scope::new(params.as_object().unwrap(), &axes);
    assert_eq!(scope.get("b"), Ok(json!(6)));
    assert_eq!(scope.touched(), ["c.d".to_owned()].into());
}
