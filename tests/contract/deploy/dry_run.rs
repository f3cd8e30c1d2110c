//! The commands that `cargo xtask deploy` would run for each stage, with SAM and with CDK.

use std::{collections::BTreeSet, fs, path::Path};

use api::OPERATIONS;
use harness::{Aws, block_on};
use local::stack::{checkout, programs};
use serde_json::Value;
use tokio::process::Command;

use super::{STAGES, deployer, said};

const PROGRAMS: &str = ".local/tools/deploy-venv/bin";
const STAGE_NAMES: [&str; 3] = ["dev", "staging", "prod"];

/// The commands, without the comments about their purpose.
fn dry_run(stage: &str, options: &[&str]) -> Vec<String> {
    let mut xtask = Command::new(programs().expect("programs").join("xtask"));
    xtask.args(["deploy", "--stage", stage, "--dry-run"]).args(options);
    let said = block_on(async { said(&mut xtask).await });
    said.lines().filter(|line| !line.starts_with("# ")).map(ToOwned::to_owned).collect()
}

/// The commands that install the tools of every deployment.
fn tools_of_the_deployment() -> [String; 2] {
    [
        "python3 -m venv --clear .local/tools/deploy-venv".to_owned(),
        format!("{PROGRAMS}/python -m pip install --requirement tests/deploy/requirements.txt"),
    ]
}

/// What is installed first to build for a stage.
fn installation(stage: &str) -> Vec<String> {
    let mut commands = tools_of_the_deployment().to_vec();
    commands.push("rustup target add aarch64-unknown-linux-gnu".to_owned());
    if stage != "dev" {
        let auditable =
            "cargo install --quiet --locked --root .local/tools --version 0.7.7 cargo-auditable".to_owned();
        commands.push(auditable);
    }
    commands
}

/// Every function of the stack.
fn functions() -> BTreeSet<&'static str> {
    OPERATIONS.iter().map(|operation| operation.name).chain(["migrate"]).collect()
}

/// The command that builds all functions: with the quick profile for dev, optimised for other stages.
fn build(stage: &str) -> String {
    let build = if stage == "dev" {
        format!("{PROGRAMS}/cargo-lambda lambda build --profile quick")
    } else {
        ".local/tools/bin/cargo-auditable auditable lambda build --release".to_owned()
    };
    let [config, paths] = tools::without_paths();
    let bins: String = functions().iter().map(|function| format!(" --bin {function}")).collect();
    format!("{build} {config} '{paths}' --arm64 --lambda-dir target/lambda{bins}")
}

#[test]
fn with_sam() {
    for stage in STAGE_NAMES {
        let mut commands = dry_run(stage, &[]);
        let deploy = commands.remove(commands.len() - 2);
        let mut expected = installation(stage);
        expected.extend([
            format!("{PROGRAMS}/python tests/deploy/preflight.py --stage {stage}"),
            format!("{PROGRAMS}/sam validate --lint --config-env {stage}"),
            build(stage),
            format!("{PROGRAMS}/python tests/deploy/smoke.py --stage {stage}"),
        ]);
        assert_eq!(commands, expected);

        let start = format!(
            "{PROGRAMS}/sam deploy --config-env {stage} --template-file template.yaml --parameter-overrides "
        );
        let parameters = deploy.strip_prefix(&start).expect("sam deploy");
        let parameters =
            parameters.strip_suffix(" 'Revision=<hash of code and parameters>'").expect("a revision");
        let mut given: Vec<_> =
            parameters.split(' ').map(|pair| pair.split_once('=').expect("a pair")).collect();
        given.sort_unstable();
        // The option replaces the list in samconfig.toml: an omitted parameter would get its default.
        let stage = &STAGES[stage];
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        let declared = &stage.template["Parameters"];
        let differing = stage.parameters.iter().filter(|(name, value)| declared[*name]["Default"] != **value);
        let expected = differing.map(|(name, value)| (name.as_str(), text(value)));
        let expected: Vec<_> = expected.filter(|(name, _)| *name != "Revision").collect();
        for (name, value) in &expected {
            assert!(given.contains(&(*name, value)), "{name}={value} is not in {deploy}");
        }
        for (name, value) in given {
            assert_eq!(text(&stage.parameters[name]), value, "{name} in {deploy}");
        }
    }
}

#[test]
fn with_cdk() {
    for stage in STAGE_NAMES {
        let stack = format!("atelier-cdk-{stage}");
        let mut expected = installation(stage);
        let approval = if stage == "prod" { "any-change" } else { "never" };
        expected.extend([
            "npm ci --prefix cdk".to_owned(),
            format!(
                "npm run --prefix cdk synth -- {stack} --context placeholders=true --output ../.local/preflight"
            ),
            format!(
                "{PROGRAMS}/python tests/deploy/preflight.py --stage {stage} --stack {stack} \
                 --template .local/preflight/{stack}.template.json"
            ),
            build(stage),
            format!("npm run --prefix cdk deploy -- {stack} --require-approval {approval}"),
            format!("{PROGRAMS}/python tests/deploy/smoke.py --stack {stack}"),
        ]);
        assert_eq!(dry_run(stage, &["--with", "cdk"]), expected);
    }
}

#[test]
fn zips_that_were_packed_before_are_built_no_more() {
    for (with, deploy) in [
        ("sam", "sam deploy --config-env prod --template-file template.packaged.yaml "),
        ("cdk", "npm run --prefix cdk deploy -- atelier-cdk-prod --context binaries=../dist "),
    ] {
        let commands = dry_run("prod", &["--with", with, "--artifacts", "dist", "--roll-back", "--yes"]);
        assert_eq!(commands[..2], tools_of_the_deployment());
        assert!(commands.iter().any(|command| command.contains(deploy)), "{commands:?}");
        assert!(commands.iter().all(|command| !command.contains("lambda build")), "{commands:?}");
        // The last ones, in this order: record, deploy, call; and only if that fails, restore.
        let places = ["rollback.py", "deploy", "smoke.py", "rollback.py"];
        let last = &commands[commands.len() - places.len()..];
        assert!(last.iter().zip(places).all(|(command, place)| command.contains(place)), "{last:?}");
        assert!(last[0].contains("--record") && last[3].contains("--restore"), "{last:?}");
    }
}

/// Deploys `folder` with SAM to an account of moto's, with the options of the dry run. Returns SAM's output, and which zips
/// of the folder `dist` the bucket then has, byte for byte. Limited by moto, which does not support change sets of templates
/// with SAM's transform.
fn sent(folder: &Path, options: &[&str]) -> (String, String) {
    let commands = dry_run("staging", options);
    let sam = format!("{PROGRAMS}/sam deploy ");
    let deploy = commands.iter().find_map(|line| line.strip_prefix(&sam)).expect("sam deploy");
    let deploy = deploy.replace("'Revision=<hash of code and parameters>'", "Revision=1a2b3c");
    let (output, zips) = block_on(async {
        let account = Aws::start().await;
        let python = async |program: &str| {
            let mut python = deployer("python");
            python.args(["-c", program]).env("AWS_ENDPOINT_URL", account.url()).current_dir(folder);
            said(&mut python).await
        };
        python("import boto3; boto3.client('s3', region_name='us-east-1').create_bucket(Bucket='code')")
            .await;
        let mut sam = deployer("sam");
        sam.arg("deploy").args(deploy.split(' ')).args(["--no-resolve-s3", "--s3-bucket", "code"]);
        sam.arg("--no-execute-changeset").current_dir(folder).env("AWS_ENDPOINT_URL", account.url());
        let output = sam.output().await.expect("it runs");
        let zips = "import boto3, pathlib
objects = boto3.resource('s3', region_name='us-east-1').Bucket('code').objects.all()
sent = {it.get()['Body'].read() for it in objects}
print(*sorted(path.stem for path in pathlib.Path('dist').glob('*.zip') if path.read_bytes() in sent))";
        (output, python(zips).await)
    });
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("Initiating deployment"), "{said}");
    assert!(said.contains("[\"CAPABILITY_IAM\"]"), "the rest of samconfig.toml does not count: {said}");
    (said.into_owned(), zips)
}

#[test]
fn sam_sends_what_has_been_built_with_every_parameter_of_the_stage() {
    let folder = tempfile::tempdir().expect("a folder");
    for file in ["template.yaml", "samconfig.toml"] {
        fs::copy(checkout().join(file), folder.path().join(file)).expect(file);
    }
    for function in functions() {
        let built = folder.path().join("target/lambda").join(function);
        fs::create_dir_all(&built).expect("a folder");
        fs::write(built.join("bootstrap"), function).expect("a binary");
    }
    let (said, _) = sent(folder.path(), &[]);
    let words: Vec<_> = said.split_whitespace().collect();
    let uploads = words.windows(3).filter(|words| words[..2] == ["Uploading", "to"]).map(|words| words[2]);
    let packages: BTreeSet<_> = uploads.filter(|name| !name.ends_with(".template")).collect();
    assert_eq!(packages.len(), functions().len(), "{said}");
    let mut parameters =
        said.lines().filter_map(|line| line.trim().strip_prefix("Parameter overrides")?.split_once(": "));
    let (_, parameters) = parameters.next().expect("parameters");
    let parameters: Value = serde_json::from_str(parameters).expect("JSON");
    assert_eq!((&parameters["Revision"], &parameters["MaxConnections"]), (&"1a2b3c".into(), &"400".into()));
}

/// Their checksums are those that were attested.
#[test]
fn sam_sends_zips_that_were_packed_before_byte_for_byte() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(checkout().join("samconfig.toml"), folder.path().join("samconfig.toml"))
        .expect("samconfig.toml");
    let template = fs::read_to_string(checkout().join("template.yaml")).expect("template.yaml");
    let code = regex::Regex::new("(?m)CodeUri: target/lambda/(.*)$").expect("a pattern");
    let packaged = code.replace_all(&template, "CodeUri: 'dist/$1.zip'");
    fs::write(folder.path().join("template.packaged.yaml"), packaged.as_ref()).expect("it is written");
    fs::create_dir_all(folder.path().join("dist")).expect("a folder");
    let bootstrap = folder.path().join("bootstrap");
    for function in functions() {
        fs::write(&bootstrap, function).expect("a binary");
        let zip =
            fs::File::create(folder.path().join("dist").join(format!("{function}.zip"))).expect("a zip");
        zips::pack(&[&bootstrap], zip).expect("it is packed");
    }
    let (_, zips) = sent(folder.path(), &["--artifacts", "dist"]);
    assert_eq!(zips.split_whitespace().collect::<BTreeSet<_>>(), functions());
}
