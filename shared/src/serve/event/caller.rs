//! Identifies the caller from the event's request context. docs/operations.md has the table.
//!
//! Only `requestContext` is used, which API Gateway writes: a client cannot choose its members, and their
//! values only as far as the authoriser allows. The first kind that applies wins: an identity of an identity
//! pool, an IAM principal, the principal of an authoriser, a client certificate, an API key.

use std::borrow::Cow;

use super::json::{Document, Json, Object};
use crate::http::{Caller, digest};

/// Roles of IAM Identity Center. All users with the same permission set share one; AWS sets the session name
/// to the user name.
const IDENTITY_CENTER_ROLE: &str = "AWSReservedSSO_";

/// The session name of all identity pool credentials.
const IDENTITY_POOL_SESSION: &str = "CognitoIdentityCredentials";

/// Members of an authoriser that do not describe the caller, or are read separately.
const NOT_OF_THE_CALLER: [&str; 5] = ["integrationLatency", "scopes", "iam", "jwt", "lambda"];

/// Where Lambda authorisers without a `principalId` usually put the caller's name.
const USUAL_NAMES: [&str; 4] = ["userId", "user_id", "user", "username"];

/// The caller according to the request context of a REST or HTTP event; `None` if anonymous.
pub(super) fn identify(context: &Object<'_>) -> Option<Caller> {
    let identity = context.object("identity");
    let authorizer = context.object("authorizer");
    pool_identity(&identity, &authorizer)
        .or_else(|| iam_principal(&identity, &authorizer.object("iam")))
        .or_else(|| authorised(&authorizer))
        .or_else(|| certificate(&identity, &context.object("authentication")))
        .or_else(|| labelled("api-key", &[Some(identity.get("apiKeyId").name()?)]))
}

/// An identity of an identity pool, or a guest: all of them share one role and one session name.
fn pool_identity(identity: &Object<'_>, authorizer: &Object<'_>) -> Option<Caller> {
    let id = identity.get("cognitoIdentityId").name();
    let in_http = || authorizer.object("iam").object("cognitoIdentity").get("identityId").name();
    let id = id.or_else(in_http)?;
    Some(Caller::of_kind("cognito-identity", &[Some(&id)], &id))
}

fn iam_principal(identity: &Object<'_>, iam: &Object<'_>) -> Option<Caller> {
    let any = |names: &[(&Object<'_>, &str)]| {
        names.iter().find_map(|(of, name)| of.get(name).name().map(Cow::into_owned))
    };
    let Some(arn) = any(&[(identity, "userArn"), (iam, "userArn")]).filter(|arn| arn.starts_with("arn:"))
    else {
        // An AWS service as the principal has no ARN.
        let names = [
            (identity, "userArn"),
            (iam, "userArn"),
            (identity, "caller"),
            (identity, "user"),
            (iam, "callerId"),
            (iam, "userId"),
        ];
        return labelled("principal", &[any(&names).map(Cow::Owned)]);
    };
    let Some((role, session)) = assumed_role(&arn) else { return Some(Caller::of_arn(&arn, &arn)) };
    let role_name = role.rsplit('/').next().unwrap_or_default();
    if role_name.starts_with(IDENTITY_CENTER_ROLE) {
        return Some(Caller::of_arn(&arn, &arn));
    }
    if session == IDENTITY_POOL_SESSION {
        // The event does not contain the identity (function URLs never do). The credentials belong to one
        // caller, the role to all of them.
        let access_key = any(&[(identity, "accessKey"), (iam, "accessKey")]);
        return Some(Caller::of_kind("credentials", &[Some(&arn), access_key.as_deref()], &arn));
    }
    Some(Caller::of_arn(&arn, role))
}

/// The ARN of an assumed role without its session name, and the session name.
fn assumed_role(arn: &str) -> Option<(&str, &str)> {
    // arn:partition:service:region:account:resource
    let mut parts = arn.splitn(6, ':').skip(2);
    let (service, resource) = (parts.next()?, parts.nth(2)?);
    let is_session = service == "sts" && resource.starts_with("assumed-role/");
    let (role, session) = arn.rsplit_once('/').filter(|_| is_session)?;
    // `assumed-role/store` has no session name.
    Some(if role.ends_with(":assumed-role") { (arn, "") } else { (role, session) })
}

/// The caller that an authoriser accepted: a token's bearer, a principal, or one that only its context
/// describes.
fn authorised(authorizer: &Object<'_>) -> Option<Caller> {
    let jwt = authorizer.object("jwt").object("claims");
    if let Some(bearer) = subject(&jwt).or_else(|| client(&jwt)) {
        return Some(bearer.into_caller());
    }
    let lambda = authorizer.object("lambda");
    let context = if lambda.has_members() { &lambda } else { authorizer };

    let claims = context.get("claims");
    // The context of a Lambda authoriser cannot contain objects, so claims are JSON in a string.
    let text = claims.text();
    let document = text.as_deref().and_then(Document::parse);
    let claims = document.as_ref().map_or(claims, Document::value).object();
    let subject = subject(&claims).or_else(|| subject(context));
    let Some(principal) = context.get("principalId").name() else {
        let bearer = subject.or_else(|| client(&claims));
        return bearer.map(Bearer::into_caller).or_else(|| described(context));
    };
    // Some authorisers give every caller the same principal, and only the claims differ.
    let (issuer, subject) = subject.map_or((None, None), |bearer| (bearer.issuer, Some(bearer.name)));
    let subject = subject.filter(|subject| issuer.is_some() || *subject != principal);
    labelled("authorizer", &[Some(principal), issuer, subject])
}

/// The party that a token was issued to.
struct Bearer<'a> {
    kind: &'static str,
    issuer: Option<Cow<'a, str>>,
    name: Cow<'a, str>,
}

/// The token's subject, which is only unique per issuer.
fn subject<'a>(claims: &Object<'a>) -> Option<Bearer<'a>> {
    Some(Bearer { kind: "token", issuer: claims.get("iss").name(), name: claims.get("sub").name()? })
}

/// A client with its own token (client credentials).
fn client<'a>(claims: &Object<'a>) -> Option<Bearer<'a>> {
    Some(Bearer { kind: "client", issuer: claims.get("iss").name(), name: claims.get("client_id").name()? })
}

impl Bearer<'_> {
    fn into_caller(self) -> Caller {
        let names = [self.issuer.as_deref(), Some(&*self.name)];
        Caller::of_kind(self.kind, &names, &words(self.kind, &names))
    }
}

/// A caller that `context` describes without a principal: any of its members may distinguish two callers.
/// Only a hash is kept, because they may be secrets.
fn described(context: &Object<'_>) -> Option<Caller> {
    let says_something = |(name, value): &(Cow<'_, str>, Json<'_>)| {
        !NOT_OF_THE_CALLER.contains(&&**name) && !["null", "\"\"", "{}", "[]"].contains(&value.as_written())
    };
    let mut members: Vec<_> =
        context.members().filter(says_something).map(|(name, value)| (name, value.as_written())).collect();
    if members.is_empty() {
        return None;
    }
    members.sort_unstable();
    let digest = digest(&serde_json::json!(members).to_string());
    let usual = USUAL_NAMES.iter().find_map(|name| context.get(name).name());
    let name = usual.unwrap_or_else(|| Cow::Owned(format!("context {digest}")));
    Some(Caller::of_kind("context", &[Some(&digest)], &words("authorizer", &[Some(&name)])))
}

/// The subject of a client certificate: unlike the serial number, it survives a renewal.
fn certificate(identity: &Object<'_>, authentication: &Object<'_>) -> Option<Caller> {
    let certificates = [identity.object("clientCert"), authentication.object("clientCert")];
    let certificate = certificates.iter().find(|certificate| certificate.has_members())?;
    let subject = certificate.get("subjectDN").name()?;
    labelled("certificate", &[certificate.get("issuerDN").name(), Some(subject)])
}

/// The caller of this `kind` with these `names`, which also form its identity; `None` without any name.
fn labelled(kind: &str, names: &[Option<Cow<'_, str>>]) -> Option<Caller> {
    let names: Vec<_> = names.iter().map(Option::as_deref).collect();
    names.iter().any(Option::is_some).then(|| Caller::of_kind(kind, &names, &words(kind, &names)))
}

/// `kind` and `names` on one line. The kind comes first, so that no name can be mistaken for an ARN.
fn words(kind: &str, names: &[Option<&str>]) -> String {
    [Some(kind)].iter().chain(names).flatten().copied().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::Value;

    use super::*;

    /// Callers, each with its own events. tests/contract/callers.rs sends them to a function.
    const CALLERS: &str = include_str!("../../../../tests/contract/callers.json");

    fn caller_of(context: &str) -> Option<Caller> {
        identify(&Document::parse(context).unwrap().value().object())
    }

    #[test]
    fn every_event_has_its_caller() {
        let callers: Vec<Value> = serde_json::from_str(CALLERS).unwrap();
        let mut owners = HashMap::new();
        for caller in &callers {
            let name = caller["caller"].as_str().unwrap();
            let mut keys = Vec::new();
            for event in caller["events"].as_array().unwrap() {
                let json = event.to_string();
                let found = caller_of(&json);
                assert_eq!(found.as_ref().map(Caller::identity), event["shown"].as_str(), "{name}");
                keys.push(found.map_or_else(String::new, |caller| caller.key().to_owned()));
            }
            keys.dedup();
            let [key] = &keys[..] else { panic!("{name} has {keys:?}") };
            assert_eq!(owners.insert(key.clone(), name), None, "{name} has the key of another: {key}");
        }
        assert!(owners.len() > 35, "{} callers", owners.len());
    }

    #[test]
    fn a_number_has_all_of_its_digits() {
        let of = |id: &str| {
            let json = format!(r#"{{"authorizer": {{"claims": {{"sub": {id}}}}}}}"#);
            caller_of(&json).unwrap()
        };
        assert_eq!(of("12345678901234567890123").identity(), "token 12345678901234567890123");
        assert_eq!(of("7"), of(r#""7""#));
    }

    #[test]
    fn keys_of_users_are_as_they_were() {
        let user = r#"{"identity": {"userArn": "arn:aws:iam::1:user/ann"}}"#;
        let user = caller_of(user).unwrap();
        assert_eq!(user.key(), "arn:aws:iam::1:user/ann");
    }

    #[test]
    fn a_session_is_what_follows_a_role() {
        for (arn, role) in [
            ("arn:aws:sts::1:assumed-role/store/one", "arn:aws:sts::1:assumed-role/store"),
            ("arn:aws:sts::1:assumed-role/store/", "arn:aws:sts::1:assumed-role/store"),
            ("arn:aws:sts::1:assumed-role/store", "arn:aws:sts::1:assumed-role/store"),
            ("arn:aws-cn:sts::1:assumed-role/store/one", "arn:aws-cn:sts::1:assumed-role/store"),
            ("arn:aws:sts::1:federated-user/ann", "arn:aws:sts::1:federated-user/ann"),
            ("arn:aws:iam::1:user/assumed-role/ann", "arn:aws:iam::1:user/assumed-role/ann"),
            ("arn:aws:iam::1:role/store/one", "arn:aws:iam::1:role/store/one"),
            ("arn:aws", "arn:aws"),
        ] {
            let json = serde_json::json!({"identity": {"userArn": arn}}).to_string();
            let caller = caller_of(&json).unwrap();
            assert_eq!((caller.identity(), caller.key()), (arn, role));
        }
    }

    #[test]
    fn a_description_is_kept_as_a_hash() {
        let json = r#"{"authorizer": {"lambda": {"token": "sesame"}}}"#;
        let caller = caller_of(json).unwrap();
        assert!(caller.identity().starts_with("authorizer context "), "{caller:?}");
        assert!(!format!("{caller:?}").contains("sesame"), "{caller:?}");
    }
}
