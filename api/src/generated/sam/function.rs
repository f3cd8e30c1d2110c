//! The resources of an operation: its function, which the gateway may invoke for the operation's routes, with
//! the function's role, logs and alarm.

use std::fmt::Write as _;

use project::{METRICS_NAMESPACE, NAME};
use serde_json::json;
use shared::{Operation, Role, Route};

use super::{Anchors, logical_id};
use crate::generated::settings::{FunctionSettings, Permission};

/// Why functions have no dead-letter queue.
const NO_EVENT_IS_LEFT: &str = "{id: CKV_AWS_116, comment: 'The gateway waits for its answer and passes a failure on: no event is left over.'}";
/// Why a function without a database is not in the VPC.
const NO_NETWORK: &str = ", {id: CKV_AWS_117, comment: 'It reaches nothing, and starts faster outside.'}";

/// The settings that depend on an operation's database role.
struct Access {
    /// The name of the YAML anchor.
    anchor: &'static str,
    user: &'static str,
    policy: &'static str,
    /// The condition under which its functions use the cache.
    cache: &'static str,
}

fn access(role: Role) -> Option<Access> {
    match role {
        Role::Reader => Some(Access {
            anchor: "reader",
            user: "catalog_reader",
            policy: "ReaderPolicy",
            cache: "IsCacheRead",
        }),
        Role::Writer => Some(Access {
            anchor: "writer",
            user: "catalog_writer",
            policy: "WriterPolicy",
            cache: "HasCache",
        }),
        Role::None => None,
    }
}

pub(super) fn resources(operation: &Operation, own: &FunctionSettings, anchors: &mut Anchors) -> String {
    let access = access(operation.role);
    let mut text = String::from("\n");
    text.push_str(&function(operation, own, access.as_ref(), anchors));
    text.push_str(&role(operation, own, access.as_ref()));
    text.push_str(&logs(operation));
    text.push_str(&alarm(operation, anchors));
    text
}

fn function(
    operation: &Operation,
    own: &FunctionSettings,
    access: Option<&Access>,
    anchors: &mut Anchors,
) -> String {
    let (id, name) = (logical_id(operation), operation.name);
    let concurrency = match operation.role {
        Role::Reader => "ReaderConcurrency",
        Role::Writer => "WriterConcurrency",
        Role::None => "DocumentConcurrency",
    };
    let routes: Vec<_> =
        operation.all_routes().map(|route| format!("{} {}", route.method, route.path)).collect();
    let skipped = match access {
        Some(_) => format!("{NO_EVENT_IS_LEFT}]}}"),
        None => format!("{NO_EVENT_IS_LEFT}{NO_NETWORK}]}}"),
    };
    let checkov = anchors
        .value(access.map_or("without_a_database", |_| "with_a_database"), &format!(" {{skip: [{skipped}"));
    let reserved = own.reserved_concurrency.map_or_else(
        || format!("!If [Reserves{concurrency}, !Ref {concurrency}, !Ref AWS::NoValue]"),
        |own| own.to_string(),
    );
    let mut text = format!(
        "  {id}:
    Type: AWS::Serverless::Function
    DependsOn: {depends_on}
    Metadata: {{SamResourceId: {name}, SkipBuild: true, checkov:{checkov}}}
    Properties:
      FunctionName: !Sub ${{AWS::StackName}}-{name}
      Description: {routes}
      CodeUri: target/lambda/{name}
      AutoPublishCodeSha256: !Ref Revision
      Role: !GetAtt {id}Role.Arn
      ReservedConcurrentExecutions: {reserved}
      LoggingConfig: {{LogGroup: !Ref {id}LogGroup}}
      DeploymentPreference: {{Alarms: [!Ref {id}Alarm]}}
",
        depends_on = access.map_or("FunctionPolicy", |_| "Migration"),
        routes = routes.join(", "),
    );
    if access.is_some() {
        let network =
            " {SubnetIds: [!Ref SubnetA, !Ref SubnetB], SecurityGroupIds: [!Ref FunctionSecurityGroup]}";
        let _ = writeln!(text, "      VpcConfig:{}", anchors.value("in_the_network", network));
    }
    if let Some(mib) = own.memory_size {
        let _ = writeln!(text, "      MemorySize: {mib}");
    }
    if let Some(seconds) = own.timeout_seconds {
        let _ = writeln!(text, "      Timeout: {seconds}");
    }
    if let Some(count) = own.provisioned_concurrency {
        let _ = writeln!(
            text,
            "      ProvisionedConcurrencyConfig: {{ProvisionedConcurrentExecutions: {count}}}"
        );
    }
    let mut variables = variables(access);
    if own.environment.is_empty() {
        variables = anchors.value(&format!("variables_of_{}", anchor(access)), &variables);
    }
    for (name, value) in &own.environment {
        // JSON strings are valid YAML.
        let _ = write!(variables, "\n          {name}: {}", json!(value));
    }
    let _ = writeln!(text, "      Environment:{variables}");
    text.push_str("      Events:\n");
    for (number, Route { method, path, .. }) in (1..).zip(operation.all_routes()) {
        let _ = writeln!(
            text,
            "        Route{number}: {{Type: Api, Properties: {{RestApiId: !Ref Api, Method: {method}, Path: '{path}'}}}}"
        );
    }
    text
}

fn anchor(access: Option<&Access>) -> &'static str {
    access.map_or("document", |access| access.anchor)
}

fn variables(access: Option<&Access>) -> String {
    let mut text = String::from(
        "\n        Variables:\n          CORS_ALLOWED_ORIGINS: !Join [',', !Ref CorsAllowedOrigins]",
    );
    if let Some(Access { user, cache, .. }) = access {
        let _ = write!(
            text,
            "
          REQUIRE_IF_MATCH: !Ref RequireIfMatch
          # Empty is as good as absent; `sam local invoke` sets only variables that it finds here.
          DATABASE_URL: ''
          DB_AUTH: iam
          DB_HOST: !If [IsProxied, !GetAtt Proxy.Endpoint, !GetAtt Cluster.Endpoint.Address]
          DB_NAME: {NAME}
          DB_USER: {user}
          CURSOR_KEY: !Sub '{{{{resolve:secretsmanager:${{CursorKey}}:SecretString}}}}'
          CACHE_URL: !If [{cache}, !Sub 'rediss://${{ValkeyCache.Endpoint.Address}}:${{ValkeyCache.Endpoint.Port}}', !Ref AWS::NoValue]
          CACHE_CLUSTER: !If [{cache}, 'true', !Ref AWS::NoValue]
          CACHE_USERNAME: !If [{cache}, !Ref CacheUser, !Ref AWS::NoValue]
          CACHE_PASSWORD: !If [{cache}, !Sub '{{{{resolve:secretsmanager:${{CachePassword}}:SecretString}}}}', !Ref AWS::NoValue]"
        );
    }
    text
}

/// The role of a function. Its policies are shared by all functions and refer to the function by the role's
/// tag.
fn role(operation: &Operation, own: &FunctionSettings, access: Option<&Access>) -> String {
    let (id, name) = (logical_id(operation), operation.name);
    let policies = access.map_or("[!Ref FunctionPolicy]".to_owned(), |Access { policy, .. }| {
        format!("[!Ref FunctionPolicy, !Ref NetworkPolicy, !Ref {policy}]")
    });
    let rights: Vec<_> = own.rights.iter().map(statement).collect();
    // The permissions that the manifest declares.
    let own = if rights.is_empty() {
        String::new()
    } else {
        format!(
            ",
       Policies: [{{PolicyName: {name}, PolicyDocument: {{Version: '2012-10-17', Statement: [
         {}]}}}}]",
            rights.join(",\n         ")
        )
    };
    format!(
        "  {id}Role:
    Type: AWS::IAM::Role
    Properties:
      {{AssumeRolePolicyDocument: *by_lambda, Tags: [{{Key: function, Value: {name}}}], ManagedPolicyArns: {policies}{own}}}
"
    )
}

fn statement(Permission { sid, actions, resources }: &Permission) -> String {
    // JSON strings are valid YAML.
    let actions: Vec<_> = actions.iter().map(|action| json!(action).to_string()).collect();
    let resources: Vec<_> = resources.iter().map(|arn| format!("!Sub {}", json!(arn))).collect();
    format!(
        "{{Sid: {sid}, Effect: Allow, Action: [{}], Resource: [{}]}}",
        actions.join(", "),
        resources.join(", ")
    )
}

fn logs(operation: &Operation) -> String {
    let (id, name) = (logical_id(operation), operation.name);
    format!(
        "  {id}LogGroup:
    Type: AWS::Logs::LogGroup
    Properties: {{LogGroupName: !Sub '/aws/lambda/${{AWS::StackName}}-{name}', RetentionInDays: !Ref LogRetentionDays, KmsKeyId: !GetAtt Key.Arn}}
  {id}Logs:
    Type: AWS::Logs::SubscriptionFilter
    Condition: ShipsLogs
    Properties: {{LogGroupName: !Ref {id}LogGroup, FilterPattern: '', DestinationArn: !Ref LogDestinationArn, RoleArn: *log_sender}}
"
    )
}

/// An alarm on the number of responses with 500 or above, crashes and throttles per minute.
fn alarm(operation: &Operation, anchors: &mut Anchors) -> String {
    let (id, name) = (logical_id(operation), operation.name);
    let failures = anchors.value(
        "failures",
        " {Id: all, Label: Failures, Expression: 'FILL(answers, 0) + FILL(crashes, 0) + FILL(throttles, 0)'}",
    );
    let metric = |id: &str, metric: &str, dimensions: &str| {
        format!(
            "{{Id: {id}, ReturnData: false, MetricStat: {{Period: 60, Stat: Sum, Metric: {{{metric}, Dimensions:{dimensions}}}}}}}"
        )
    };
    let answers =
        format!(" [{{Name: service, Value: !Ref AWS::StackName}}, {{Name: operation, Value: {name}}}]");
    let function = format!("of_{}", name.replace('-', "_"));
    let value = format!(" [{{Name: FunctionName, Value: !Sub '${{AWS::StackName}}-{name}'}}]");
    let [crashes, throttles] = [(); 2].map(|()| anchors.value(&function, &value));
    format!(
        "  {id}Alarm:
    Type: AWS::CloudWatch::Alarm
    Properties: {{AlarmDescription: {operation_id} fails; a deployment under way is rolled back., AlarmActions: [!Ref AlarmTopic],
      ComparisonOperator: GreaterThanOrEqualToThreshold, EvaluationPeriods: 1, Threshold: !Ref FailureThreshold,
      TreatMissingData: notBreaching, Metrics: [{failures},
      {answers},
      {crashes},
      {throttles}]}}
",
        operation_id = operation.id,
        failures = failures.trim_start(),
        answers = metric("answers", &format!("Namespace: {METRICS_NAMESPACE}, MetricName: Failure"), &answers),
        crashes = metric("crashes", "Namespace: AWS/Lambda, MetricName: Errors", &crashes),
        throttles = metric("throttles", "Namespace: AWS/Lambda, MetricName: Throttles", &throttles),
    )
}
