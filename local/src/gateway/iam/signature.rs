//! Signature Version 4: signs a canonical request.

use hmac::{Hmac, KeyInit, Mac, digest::Key};
use sha2::{Digest, Sha256};

pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
pub(super) const TERMINATOR: &str = "aws4_request";

/// The credential scope: a date, a region, a service.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scope<'a> {
    /// `20150830`.
    pub(super) date: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

impl Scope<'_> {
    /// The form in a credential and in the string to sign.
    pub(super) fn text(&self) -> String {
        format!("{}/{}/{}/{TERMINATOR}", self.date, self.region, self.service)
    }
}

/// The string to sign.
pub(super) fn string_to_sign(date_time: &str, scope: &Scope<'_>, canonical: &[u8]) -> String {
    format!("{ALGORITHM}\n{date_time}\n{}\n{}", scope.text(), hex_sha256(canonical))
}

/// The signature in hexadecimal.
pub(super) fn sign(secret: &str, scope: &Scope<'_>, string_to_sign: &str) -> String {
    hex(&finished(mac_for(secret, scope, string_to_sign)))
}

/// Whether `signature` is the signature of `string_to_sign`, compared in constant time.
pub(super) fn is_signature(secret: &str, scope: &Scope<'_>, string_to_sign: &str, signature: &str) -> bool {
    let signature = unhex(signature).unwrap_or_default();
    mac_for(secret, scope, string_to_sign).verify_slice(&signature).is_ok()
}

/// Whether two secrets are equal, compared in constant time.
pub(super) fn is_same_secret(one: &str, other: &str) -> bool {
    keyed(b"", one).verify_slice(&finished(keyed(b"", other))).is_ok()
}

pub(super) fn hex_sha256(data: &[u8]) -> String {
    hex(&Sha256::digest(data))
}

fn mac_for(secret: &str, scope: &Scope<'_>, string_to_sign: &str) -> Hmac<Sha256> {
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in [scope.date, scope.region, scope.service, TERMINATOR] {
        key = finished(keyed(&key, part));
    }
    keyed(&key, string_to_sign)
}

fn keyed(key: &[u8], message: &str) -> Hmac<Sha256> {
    let mut block = Key::<Hmac<Sha256>>::default();
    // RFC 2104: a key longer than a block is hashed first.
    let hashed = Sha256::digest(key);
    let key = if key.len() > block.len() { hashed.as_slice() } else { key };
    block[..key.len()].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new(&block);
    mac.update(message.as_bytes());
    mac
}

fn finished(mac: Hmac<Sha256>) -> Vec<u8> {
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Decodes lower-case hexadecimal; upper case is not valid in a signature.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "Derive a signing key" in the AWS General Reference, with the signature of its example request to IAM.
    #[test]
    fn signs_the_worked_example_of_the_specification() {
        let scope = Scope { date: "20150830", region: "us-east-1", service: "iam" };
        let string_to_sign = "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n\
             f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59";
        let signature = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        assert_eq!(sign(secret, &scope, string_to_sign), signature);
        assert!(is_signature(secret, &scope, string_to_sign, signature));
    }

    /// Test case 6 of RFC 4231, and a key of exactly one block, which is not hashed, by Python's `hmac`.
    #[test]
    fn hashes_keys_that_are_longer_than_a_block() {
        for (length, message, mac) in [
            (
                131,
                "Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
            (64, "of one block", "ad7309b64f0ed4ef31f92d48f9321a637e0c3237e72a4aa1c309bb06fab56435"),
        ] {
            assert_eq!(hex(&finished(keyed(&vec![0xaa; length], message))), mac, "{length}");
        }
    }

    #[test]
    fn takes_one_spelling_of_a_signature() {
        let scope = Scope { date: "20150830", region: "us-east-1", service: "iam" };
        let signature = sign("secret", &scope, "text");
        for wrong in [
            "",
            "0",
            &signature[..62],
            &signature[..63],
            &format!("{signature}00"),
            &signature.to_uppercase(),
            &signature.replace(['a', 'b', 'c', 'd', 'e', 'f'], "é"),
        ] {
            assert!(!is_signature("secret", &scope, "text", wrong), "{wrong}");
        }
        assert!(!is_signature("another secret", &scope, "text", &signature));
    }

    #[test]
    fn tells_secrets_apart() {
        assert!(is_same_secret("token", "token"));
        assert!(!is_same_secret("token", "toke"));
        assert!(!is_same_secret("token", ""));
    }
}
