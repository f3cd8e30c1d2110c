//! The stages of `samconfig.toml`, and what the template refuses.

use std::collections::BTreeMap;

use api::OPERATIONS;
use serde_json::{Value, json};
use shared::Role;

use super::{STAGES, logical_id, prod, resources};

type Parameters = BTreeMap<String, Value>;

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// Whether a condition of CloudFormation's holds.
fn holds(condition: &Value, parameters: &Parameters) -> bool {
    let (function, operand) =
        condition.as_object().and_then(|members| members.iter().next()).expect("a function");
    let operands = operand.as_array().expect("operands");
    let value = |operand: &Value| match operand.get("Ref").and_then(Value::as_str) {
        Some(name) => text(&parameters[name]),
        None => text(operand),
    };
    match function.as_str() {
        "Fn::Equals" => value(&operands[0]) == value(&operands[1]),
        "Fn::Not" => !holds(&operands[0], parameters),
        "Fn::And" => operands.iter().all(|operand| holds(operand, parameters)),
        other => panic!("{other}"),
    }
}

/// Why the template would refuse `parameters`.
fn refusals(parameters: &Parameters) -> Vec<String> {
    let rules = prod()["Rules"].as_object().expect("rules").values();
    rules
        .filter(|rule| holds(&rule["RuleCondition"], parameters))
        .flat_map(|rule| rule["Assertions"].as_array().expect("assertions"))
        .filter(|assertion| !holds(&assertion["Assert"], parameters))
        .map(|assertion| text(&assertion["AssertDescription"]))
        .collect()
}

#[test]
fn every_stage_is_taken_with_known_parameters_and_allowed_values() {
    for (name, stage) in STAGES.iter() {
        assert_eq!(refusals(&stage.parameters), Vec::<String>::new(), "{name}");
        assert_eq!(stage.parameters["Stage"], json!(name));
        for (parameter, value) in &stage.parameters {
            let declared = &stage.template["Parameters"][parameter];
            assert!(declared.is_object(), "{name}: there is no parameter {parameter}");
            let allowed = declared["AllowedValues"].as_array();
            let is_allowed =
                allowed.is_none_or(|allowed| allowed.iter().any(|other| text(other) == text(value)));
            assert!(is_allowed, "{name}: {parameter} may not be {value}");
        }
    }
}

#[test]
fn what_must_not_be_deployed_is_refused() {
    for (stage, change, reason) in [
        ("prod", &[("AuthMode", "none")][..], "Stage prod needs AuthMode iam or cognito"),
        ("prod", &[("Profile", "scale-to-zero"), ("MinCapacity", "0")], "Stage prod needs Profile proxy"),
        ("prod", &[("MinCapacity", "0")], "the proxy lets no database sleep"),
        ("dev", &[("MinCapacity", "0.5")], "Profile scale-to-zero needs MinCapacity 0"),
        ("staging", &[("ReaderConcurrency", "0")], "its connections are counted"),
        ("staging", &[("WriterConcurrency", "0")], "its connections are counted"),
        ("dev", &[("AuthMode", "cognito")], "AuthMode cognito needs UserPoolArn"),
        ("dev", &[("DomainName", "api.example.com")], "DomainName needs CertificateArn"),
        ("dev", &[("MonthlyBudget", "50")], "MonthlyBudget needs AlarmEmail"),
    ] {
        let mut parameters = STAGES[stage].parameters.clone();
        parameters.extend(change.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
        let refusals = refusals(&parameters);
        assert!(refusals.len() == 1 && refusals[0].contains(reason), "{stage} {change:?}: {refusals:?}");
    }
    let mut open = STAGES["dev"].parameters.clone();
    open.insert("AuthMode".to_owned(), json!("none"));
    assert_eq!(refusals(&open), Vec::<String>::new(), "to try things");
}

#[test]
fn functions_cannot_open_more_connections_than_the_proxy_has() {
    let mut counted = 0;
    for (name, stage) in STAGES.iter().filter(|(_, stage)| stage.parameters["Profile"] == "proxy") {
        let number = |name: &str| text(&stage.parameters[name]).parse::<u64>().expect("a number");
        let mut connections = 0;
        for operation in OPERATIONS.iter().filter(|operation| operation.role != Role::None) {
            let function = &stage.template["Resources"][logical_id(operation)]["Properties"];
            let reserved = &function["ReservedConcurrentExecutions"]["Fn::If"];
            let parameter = reserved[1]["Ref"].as_str().expect("a parameter");
            assert_eq!(reserved[0], format!("Reserves{parameter}"));
            // One connection each.
            connections += number(parameter);
        }
        let limit = number("MaxConnections") * number("ProxyConnectionsPercent") / 100;
        assert!(connections <= limit, "{name}: {connections} connections, the proxy has {limit}");
        assert!(limit < number("MaxConnections"), "{name}: none is left for a migration");
        counted += 1;
    }
    assert_eq!(counted, 2);
}

#[test]
fn traffic_shifts_slowly_and_back_on_an_alarm() {
    for (name, how) in
        [("dev", "AllAtOnce"), ("staging", "Canary10Percent5Minutes"), ("prod", "Canary10Percent15Minutes")]
    {
        let template = &STAGES[name].template;
        for operation in OPERATIONS {
            let id = logical_id(operation);
            let group = &template["Resources"][format!("{id}DeploymentGroup")]["Properties"];
            assert_eq!(group["DeploymentConfigName"]["Fn::Sub"][1]["ConfigName"], how, "{id}");
            assert_eq!(
                group["AlarmConfiguration"],
                json!({"Enabled": true, "Alarms": [{"Name": {"Ref": format!("{id}Alarm")}}]})
            );
            let events = group["AutoRollbackConfiguration"]["Events"].as_array().expect("events");
            assert!(events.contains(&json!("DEPLOYMENT_STOP_ON_ALARM")), "{id}");
            let alarm = &template["Resources"][format!("{id}Alarm")]["Properties"];
            let dimensions = &alarm["Metrics"][1]["MetricStat"]["Metric"]["Dimensions"];
            assert_eq!(
                dimensions,
                &json!([{"Name": "service", "Value": {"Ref": "AWS::StackName"}}, {"Name": "operation", "Value": operation.name}])
            );
            assert_eq!(alarm["AlarmActions"], json!([{"Ref": "AlarmTopic"}]));
            let variables = &template["Resources"][&id]["Properties"]["Environment"]["Variables"];
            assert_eq!(
                variables["POWERTOOLS_SERVICE_NAME"],
                json!({"Ref": "AWS::StackName"}),
                "the alarm's dimension"
            );
        }
    }
}

#[test]
fn what_goes_wrong_raises_an_alarm() {
    let alarms = resources(prod(), "AWS::CloudWatch::Alarm");
    for id in [
        "ServerErrorAlarm",
        "LatencyAlarm",
        "ThrottleAlarm",
        "PinningAlarm",
        "ConnectionsAlarm",
        "FailedRotationAlarm",
    ] {
        assert_eq!(alarms[id]["Properties"]["AlarmActions"], json!([{"Ref": "AlarmTopic"}]), "{id}");
    }
    assert_eq!(alarms["LatencyAlarm"]["Properties"]["ExtendedStatistic"], "p99");
    let body =
        prod()["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"].as_str().expect("a text");
    let dashboard: Value = serde_json::from_str(body).expect("JSON");
    assert!(dashboard["widgets"].as_array().is_some_and(|widgets| widgets.len() >= 6));
    assert!(prod()["Resources"]["Budget"].is_object());
}

#[test]
fn data_is_encrypted_kept_and_protected() {
    let cluster = &prod()["Resources"]["Cluster"];
    assert_eq!(
        (&cluster["DeletionPolicy"], &cluster["UpdateReplacePolicy"]),
        (&json!("Snapshot"), &json!("Snapshot"))
    );
    let properties = &cluster["Properties"];
    assert_eq!(properties["StorageEncrypted"], true);
    assert_eq!(properties["ManageMasterUserPassword"], true, "which RDS rotates");
    assert_eq!(properties["DeletionProtection"], json!({"Fn::If": ["IsProd", true, false]}));
    assert_eq!(prod()["Resources"]["DatabaseParameters"]["Properties"]["Parameters"]["rds.force_ssl"], "1");
    assert_eq!(prod()["Resources"]["Proxy"]["Properties"]["RequireTLS"], true);
    for (id, group) in resources(prod(), "AWS::Logs::LogGroup") {
        assert_eq!(group["Properties"]["KmsKeyId"], json!({"Fn::GetAtt": ["Key", "Arn"]}), "{id}");
        assert_eq!(group["Properties"]["RetentionInDays"], json!({"Ref": "LogRetentionDays"}), "{id}");
    }
}

#[test]
fn the_firewall_counts_large_bodies_and_blocks_the_rest() {
    let rules = prod()["Resources"]["WebAcl"]["Properties"]["Rules"].as_array().expect("rules");
    let common = rules.iter().find(|rule| rule["Name"] == "Common").expect("the common rules");
    let overrides = &common["Statement"]["ManagedRuleGroupStatement"]["RuleActionOverrides"];
    assert_eq!(overrides, &json!([{"Name": "SizeRestrictions_BODY", "ActionToUse": {"Count": {}}}]));
    assert!(
        rules
            .iter()
            .all(|rule| rule["OverrideAction"] == json!({"None": {}})
                || rule["Action"] == json!({"Block": {}}))
    );
}
