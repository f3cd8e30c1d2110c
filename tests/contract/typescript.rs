//! A TypeScript program with types that are generated from the contract: it compiles, mistakes do not, and it runs with
//! the API.

use std::path::PathBuf;

use harness::{Service, Setup, clients, service, service_with};
use local::{
    gateway::{
        self, Auth,
        iam::{Iam, Principal},
    },
    lambda::REGION,
    stack::checkout,
};
use tokio::sync::OnceCell;

/// Generates and compiles, once for all tests.
pub(crate) async fn compiled() {
    static COMPILED: OnceCell<()> = OnceCell::const_new();
    let compile = async || {
        let folder = checkout().join("tests/typescript");
        let path = |path: PathBuf| path.into_os_string().into_string().expect("a path in UTF-8");
        let (contract, types) =
            (path(checkout().join("api/openapi.json")), path(folder.join("build/contract.d.ts")));
        // A member with a default value is optional in requests.
        let arguments = [contract.as_str(), "--default-non-nullable=false", "--output", &types];
        clients::node("typescript/node_modules/openapi-typescript/bin/cli.js", &arguments, "").await;
        let arguments = ["--project", &path(folder)];
        clients::node("typescript/node_modules/typescript/bin/tsc", &arguments, "").await;
    };
    COMPILED.get_or_init(compile).await;
}

async fn run(service: &Service, credentials: &[&str]) {
    compiled().await;
    let arguments = [&[service.client().url()], credentials].concat();
    assert_eq!(clients::node("typescript/build/round-trip.js", &arguments, "").await, "done\n");
}

#[test]
fn a_typed_client_uses_the_api() {
    service(async |service| run(service, &[]).await);
}

#[test]
fn a_typed_client_signs_its_requests() {
    let auth = Auth::Iam(Iam::new(Principal::defaults()));
    let setup =
        Setup { gateway: gateway::Options { auth, ..gateway::Options::default() }, ..Setup::default() };
    service_with(setup, async |service| {
        let admin = Principal::defaults().pop().expect("an admin");
        run(service, &[&admin.access_key_id, &admin.secret_access_key, REGION]).await;
    });
}
