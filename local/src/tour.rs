//! The message of `cargo xtask dev` once it serves: the routes, the principals with their keys, and requests to try.

use local::{
    gateway::{Auth, iam::Principal},
    lambda::REGION,
};

pub(crate) fn print(url: &str, auth: &Auth) {
    println!("\n{} serves on {url}\n", project::TITLE);
    for operation in api::OPERATIONS {
        for route in operation.routes {
            println!("  {:<6} {:<28} {}", route.method.as_str(), route.path, operation.id);
        }
    }
    println!("\nOpen {url}/docs in a browser to read the contract and try calls.");
    let caller = match auth {
        Auth::None | Auth::Cognito(_) => None,
        Auth::Iam(iam) => {
            print_principals(iam.principals());
            iam.principals().last()
        }
    };
    if let Auth::Cognito(_) = auth {
        println!("\nRequests need a token of the local user pool:\n\n  token=$(cargo xtask token)");
    }
    println!("\nTry:\n");
    let call = match caller {
        None if matches!(auth, Auth::Cognito(_)) => r#"curl -s -H "Authorization: $token""#,
        None => "curl -s",
        Some(Principal { access_key_id, secret_access_key, session_token, .. }) => {
            let key = format!("{access_key_id}:{secret_access_key}");
            let token = session_token.iter().map(|token| format!(" -H 'X-Amz-Security-Token: {token}'"));
            let token: String = token.collect();
            println!(
                r#"  call() {{ curl -s --aws-sigv4 aws:amz:{REGION}:execute-api --user '{key}'{token} "$@"; }}"#
            );
            "call"
        }
    };
    // curl 7.88 signs the query string verbatim, so it must be in canonical form: sorted, with upper-case
    // percent-encoding. --data-urlencode does neither.
    println!(
        r#"  {call} '{url}/v1/products?limit=3&sort=price'
  {call} '{url}/v1/products' -H 'Content-Type: application/json' -d '{{"name": "Apple", "price": 100}}'
  {call} '{url}/v1/products/search?q=%E5%82%99%E5%89%8D'

`cargo lambda watch --env-file .local/env` can use this database, too. Ctrl-C stops everything.
"#
    );
}

fn print_principals(principals: &[Principal]) {
    println!(
        "\nRequests must be signed (AWS_IAM; `--auth none` turns this off). Keys, for this machine only:\n"
    );
    for Principal { arn, access_key_id, secret_access_key, session_token, allow } in principals {
        println!("  {arn}  may  {}", allow.join("  "));
        println!("    AWS_ACCESS_KEY_ID={access_key_id} AWS_SECRET_ACCESS_KEY={secret_access_key}");
        if let Some(token) = session_token {
            println!("    AWS_SESSION_TOKEN={token}");
        }
    }
}
