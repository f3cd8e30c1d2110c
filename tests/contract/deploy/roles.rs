//! The roles of continuous delivery (`.github/roles.yaml`): who may take them, and what they may do then.

use std::collections::BTreeSet;

use harness::block_on;
use project::NAME;
use serde_json::{Value, json};
use tools::python;

use super::{
    deployer,
    evaluate::{Parameters, Stack, list, text},
    prod, resources, said, tool,
};

const FILE: &str = ".github/roles.yaml";
const GITHUB: (&str, &str) = ("Federated", "<Provider>");
const TAKE: &str = "sts:AssumeRoleWithWebIdentity";

/// The template as CloudFormation reads it.
fn template() -> Value {
    let program = "import json, sys
from samcli.yamlhelper import yaml_parse
print(json.dumps(yaml_parse(open(sys.argv[1], encoding='utf-8').read())))";
    let read = block_on(async { said(deployer("python").args(["-c", program, FILE])).await });
    serde_json::from_str(&read).expect("JSON")
}

fn parameters(template: &Value, given: &[(&str, &str)]) -> Parameters {
    let declared = template["Parameters"].as_object().expect("parameters");
    let defaults = declared.iter().map(|(name, it)| (name.clone(), it["Default"].clone()));
    let given = given.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
    defaults.chain(given).collect()
}

/// Calls `look` with the stack of a stage.
fn with_roles(stage: &str, deploys: &str, look: impl FnOnce(&Stack<'_>)) {
    let template = template();
    let given = [("Repository", "owner/name"), ("Stage", stage), ("DeployWith", deploys)];
    look(&Stack { template: &template, parameters: &parameters(&template, &given) });
}

#[test]
fn cfn_lint_and_checkov_find_nothing_that_has_no_reason() {
    block_on(async {
        said(deployer("cfn-lint").args(["--regions", "eu-central-1", "--", FILE])).await;
        let arguments = ["--skip-download", "--quiet", "--framework", "cloudformation", "--output", "json"];
        let said = said(tool(python::CHECKOV, "checkov").args(arguments).args(["--file", FILE])).await;
        let report: Value = serde_json::from_str(&said).expect("JSON");
        assert_eq!(report["summary"]["failed"], 0, "{}", report["results"]["failed_checks"]);
        assert!(report["summary"]["passed"].as_u64() > Some(5), "{}", report["summary"]);
    });
}

/// GitHub writes into the token of a job what the job is of.
#[test]
fn a_job_of_the_environment_may_take_its_role_and_nobody_else() {
    with_roles("prod", "sam", |stack| {
        let may = |audience: &str, subject: &str| {
            let context = [
                ("token.actions.githubusercontent.com:aud", audience),
                ("token.actions.githubusercontent.com:sub", subject),
            ];
            stack.may_take("DeployRole", GITHUB, TAKE, &context)
        };
        assert!(may("sts.amazonaws.com", "repo:owner/name:environment:prod"));
        for subject in [
            "repo:owner/name:environment:staging",
            "repo:owner/name:environment:prod2",
            "repo:owner/name:environment:PROD",
            "repo:owner/name:ref:refs/heads/main",
            "repo:owner/name:pull_request",
            "repo:owner/other:environment:prod",
            "repo:other/name:environment:prod",
            "repo:owner/name:environment:prod:ref:refs/heads/main",
            "repo:owner/name:*",
            "",
        ] {
            assert!(!may("sts.amazonaws.com", subject), "{subject}");
        }
        assert!(!may("https://github.com/owner", "repo:owner/name:environment:prod"));
        assert!(!stack.may_take("DeployRole", GITHUB, TAKE, &[]), "a token without a subject");
        let subject = [("token.actions.githubusercontent.com:sub", "repo:owner/name:environment:prod")];
        assert!(!stack.may_take("DeployRole", GITHUB, TAKE, &subject), "a token for anybody");
        for other in [("Federated", "accounts.google.com"), ("AWS", "*"), ("Service", "ec2.amazonaws.com")] {
            assert!(!stack.may_take("DeployRole", other, TAKE, &subject), "{other:?}");
        }
    });
}

#[test]
fn a_repository_is_one_and_no_pattern_of_several() {
    let template = template();
    let pattern = text(&template["Parameters"]["Repository"]["AllowedPattern"]);
    // CloudFormation matches the whole value.
    let pattern = regex::Regex::new(&format!("^(?:{pattern})$")).expect("a pattern");
    for repository in ["owner/name", "owner-1/name.of_it", "owner@123/name@456"] {
        assert!(pattern.is_match(repository), "{repository}");
    }
    for repository in
        ["owner/*", "*", "owner", "owner/name:ref:refs/heads/main", "owner/na?e", "owner/name/x", ""]
    {
        assert!(!pattern.is_match(repository), "{repository}");
    }
}

#[test]
fn the_provider_is_made_unless_the_account_has_it() {
    let template = template();
    for (given, is_made) in
        [("", true), ("arn:aws:iam::1:oidc-provider/token.actions.githubusercontent.com", false)]
    {
        let given = [("Repository", "owner/name"), ("Stage", "dev"), ("ProviderArn", given)];
        let stack = Stack { template: &template, parameters: &parameters(&template, &given) };
        assert_eq!(stack.properties("Provider").is_some(), is_made);
        let trusted =
            &stack.properties("DeployRole").expect("a role")["AssumeRolePolicyDocument"]["Statement"][0];
        let expected = if is_made { "<Provider>" } else { given[2].1 };
        assert_eq!(trusted["Principal"]["Federated"], expected);
    }
}

fn stack_arn(name: &str) -> String {
    format!("arn:aws:cloudformation:region:account:stack/{name}/id")
}

#[test]
fn the_workflow_changes_one_stack_and_passes_one_role() {
    with_roles("staging", "sam", |stack| {
        let may = |action: &str, resource: &str| stack.may("DeployRole", action, resource, &[]);
        for (name, is_own) in [
            (format!("{NAME}-staging"), true),
            (format!("{NAME}-prod"), false),
            (format!("{NAME}-staging2"), false),
            (format!("{NAME}-delivery-staging"), false),
        ] {
            for action in ["cloudformation:CreateChangeSet", "cloudformation:ExecuteChangeSet"] {
                assert_eq!(may(action, &stack_arn(&name)), is_own, "{action} {name}");
            }
            assert!(!may("cloudformation:DeleteStack", &stack_arn(&name)), "{name}");
        }
        let passes = |role: &str, service: &str| {
            stack.may("DeployRole", "iam:PassRole", role, &[("iam:PassedToService", service)])
        };
        assert!(passes("<StackRole.Arn>", "cloudformation.amazonaws.com"));
        assert!(!passes("<StackRole.Arn>", "lambda.amazonaws.com"));
        assert!(!passes("arn:aws:iam::account:role/Admin", "cloudformation.amazonaws.com"));

        let api = |stage: &str| format!("arn:aws:execute-api:region:account:id/{stage}/GET/v1/products");
        assert!(may("execute-api:Invoke", &api("staging")) && !may("execute-api:Invoke", &api("prod")));
        let function =
            |stage: &str| format!("arn:aws:lambda:region:account:function:{NAME}-{stage}-get-product");
        assert!(
            may("lambda:UpdateAlias", &function("staging")) && !may("lambda:UpdateAlias", &function("prod"))
        );
        let zips = "arn:aws:s3:::aws-sam-cli-managed-default-samclisourcebucket-1a2b/zip";
        assert!(may("s3:PutObject", zips) && !may("s3:PutObject", "arn:aws:s3:::other/zip"));
        for (action, resource) in [
            ("lambda:UpdateFunctionCode", function("staging")),
            ("iam:CreateRole", format!("arn:aws:iam::account:role/{NAME}-staging-it")),
            ("iam:UpdateAssumeRolePolicy", "<DeployRole.Arn>".to_owned()),
            (
                "secretsmanager:GetSecretValue",
                "arn:aws:secretsmanager:region:account:secret:CursorKey-1".to_owned(),
            ),
            (
                "sts:AssumeRole",
                "arn:aws:iam::account:role/cdk-hnb659fds-deploy-role-account-region".to_owned(),
            ),
        ] {
            assert!(!may(action, &resource), "{action} {resource}");
        }
    });
}

#[test]
fn with_cdk_it_takes_the_roles_of_the_bootstrap_and_there_is_no_other() {
    with_roles("prod", "cdk", |stack| {
        assert!(stack.properties("StackRole").is_none());
        let may = |action: &str, resource: &str| stack.may("DeployRole", action, resource, &[]);
        for kind in ["deploy", "file-publishing", "lookup"] {
            let role = format!("arn:aws:iam::account:role/cdk-hnb659fds-{kind}-role-account-region");
            assert!(may("sts:AssumeRole", &role), "{role}");
        }
        for role in
            ["cdk-hnb659fds-deploy-role-account-elsewhere", "cdk-other-deploy-role-account-region", "Admin"]
        {
            assert!(!may("sts:AssumeRole", &format!("arn:aws:iam::account:role/{role}")), "{role}");
        }
        assert!(may("cloudformation:DescribeStacks", &stack_arn(&format!("{NAME}-cdk-prod"))));
        assert!(!may("cloudformation:CreateChangeSet", &stack_arn(&format!("{NAME}-cdk-prod"))));
    });
}

#[test]
fn cloudformation_alone_may_be_the_role_of_the_stack_and_for_that_stack_only() {
    with_roles("prod", "sam", |stack| {
        let may = |service: &str, name: &str| {
            let arn = stack_arn(name);
            let context = [("aws:SourceAccount", "account"), ("aws:SourceArn", arn.as_str())];
            stack.may_take("StackRole", ("Service", service), "sts:AssumeRole", &context)
        };
        assert!(may("cloudformation.amazonaws.com", &format!("{NAME}-prod")));
        assert!(!may("cloudformation.amazonaws.com", &format!("{NAME}-dev")));
        assert!(!may("lambda.amazonaws.com", &format!("{NAME}-prod")));
    });
}

/// An action without which CloudFormation cannot make a resource of a type, and the ARN that IAM asks about.
fn creation(kind: &str) -> (&'static str, String) {
    let named = |service: &str, rest: &str| format!("arn:aws:{service}:region:account:{rest}{NAME}-prod-it");
    match kind {
        "AWS::ApiGateway::Account" => ("apigateway:PATCH", "arn:aws:apigateway:region::/account".to_owned()),
        "AWS::Budgets::Budget" => ("budgets:ModifyBudget", "arn:aws:budgets::account:budget/it".to_owned()),
        "AWS::CloudWatch::Alarm" => ("cloudwatch:PutMetricAlarm", named("cloudwatch", "alarm:")),
        "AWS::CloudWatch::Dashboard" => {
            ("cloudwatch:PutDashboard", format!("arn:aws:cloudwatch::account:dashboard/{NAME}-prod"))
        }
        "AWS::CodeDeploy::Application" => {
            ("codedeploy:CreateApplication", named("codedeploy", "application:"))
        }
        "AWS::CodeDeploy::DeploymentGroup" => {
            ("codedeploy:CreateDeploymentGroup", named("codedeploy", "deploymentgroup:"))
        }
        "AWS::EC2::FlowLog" => ("ec2:CreateFlowLogs", "arn:aws:ec2:region:account:vpc/it".to_owned()),
        "AWS::EC2::RouteTable" => {
            ("ec2:CreateRouteTable", "arn:aws:ec2:region:account:route-table/it".to_owned())
        }
        "AWS::EC2::SecurityGroup" => {
            ("ec2:CreateSecurityGroup", "arn:aws:ec2:region:account:security-group/it".to_owned())
        }
        "AWS::EC2::SecurityGroupEgress" => {
            ("ec2:AuthorizeSecurityGroupEgress", "arn:aws:ec2:region:account:security-group/it".to_owned())
        }
        "AWS::EC2::SecurityGroupIngress" => {
            ("ec2:AuthorizeSecurityGroupIngress", "arn:aws:ec2:region:account:security-group/it".to_owned())
        }
        "AWS::EC2::Subnet" => ("ec2:CreateSubnet", "arn:aws:ec2:region:account:subnet/it".to_owned()),
        "AWS::EC2::SubnetRouteTableAssociation" => {
            ("ec2:AssociateRouteTable", "arn:aws:ec2:region:account:subnet/it".to_owned())
        }
        "AWS::EC2::VPC" => ("ec2:CreateVpc", "arn:aws:ec2:region:account:vpc/it".to_owned()),
        "AWS::EC2::VPCEndpoint" => {
            ("ec2:CreateVpcEndpoint", "arn:aws:ec2:region:account:vpc-endpoint/it".to_owned())
        }
        "AWS::ElastiCache::ServerlessCache" => {
            ("elasticache:CreateServerlessCache", named("elasticache", "serverlesscache:"))
        }
        "AWS::ElastiCache::User" => ("elasticache:CreateUser", named("elasticache", "user:")),
        "AWS::ElastiCache::UserGroup" => ("elasticache:CreateUserGroup", named("elasticache", "usergroup:")),
        "AWS::Events::Rule" => ("events:PutRule", named("events", "rule/")),
        "AWS::IAM::ManagedPolicy" => {
            ("iam:CreatePolicy", format!("arn:aws:iam::account:policy/{NAME}-prod-it"))
        }
        "AWS::IAM::Role" => ("iam:CreateRole", format!("arn:aws:iam::account:role/{NAME}-prod-it")),
        "AWS::KMS::Key" => ("kms:CreateKey", "*".to_owned()),
        "AWS::Lambda::Alias" => ("lambda:CreateAlias", named("lambda", "function:")),
        "AWS::Lambda::Function" => ("lambda:CreateFunction", named("lambda", "function:")),
        "AWS::Lambda::Permission" => ("lambda:AddPermission", named("lambda", "function:")),
        "AWS::Lambda::Version" => ("lambda:PublishVersion", named("lambda", "function:")),
        "AWS::Logs::LogGroup" => {
            ("logs:CreateLogGroup", "arn:aws:logs:region:account:log-group:it".to_owned())
        }
        "AWS::Logs::SubscriptionFilter" => {
            ("logs:PutSubscriptionFilter", "arn:aws:logs:region:account:log-group:it".to_owned())
        }
        "AWS::RDS::DBCluster" => ("rds:CreateDBCluster", named("rds", "cluster:")),
        "AWS::RDS::DBClusterParameterGroup" => {
            ("rds:CreateDBClusterParameterGroup", named("rds", "cluster-pg:"))
        }
        "AWS::RDS::DBInstance" => ("rds:CreateDBInstance", named("rds", "db:")),
        "AWS::RDS::DBProxy" => ("rds:CreateDBProxy", named("rds", "db-proxy:")),
        "AWS::RDS::DBProxyTargetGroup" => ("rds:RegisterDBProxyTargets", named("rds", "target-group:")),
        "AWS::RDS::DBSubnetGroup" => ("rds:CreateDBSubnetGroup", named("rds", "subgrp:")),
        "AWS::Route53::RecordSet" => {
            ("route53:ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/it".to_owned())
        }
        "AWS::SNS::Subscription" => ("sns:Subscribe", named("sns", "")),
        "AWS::SNS::Topic" => ("sns:CreateTopic", named("sns", "")),
        "AWS::SNS::TopicPolicy" => ("sns:SetTopicAttributes", named("sns", "")),
        // CloudFormation calls a secret without a name after its logical id.
        "AWS::SecretsManager::Secret" => (
            "secretsmanager:CreateSecret",
            "arn:aws:secretsmanager:region:account:secret:CursorKey-1a2b3c".to_owned(),
        ),
        "AWS::WAFv2::LoggingConfiguration" => {
            ("wafv2:PutLoggingConfiguration", named("wafv2", "regional/webacl/"))
        }
        "AWS::WAFv2::WebACL" => ("wafv2:CreateWebACL", named("wafv2", "regional/webacl/")),
        "AWS::WAFv2::WebACLAssociation" => {
            ("wafv2:AssociateWebACL", "arn:aws:apigateway:region::/restapis/it/stages/prod".to_owned())
        }
        // What it is for is done by a function.
        kind if kind.starts_with("Custom::") => ("lambda:InvokeFunction", named("lambda", "function:")),
        kind if kind.starts_with("AWS::ApiGateway::") => {
            ("apigateway:POST", "arn:aws:apigateway:region::/restapis".to_owned())
        }
        other => panic!("{other} is new in template.yaml: let StackRole of {FILE} make it, and add it here"),
    }
}

#[test]
fn the_role_of_the_stack_may_make_every_kind_of_resource_of_the_stack() {
    with_roles("prod", "sam", |stack| {
        let all = prod()["Resources"].as_object().expect("resources").values();
        let kinds: BTreeSet<_> = all.map(|resource| text(&resource["Type"])).collect();
        assert!(kinds.len() > 30, "{kinds:?}");
        for kind in kinds {
            let (action, resource) = creation(&kind);
            assert!(stack.may("StackRole", action, &resource, &[]), "{kind}: {action} {resource}");
        }
    });
}

#[test]
fn the_role_of_the_stack_touches_no_roles_or_functions_of_others() {
    with_roles("prod", "sam", |stack| {
        let may = |action: &str, resource: &str| stack.may("StackRole", action, resource, &[]);
        for role in [
            format!("{NAME}-delivery-prod-DeployRole-1"),
            format!("{NAME}-dev-it"),
            "Admin".to_owned(),
            "cdk-hnb659fds-cfn-exec-role-account-region".to_owned(),
        ] {
            let arn = format!("arn:aws:iam::account:role/{role}");
            for action in
                ["iam:CreateRole", "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy", "iam:AttachRolePolicy"]
            {
                assert!(!may(action, &arn), "{action} {role}");
            }
            let context = [("iam:PassedToService", "lambda.amazonaws.com")];
            assert!(!stack.may("StackRole", "iam:PassRole", &arn, &context), "{role}");
        }
        let provider = "arn:aws:iam::account:oidc-provider/token.actions.githubusercontent.com";
        assert!(!may("iam:UpdateOpenIDConnectProviderThumbprint", provider));
        assert!(!may("iam:CreateUser", "arn:aws:iam::account:user/it"));
        assert!(!may("lambda:UpdateFunctionCode", "arn:aws:lambda:region:account:function:other"));
        let secret = "arn:aws:secretsmanager:region:account:secret:other-1";
        assert!(!may("secretsmanager:GetSecretValue", secret));
        assert!(!may("sts:AssumeRole", "arn:aws:iam::account:role/Admin"));
    });
}

/// A role that the stack makes for a service has to be passed to it.
#[test]
fn roles_are_passed_to_the_services_that_the_stack_makes_them_for() {
    with_roles("prod", "sam", |stack| {
        let services: BTreeSet<_> = resources(prod(), "AWS::IAM::Role")
            .values()
            .flat_map(|role| list(&role["Properties"]["AssumeRolePolicyDocument"]["Statement"]))
            .flat_map(|statement| list(&statement["Principal"]["Service"]))
            .map(|service| text(&service))
            .collect();
        let role = format!("arn:aws:iam::account:role/{NAME}-prod-it");
        let passes = |service: &str| {
            stack.may("StackRole", "iam:PassRole", &role, &[("iam:PassedToService", service)])
        };
        assert!(services.len() >= 4 && services.iter().all(|service| passes(service)), "{services:?}");
        let known = stack.properties("StackRole").expect("a role");
        let known = list(&known["Policies"])
            .iter()
            .flat_map(|policy| list(&policy["PolicyDocument"]["Statement"]))
            .find(|statement| statement["Sid"] == "PassRolesToServices")
            .map(|statement| list(&statement["Condition"]["StringEquals"]["iam:PassedToService"]));
        let known: BTreeSet<_> = known.expect("a statement").iter().map(text).collect();
        assert_eq!(known, services);
    });
}
