//! Evaluates the template and its policies for given parameters, like CloudFormation and IAM.

use std::collections::BTreeMap;

use local::gateway::iam::is_match;
use serde_json::{Map, Value, json};

use super::{STAGES, Stage};

pub(super) type Parameters = BTreeMap<String, Value>;

/// A parameter's value as text, as CloudFormation receives it.
pub(super) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// A template with parameters, for a stack named `atelier` in partition `aws`, region `region` and account `account`.
/// Values that are known only after a deployment are `<Id.Attribute>`.
pub(super) struct Stack<'a> {
    pub(super) template: &'a Value,
    pub(super) parameters: &'a Parameters,
}

impl<'a> From<&'a Stage> for Stack<'a> {
    fn from(Stage { parameters, template }: &'a Stage) -> Self {
        Self { template, parameters }
    }
}

/// The parameters of a stage, with some values changed.
pub(super) fn changed(stage: &str, changes: &[(&str, &str)]) -> Parameters {
    let mut parameters = STAGES[stage].parameters.clone();
    parameters.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
    parameters
}

impl Stack<'_> {
    /// The properties of a resource, if the stack has the resource.
    pub(super) fn properties(&self, id: &str) -> Option<Value> {
        let resource = self.template["Resources"].get(id)?;
        let is_there = resource["Condition"].as_str().is_none_or(|name| self.has(name));
        is_there.then(|| self.value(&resource["Properties"]).unwrap_or_default())
    }

    /// Whether the named condition is true.
    pub(super) fn has(&self, name: &str) -> bool {
        self.holds(&self.template["Conditions"][name])
    }

    /// Whether a condition is true.
    pub(super) fn holds(&self, condition: &Value) -> bool {
        if let Some(name) = condition.get("Condition").and_then(Value::as_str) {
            return self.has(name);
        }
        let (function, operand) =
            condition.as_object().and_then(|members| members.iter().next()).expect("a function");
        let operands = operand.as_array().expect("operands");
        let value = |index: usize| text(&self.value(&operands[index]).unwrap_or_default());
        match function.as_str() {
            "Fn::Equals" => value(0) == value(1),
            "Fn::Not" => !self.holds(&operands[0]),
            "Fn::And" => operands.iter().all(|operand| self.holds(operand)),
            "Fn::Or" => operands.iter().any(|operand| self.holds(operand)),
            other => panic!("{other}"),
        }
    }

    /// A value with all functions evaluated; `None` for `AWS::NoValue`.
    pub(super) fn value(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Array(items) => Some(items.iter().filter_map(|item| self.value(item)).collect()),
            Value::Object(members) => match members.iter().next() {
                Some((name, operand))
                    if members.len() == 1 && (name == "Ref" || name.starts_with("Fn::")) =>
                {
                    self.call(name, operand)
                }
                _ => Some(Value::Object(
                    members
                        .iter()
                        .filter_map(|(name, member)| Some((name.clone(), self.value(member)?)))
                        .collect::<Map<_, _>>(),
                )),
            },
            other => Some(other.clone()),
        }
    }

    fn call(&self, function: &str, operand: &Value) -> Option<Value> {
        let part = |index: usize| self.value(&operand[index]).unwrap_or_default();
        Some(match function {
            "Ref" => return self.reference(operand.as_str().expect("a name")),
            "Fn::GetAtt" => {
                let names = operand.as_array().expect("a resource and its attribute");
                json!(format!("<{}>", names.iter().map(text).collect::<Vec<_>>().join(".")))
            }
            "Fn::If" => {
                let condition = operand[0].as_str().expect("a condition");
                return self.value(&operand[if self.has(condition) { 1 } else { 2 }]);
            }
            "Fn::Join" => {
                let items = part(1).as_array().expect("a list").iter().map(text).collect::<Vec<_>>();
                json!(items.join(&text(&part(0))))
            }
            "Fn::Select" => match part(1) {
                Value::Array(items) => items[text(&part(0)).parse::<usize>().expect("a number")].clone(),
                list => json!(format!("<{} of {}>", text(&part(0)), text(&list))),
            },
            "Fn::Split" => json!(format!("{} at {}", text(&part(1)), text(&part(0)))),
            "Fn::Sub" => json!(self.substituted(operand)),
            "Fn::GetAZs" => json!(["zone 1", "zone 2"]),
            "Fn::Cidr" => json!(["block 1", "block 2"]),
            other => panic!("{other}"),
        })
    }

    fn reference(&self, name: &str) -> Option<Value> {
        Some(match name {
            "AWS::NoValue" => return None,
            "AWS::StackName" => json!("atelier"),
            "AWS::Partition" => json!("aws"),
            "AWS::Region" => json!("region"),
            "AWS::AccountId" => json!("account"),
            "AWS::URLSuffix" => json!("amazonaws.com"),
            _ => match self.parameters.get(name) {
                Some(value) if self.template["Parameters"][name]["Type"] == "CommaDelimitedList" => {
                    text(value).split(',').collect()
                }
                Some(value) => json!(text(value)),
                None => json!(format!("<{name}>")),
            },
        })
    }

    fn substituted(&self, operand: &Value) -> String {
        let (pattern, own) = match operand {
            Value::Array(parts) => (text(&parts[0]), parts[1].clone()),
            pattern => (text(pattern), Value::Null),
        };
        let mut rest = pattern.as_str();
        let mut whole = String::new();
        while let Some((before, variable)) = rest.split_once("${") {
            let (name, after) = variable.split_once('}').expect("a brace");
            whole.push_str(before);
            match (name.strip_prefix('!'), own.get(name), name.split_once('.')) {
                (Some(literal), ..) => whole.push_str(&format!("${{{literal}}}")),
                (None, Some(value), _) => whole.push_str(&text(&self.value(value).unwrap_or_default())),
                (None, None, Some(_)) => whole.push_str(&format!("<{name}>")),
                (None, None, None) => whole.push_str(&text(&self.reference(name).unwrap_or_default())),
            }
            rest = after;
        }
        whole + rest
    }

    /// The messages of the template's rules that the parameters violate.
    pub(super) fn refusals(&self) -> Vec<String> {
        let rules = self.template["Rules"].as_object().expect("rules").values();
        rules
            .filter(|rule| self.holds(&rule["RuleCondition"]))
            .flat_map(|rule| rule["Assertions"].as_array().expect("assertions"))
            .filter(|assertion| !self.holds(&assertion["Assert"]))
            .map(|assertion| text(&assertion["AssertDescription"]))
            .collect()
    }

    /// Whether the role with that logical id may perform `action` on `resource`, in a request with that `context`: an
    /// Allow in its policies matches, and no Deny does.
    pub(super) fn may(&self, role: &str, action: &str, resource: &str, context: &[(&str, &str)]) -> bool {
        let properties = self.properties(role).expect("a role");
        let tags: BTreeMap<_, _> = list(&properties["Tags"])
            .into_iter()
            .map(|tag| (format!("${{aws:PrincipalTag/{}}}", text(&tag["Key"])), text(&tag["Value"])))
            .collect();
        let is_match = |pattern: &Value, actual: &str| {
            let pattern =
                tags.iter().fold(text(pattern), |pattern, (name, value)| pattern.replace(name, value));
            is_match(pattern.as_bytes(), actual.as_bytes())
        };
        let mut documents: Vec<_> = list(&properties["Policies"])
            .into_iter()
            .map(|policy| policy["PolicyDocument"].clone())
            .collect();
        for managed in list(&properties["ManagedPolicyArns"]) {
            let id = text(&managed);
            let id = id.trim_start_matches('<').trim_end_matches('>');
            if let Some(policy) = self.properties(id) {
                documents.push(policy["PolicyDocument"].clone());
            }
        }
        for id in super::resources(self.template, "AWS::IAM::RolePolicy").keys() {
            let policy = self.properties(id).unwrap_or_default();
            if policy["RoleName"] == format!("<{role}>") {
                documents.push(policy["PolicyDocument"].clone());
            }
        }
        allows(&documents, |statement| {
            list(&statement["Action"]).iter().any(|pattern| is_match(pattern, action))
                && list(&statement["Resource"]).iter().any(|pattern| is_match(pattern, resource))
                && applies(&statement["Condition"], context, &is_match)
        })
    }

    /// Whether `principal`, such as `("Service", "lambda.amazonaws.com")`, may take the role of that logical id by `action`.
    pub(super) fn may_take(
        &self,
        role: &str,
        (kind, principal): (&str, &str),
        action: &str,
        context: &[(&str, &str)],
    ) -> bool {
        let properties = self.properties(role).expect("a role");
        let is_match = |pattern: &Value, actual: &str| is_match(text(pattern).as_bytes(), actual.as_bytes());
        allows(&[properties["AssumeRolePolicyDocument"].clone()], |statement| {
            list(&statement["Action"]).iter().any(|pattern| is_match(pattern, action))
                && list(&statement["Principal"][kind]).iter().any(|trusted| text(trusted) == principal)
                && applies(&statement["Condition"], context, &is_match)
        })
    }
}

/// Whether an Allow of `documents` fits a request, and no Deny does.
fn allows(documents: &[Value], fits: impl Fn(&Value) -> bool) -> bool {
    let statements: Vec<_> =
        documents.iter().flat_map(|document| list(&document["Statement"])).filter(fits).collect();
    statements.iter().any(|statement| statement["Effect"] == "Allow")
        && statements.iter().all(|statement| statement["Effect"] == "Allow")
}

/// Whether every operator of a condition matches: one of its values must match the request's value for the key.
fn applies(condition: &Value, context: &[(&str, &str)], is_match: &dyn Fn(&Value, &str) -> bool) -> bool {
    condition.as_object().into_iter().flatten().all(|(operator, keys)| {
        keys.as_object().expect("keys").iter().all(|(key, values)| {
            let actual = context.iter().find(|(name, _)| name == key).map(|(_, value)| *value);
            match operator.as_str() {
                "ArnLike" => {
                    actual.is_some_and(|actual| list(values).iter().any(|pattern| is_match(pattern, actual)))
                }
                "StringEquals" => {
                    actual.is_some_and(|actual| list(values).iter().any(|value| text(value) == actual))
                }
                other => panic!("{other}"),
            }
        })
    })
}

/// IAM allows a list of one element to be written without brackets.
pub(super) fn list(value: &Value) -> Vec<Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.clone(),
        one => vec![one.clone()],
    }
}
