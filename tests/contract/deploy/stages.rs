//! The stages of `samconfig.toml`, and the parameters that the template refuses.

use std::collections::BTreeSet;

use api::OPERATIONS;
use serde_json::{Value, json};
use shared::Role;

use super::{
    STAGES,
    evaluate::{Parameters, Stack, changed, text},
    logical_id, prod, resources, translated,
};

fn refusals(parameters: &Parameters) -> Vec<String> {
    Stack { template: prod(), parameters }.refusals()
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
        ("dev", &[("MonthlyBudget", "50")], "MonthlyBudget needs an address in AlarmEmail"),
    ] {
        let parameters = changed(stage, change);
        let refusals = refusals(&parameters);
        assert!(refusals.len() == 1 && refusals[0].contains(reason), "{stage} {change:?}: {refusals:?}");
    }
    let open = changed("dev", &[("AuthMode", "none")]);
    assert_eq!(refusals(&open), Vec::<String>::new(), "allowed for experiments");
}

#[test]
fn functions_cannot_open_more_connections_than_the_proxy_has() {
    let mut counted = 0;
    for (name, stage) in STAGES.iter().filter(|(_, stage)| stage.parameters["Profile"] == "proxy") {
        let number = |name: &str| text(&stage.parameters[name]).parse::<u64>().expect("a number");
        let mut connections = 0;
        for operation in OPERATIONS.iter().filter(|operation| operation.role != Role::None) {
            // Each execution environment has one connection.
            connections += stage.reserved(operation);
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
        "CapacityAlarm",
        "RetryAlarm",
        "CacheAlarm",
        "NearTimeoutAlarm",
        "HealthAlarm",
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

/// SAM does not publish a new version for a change of parameters; `Revision` makes it publish one after any change.
#[test]
fn a_new_revision_is_a_new_version_of_every_function() {
    let variant = |revision: &str| changed("dev", &[("Revision", revision)]);
    let variants = json!({"old": variant("1f0c8e5a9b3d7246"), "new": variant("7b3d72461f0c8e5a")});
    let translated = translated(&variants);
    let versions = |name: &str| {
        let template = &translated[name]["template"];
        let aliases = resources(template, "AWS::Lambda::Alias");
        let versions = aliases
            .into_iter()
            .map(|(id, alias)| (id.to_owned(), alias["Properties"]["FunctionVersion"].clone()))
            .collect::<std::collections::BTreeMap<_, _>>();
        for (id, version) in &versions {
            let version = version["Fn::GetAtt"][0].as_str().expect("a version");
            // The old version serves while traffic shifts, and allows a rollback.
            assert_eq!(template["Resources"][version]["DeletionPolicy"], "Retain", "{id}");
        }
        versions
    };
    let [old, new] = ["old", "new"].map(versions);
    assert_eq!(old.len(), OPERATIONS.len() + 1);
    assert!(old.iter().all(|(id, version)| new[id] != *version), "{old:?}");
    assert!(prod()["Parameters"]["Revision"].get("Default").is_none(), "the parameter must be required");
}

/// Staging has everything that prod has, so that faults show in staging first.
#[test]
fn staging_is_prod_but_smaller() {
    let sizes = [
        "Stage",
        "MaxCapacity",
        "MaxConnections",
        "ReaderConcurrency",
        "WriterConcurrency",
        "DocumentConcurrency",
        "DeploymentPreference",
        "LogRetentionDays",
        "BackupRetentionDays",
    ];
    let [staging, prod] = ["staging", "prod"].map(|name| &STAGES[name]);
    let differ = staging.parameters.iter().filter(|(name, value)| prod.parameters[*name] != **value);
    let differ: BTreeSet<_> = differ.map(|(name, _)| name.as_str()).collect();
    assert!(differ.is_subset(&BTreeSet::from(sizes)), "{differ:?}");
    let [staging, prod] = [staging, prod].map(|stage| {
        let stack = Stack::from(stage);
        let ids = stage.template["Resources"].as_object().expect("resources").keys();
        ids.filter(|id| stack.properties(id).is_some()).collect::<BTreeSet<_>>()
    });
    // The names of versions and deployments are derived from their contents.
    let lasting = |ids: &BTreeSet<&String>| {
        ids.iter().filter(|id| !id.contains("Deployment")).map(|id| (*id).clone()).collect::<BTreeSet<_>>()
    };
    assert_eq!(lasting(&staging), lasting(&prod));
}

/// Alarms need an address, which the deployer has to set.
#[test]
fn nobody_forgets_who_is_told_of_trouble() {
    let email = &prod()["Parameters"]["AlarmEmail"];
    assert!(email.get("Default").is_none());
    let pattern = regex::Regex::new(&format!("^(?:{})$", text(&email["AllowedPattern"]))).expect("a pattern");
    for (address, is_taken) in [("nobody", true), ("ann@example.com", true), ("", false), ("ann", false)] {
        assert_eq!(pattern.is_match(address), is_taken, "{address}");
    }
    for (address, is_subscribed) in [("nobody", false), ("ann@example.com", true)] {
        let parameters = changed("prod", &[("AlarmEmail", address)]);
        let stack = Stack { template: prod(), parameters: &parameters };
        assert_eq!(stack.properties("AlarmSubscription").is_some(), is_subscribed, "{address}");
    }
}

/// EventBridge signs a request every five minutes, unless the stack does not allow it or the database may sleep.
#[test]
fn health_is_checked_from_outside_and_by_an_alarm() {
    for (change, is_checked) in [
        (&[][..], true),
        (&[("AuthMode", "cognito")], false),
        (&[("ApiKeys", "true")], false),
        (&[("AllowedIpRanges", "198.51.100.0/24")], false),
        (&[("AuthMode", "none")], true),
        (&[("Profile", "scale-to-zero")], false),
    ] {
        let parameters = changed("prod", change);
        let stack = Stack { template: prod(), parameters: &parameters };
        for id in ["HealthCheck", "HealthCheckRole", "HealthAlarm"] {
            assert_eq!(stack.properties(id).is_some(), is_checked, "{id} {change:?}");
        }
    }
    let stack = Stack::from(&STAGES["prod"]);
    let target = stack.properties("HealthCheck").expect("a rule")["Targets"][0]["Arn"].clone();
    assert_eq!(target, "arn:aws:execute-api:region:account:<Api>/prod/GET/health");
    assert!(stack.may("HealthCheckRole", "execute-api:Invoke", &text(&target), &[]));
    assert!(!stack.may(
        "HealthCheckRole",
        "execute-api:Invoke",
        &text(&target).replace("health", "v1/products"),
        &[]
    ));
}

/// Writers must use the cache before any reader does, and for as long as any reader does.
#[test]
fn writers_have_the_cache_before_readers_and_after_them() {
    for (cache, has_cache, writes, reads) in
        [("false", false, false, false), ("writes", true, true, false), ("true", true, true, true)]
    {
        let parameters = changed("prod", &[("Cache", cache)]);
        let stack = Stack { template: prod(), parameters: &parameters };
        assert_eq!(stack.properties("ValkeyCache").is_some(), has_cache, "{cache}");
        for operation in OPERATIONS {
            let function = stack.properties(&logical_id(operation)).expect("a function");
            let uses = match operation.role {
                Role::Reader => reads,
                Role::Writer => writes,
                Role::None => false,
            };
            let variables = &function["Environment"]["Variables"];
            for name in ["CACHE_URL", "CACHE_CLUSTER", "CACHE_USERNAME", "CACHE_PASSWORD"] {
                assert_eq!(variables.get(name).is_some(), uses, "{cache}: {} {name}", operation.name);
            }
        }
    }
}

/// Old versions of functions keep the old way to the database while new ones use the new way.
#[test]
fn both_ways_to_the_database_are_open_while_the_profile_changes() {
    let stack_of = |profile: &str, both: &str| changed("prod", &[("Profile", profile), ("BothPaths", both)]);
    let [direct, proxied] = ["<Cluster.DBClusterResourceId>", "<6 of <Proxy.DBProxyArn> at :>"];
    for (profile, both, host, ways) in [
        ("proxy", "false", "<Proxy.Endpoint>", &[proxied][..]),
        ("proxy", "true", "<Proxy.Endpoint>", &[direct, proxied]),
        ("scale-to-zero", "true", "<Cluster.Endpoint.Address>", &[direct, proxied]),
        ("scale-to-zero", "false", "<Cluster.Endpoint.Address>", &[direct]),
    ] {
        let parameters = stack_of(profile, both);
        let stack = Stack { template: prod(), parameters: &parameters };
        let variables = &stack.properties("GetProduct").expect("a function")["Environment"]["Variables"];
        assert_eq!(variables["DB_HOST"], host, "{profile} {both}");
        for server in [direct, proxied] {
            let user = format!("arn:aws:rds-db:region:account:dbuser:{server}/catalog_reader");
            let may = stack.may("GetProductRole", "rds-db:connect", &user, &[]);
            assert_eq!(may, ways.contains(&server), "{profile} {both}: {server}");
        }
        for (rule, server) in [("DatabaseFromFunctions", direct), ("DatabaseFromProxy", proxied)] {
            assert_eq!(stack.properties(rule).is_some(), ways.contains(&server), "{profile} {both}: {rule}");
        }
        assert_eq!(stack.properties("Proxy").is_some(), ways.contains(&proxied), "{profile} {both}");
    }
}

/// Two zones by name, for regions whose first two zones are not suitable.
#[test]
fn the_network_is_in_the_zones_that_are_named() {
    let zones = |names: &str| {
        let parameters = changed("prod", &[("AvailabilityZones", names)]);
        let stack = Stack { template: prod(), parameters: &parameters };
        ["SubnetA", "SubnetB"]
            .map(|id| text(&stack.properties(id).expect("a subnet")["AvailabilityZone"]))
            .join(" and ")
    };
    assert_eq!(zones("us-east-1d,us-east-1b"), "us-east-1d and us-east-1b");
    assert_eq!(zones(""), "zone 1 and zone 2");
}

/// EventBridge sends no source account when it encrypts and publishes; CloudWatch and Budgets do.
#[test]
fn events_reach_the_encrypted_topic() {
    for (id, document) in [("Key", "KeyPolicy"), ("AlarmTopicPolicy", "PolicyDocument")] {
        let statements = &prod()["Resources"][id]["Properties"][document]["Statement"];
        let of = |service: &str| {
            let of = |statement: &&Value| statement["Principal"]["Service"].to_string().contains(service);
            statements.as_array().expect("statements").iter().find(of).expect("a statement")
        };
        assert!(of("events.amazonaws.com").get("Condition").is_none(), "{id}");
        for service in ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"] {
            let account = json!({"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}});
            assert_eq!(of(service)["Condition"], account, "{id}: {service}");
        }
    }
}

/// The stack has every log group that an AWS service would otherwise create, and each may use the stack's key; all are
/// forwarded.
#[test]
fn every_log_is_the_stacks_own_and_can_be_sent_elsewhere() {
    let parameters =
        changed("prod", &[("LogDestinationArn", "arn:aws:firehose:region:account:deliverystream/logs")]);
    let stack = Stack { template: prod(), parameters: &parameters };
    let ids = resources(prod(), "AWS::Logs::LogGroup");
    let groups: Vec<_> = ids.keys().filter_map(|id| Some((*id, stack.properties(id)?))).collect();
    let names: Vec<_> = groups.iter().map(|(_, group)| text(&group["LogGroupName"])).collect();
    for name in [
        "API-Gateway-Execution-Logs_<Api>/prod",
        "/aws/rds/cluster/<Cluster>/postgresql",
        "/aws/rds/proxy/atelier",
        "/aws/lambda/atelier-migrate",
        "aws-waf-logs-atelier",
    ] {
        assert!(names.iter().any(|other| other == name), "{name}: {names:?}");
    }
    let key = stack.properties("Key").expect("a key");
    let logs = key["KeyPolicy"]["Statement"].as_array().expect("statements").iter();
    let logs = logs.filter(|statement| statement["Sid"] == "Logs").flat_map(|statement| {
        super::evaluate::list(&statement["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"])
    });
    let patterns: Vec<_> = logs.map(|pattern| text(&pattern)).collect();
    for name in &names {
        let arn = format!("arn:aws:logs:region:account:log-group:{name}");
        let is_encrypted =
            patterns.iter().any(|pattern| local::gateway::iam::is_match(pattern.as_bytes(), arn.as_bytes()));
        assert!(is_encrypted, "{arn}: {patterns:?}");
    }
    let filters = resources(prod(), "AWS::Logs::SubscriptionFilter");
    let sent: BTreeSet<_> =
        filters.keys().filter_map(|id| Some(text(&stack.properties(id)?["LogGroupName"]))).collect();
    let expected: BTreeSet<_> = groups.iter().map(|(id, _)| format!("<{id}>")).collect();
    assert_eq!(sent, expected);
    let stack = Stack::from(&STAGES["prod"]);
    assert!(filters.keys().all(|id| stack.properties(id).is_none()), "nothing is forwarded by default");
}

#[test]
fn the_firewall_counts_large_bodies_and_blocks_the_rest() {
    let rules = prod()["Resources"]["WebAcl"]["Properties"]["Rules"].as_array().expect("rules");
    let common = rules.iter().find(|rule| rule["Name"] == "Common").expect("the common rules");
    let overrides = &common["Statement"]["ManagedRuleGroupStatement"]["RuleActionOverrides"];
    // The API accepts larger bodies, and its callers are programs.
    let counted = ["SizeRestrictions_BODY", "SizeRestrictions_QUERYSTRING", "NoUserAgent_HEADER"];
    let counted = counted.map(|name| json!({"Name": name, "ActionToUse": {"Count": {}}}));
    assert_eq!(overrides, &json!(counted));
    let rate = rules.iter().find(|rule| rule["Name"] == "Rate").expect("a rate");
    assert_eq!(rate["Statement"]["RateBasedStatement"]["Limit"], json!({"Ref": "WafRateLimit"}));
    assert!(
        rules
            .iter()
            .all(|rule| rule["OverrideAction"] == json!({"None": {}})
                || rule["Action"] == json!({"Block": {}}))
    );
}
