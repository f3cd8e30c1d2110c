//! Every parameter takes effect: the resources that each of them changes in the stack.

use std::collections::{BTreeMap, BTreeSet};

use api::OPERATIONS;
use serde_json::{Value, json};
use shared::Role;

use super::{
    STAGES,
    evaluate::{Parameters, Stack, text},
    logical_id, prod,
};

/// The parameters of a stack with every optional part.
fn everything() -> Parameters {
    let mut parameters = STAGES["prod"].parameters.clone();
    for (name, value) in [
        ("ApiKeys", "true"),
        ("CorsAllowedOrigins", "https://store.example"),
        ("CorsAllowedHeaders", "X-Store"),
        ("AllowedIpRanges", "198.51.100.0/24"),
        ("StageCache", "true"),
        ("Cache", "true"),
        ("BothPaths", "true"),
        ("DomainName", "api.example.com"),
        ("CertificateArn", "arn:aws:acm:region:account:certificate/1"),
        ("HostedZoneId", "Z1"),
        ("LogDestinationArn", "arn:aws:firehose:region:account:deliverystream/logs"),
        ("LogDestinationRoleArn", "arn:aws:iam::account:role/logs"),
        ("AlarmEmail", "ann@example.com"),
        ("MonthlyBudget", "100"),
    ] {
        assert!(prod()["Parameters"].get(name).is_some(), "{name}");
        parameters.insert(name.to_owned(), json!(value));
    }
    parameters
}

/// The evaluated resources of a stack by their logical ids.
fn resources(parameters: &Parameters) -> BTreeMap<String, Value> {
    let stack = Stack { template: prod(), parameters };
    let ids = prod()["Resources"].as_object().expect("resources").keys();
    ids.filter_map(|id| Some((id.clone(), stack.properties(id)?))).collect()
}

/// The name of a resource for comparison. Resources that each operation has are named by their kind and the operation's
/// role.
fn kind(id: &str) -> String {
    let own = OPERATIONS.iter().filter_map(|operation| {
        let rest = id.strip_prefix(&logical_id(operation))?;
        let parts = ["", "Role", "LogGroup", "Logs", "Alarm", "Aliaslive", "DeploymentGroup"];
        let is_own = parts.contains(&rest) || rest.starts_with("Version") || rest.starts_with("Route");
        is_own.then_some((operation, rest))
    });
    let Some((operation, rest)) = own.min_by_key(|(_, rest)| rest.len()) else { return id.to_owned() };
    let role = match operation.role {
        Role::Reader => "readers",
        Role::Writer => "writers",
        Role::None => "document",
    };
    if rest.is_empty() { role.to_owned() } else { format!("{role}: {rest}") }
}

/// For each parameter, a value that differs from [`everything`], and the resources that it changes.
const CHANGES: &[(&str, &str, &str)] = &[
    ("AlarmEmail", "bob@example.com", "AlarmSubscription, Budget"),
    ("AllowedIpRanges", "203.0.113.0/24", "Api"),
    ("ApiKeys", "false", "Api, ApiKey, UsagePlan, UsagePlanKey"),
    ("AuthMode", "cognito", "Api"),
    ("AvailabilityZones", "us-east-1b,us-east-1d", "SubnetA, SubnetB"),
    ("BackupRetentionDays", "14", "Cluster"),
    ("BothPaths", "false", "DatabaseFromFunctions, Migration, ReaderPolicy, WriterPolicy"),
    ("BurstLimit", "207", "ApiStage, UsagePlan"),
    ("Cache", "writes", "readers"),
    ("CertificateArn", "arn:aws:acm:region:account:certificate/2", "Domain"),
    ("CorsAllowedHeaders", "X-Till", "Api"),
    ("CorsAllowedOrigins", "https://other.example", "Api, document, readers, writers"),
    ("DailyQuota", "100007", "UsagePlan"),
    ("DocumentConcurrency", "12", "document"),
    ("DomainName", "api.example.org", "Domain, DomainRecord"),
    ("EngineVersion", "16.8", "Cluster, DatabaseParameters"),
    ("FailureThreshold", "12", "document: Alarm, readers: Alarm, writers: Alarm"),
    ("FunctionTimeout", "20", "Migrate, NearTimeoutAlarm, document, readers, writers"),
    ("HostedZoneId", "Z2", "DomainRecord"),
    (
        "LogDestinationArn",
        "arn:aws:kinesis:region:account:stream/logs",
        "AccessLogs, DatabaseLogs, FlowLogs, GatewayLogs, MigrateLogs, ProxyLogs, WafLogs, document: Logs, readers: Logs, writers: Logs",
    ),
    (
        "LogDestinationRoleArn",
        "arn:aws:iam::account:role/others",
        "AccessLogs, DatabaseLogs, FlowLogs, GatewayLogs, MigrateLogs, ProxyLogs, WafLogs, document: Logs, readers: Logs, writers: Logs",
    ),
    ("LogLevel", "DEBUG", "Migrate, document, readers, writers"),
    (
        "LogRetentionDays",
        "30",
        "AccessLogGroup, DatabaseLogGroup, FlowLogGroup, GatewayLogGroup, MigrateLogGroup, ProxyLogGroup, WafLogGroup, document: LogGroup, readers: LogGroup, writers: LogGroup",
    ),
    ("ManageGatewayAccount", "false", "ApiStage, GatewayAccount, GatewayLogRole"),
    ("MaxCapacity", "23", "Cluster"),
    ("MaxConnections", "407", "ConnectionsAlarm, DatabaseParameters"),
    ("MemorySize", "512", "Migrate, document, readers, writers"),
    ("MinCapacity", "2", "Cluster"),
    ("MonthlyBudget", "7", "Budget"),
    (
        "Profile",
        "scale-to-zero",
        "Cluster, DatabaseLogGroup, DatabaseLogs, Forget, SecretsManagerEndpoint, Standby, Writer, readers, writers",
    ),
    ("ProxyConnectionsPercent", "87", "ProxyTargets"),
    ("RateLimit", "107", "ApiStage, UsagePlan"),
    ("ReaderConcurrency", "27", "readers"),
    ("RequireIfMatch", "false", "readers, writers"),
    (
        "Stage",
        "staging",
        "Api, ApiStage, Cluster, Dashboard, GatewayLogGroup, Key, LatencyAlarm, ServerErrorAlarm",
    ),
    ("StageCache", "false", "ApiStage"),
    ("UserPoolArn", "arn:aws:cognito-idp:region:account:userpool/1", "Api"),
    ("VpcCidr", "10.77.0.0/16", "FunctionSecurityGroup, MigrateSecurityGroup, ProxySecurityGroup, Vpc"),
    ("Waf", "false", "WafLog, WafLogGroup, WafLogs, WebAcl, WebAclAssociation"),
    ("WafRateLimit", "60007", "WebAcl"),
    ("WriteBurstLimit", "107", "ApiStage"),
    ("WriteRateLimit", "57", "ApiStage"),
    ("WriterConcurrency", "17", "writers"),
];

#[test]
fn every_parameter_changes_what_it_is_for_and_nothing_else() {
    let base = everything();
    let before = resources(&base);
    let mut said = Vec::new();
    for (name, value, _) in CHANGES {
        let mut parameters = base.clone();
        // A user pool requires AuthMode cognito.
        let is_of_tokens = *name == "UserPoolArn";
        if is_of_tokens {
            parameters.insert("AuthMode".to_owned(), json!("cognito"));
        }
        let before = if is_of_tokens { &resources(&parameters) } else { &before };
        let old = parameters.insert((*name).to_owned(), json!(value));
        assert_ne!(old.map(|old| text(&old)).as_deref(), Some(*value), "{name}");
        let after = resources(&parameters);
        let ids: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        let changed: BTreeSet<_> =
            ids.into_iter().filter(|id| before.get(*id) != after.get(*id)).map(|id| kind(id)).collect();
        said.push((*name, *value, changed.into_iter().collect::<Vec<_>>().join(", ")));
    }
    let expected: Vec<_> =
        CHANGES.iter().map(|(name, value, changed)| (*name, *value, (*changed).to_owned())).collect();
    assert_eq!(said, expected, "{said:#?}");
    let declared = prod()["Parameters"].as_object().expect("parameters").keys();
    // A change of the revision publishes new function versions, which get the current values of secrets; another test
    // covers that, and SecretsGeneration exists to change it. SAM itself evaluates DeploymentPreference.
    let others = ["Revision", "SecretsGeneration", "DeploymentPreference"];
    let tested: BTreeSet<_> = CHANGES.iter().map(|(name, ..)| *name).chain(others).collect();
    assert_eq!(declared.map(String::as_str).collect::<BTreeSet<_>>(), tested);
}
