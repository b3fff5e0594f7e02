//! The expected signatures were made by botocore 1.44.5 (`SigV4Auth`, and `converse_stream` of its
//! client for the whole request) with the same time, keys, region, address and body.

use std::time::Duration;

use super::super::request::{Transport, resolve};
use super::*;
use crate::config::{Config, Environment, Sources};
use crate::transport::Draft;

const KEYS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE1234567890"),
    ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
    ("AWS_REGION", "eu-west-1"),
];

fn signed(more: &[(&str, &str)]) -> Outgoing {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = Some(file.path().to_owned());
    let environment = Environment::of(&[&KEYS, more].concat());
    let sources = Sources { config: path.clone(), env_file: path, environment };
    let config = Config::load(sources).unwrap();
    let draft = Draft {
        provider: "bedrock".into(),
        model: "us.anthropic.claude-haiku-4-5-20251001-v1:0".into(),
        body: b"{\"messages\":[]}".to_vec(),
        ..Draft::default()
    };
    let mut out = resolve(&draft, &config, &Transport::default(), None).unwrap();
    out.signed_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_323_045));
    out
}

#[test]
fn the_signature_is_that_of_awss_own_client() {
    let out = signed(&[]);
    assert_eq!(
        out.url.as_str(),
        "https://bedrock-runtime.eu-west-1.amazonaws.com/model/\
         us.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse-stream"
    );
    assert_eq!(out.headers["x-amz-date"], "20260102T030405Z");
    assert_eq!(
        out.headers["authorization"],
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE1234567890/20260102/eu-west-1/bedrock/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date, \
         Signature=609c5278fe73b4702cad19d41fd6a7f9eb2e49b6dfe640dba7ffa562a74005b1"
    );
    assert!(out.request.warnings.is_empty(), "{:?}", out.request.warnings);
    let out = signed(&[("AWS_SESSION_TOKEN", "FwoGZXIvYXdzEXAMPLETOKEN")]);
    assert_eq!(out.headers["x-amz-security-token"], "FwoGZXIvYXdzEXAMPLETOKEN");
    let sent = out.headers["authorization"].to_str().unwrap();
    assert!(
        sent.ends_with(
            "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, \
             Signature=217989d2fa40ca8ec3d469588a725db78aded52c3bcc3e378728692949246bb2"
        ),
        "{sent}"
    );
}

#[test]
fn what_signs_is_never_shown_and_the_scope_is() {
    let out = signed(&[("AWS_SESSION_TOKEN", "FwoGZXIvYXdzEXAMPLETOKEN")]);
    let shown = format!("{:?} {out:?} {:?}", out.request, out.sign);
    for secret in ["AKIDEXAMPLE", "wJalrXUt", "FwoGZXIv", "217989d2"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
        assert!(out.secrets.mask("AKIDEXAMPLE1234567890 217989d2fa").starts_with("*****"));
    }
    let header = |name: &str| {
        out.request.headers.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str()).unwrap()
    };
    let stars = |n| "*".repeat(n);
    assert_eq!(
        header("authorization"),
        format!(
            "AWS4-HMAC-SHA256 Credential={}/20260102/eu-west-1/bedrock/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature={}",
            stars(21),
            stars(64)
        )
    );
    assert_eq!(header("x-amz-security-token"), stars(24));
    assert_eq!(header("x-amz-date"), "20260102T030405Z");
}

#[test]
fn a_bearer_key_or_an_own_header_wins_over_signing() {
    let out = signed(&[("AWS_BEARER_TOKEN_BEDROCK", "bedrock-api-key-123")]);
    assert!(out.sign.is_none());
    assert_eq!(out.headers["authorization"], "Bearer bedrock-api-key-123");
    // Signed again, there is one signature, the new one.
    let mut out = signed(&[]);
    let before = out.headers["authorization"].clone();
    out.signed_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_323_345));
    assert_ne!(out.headers["authorization"], before);
    assert_eq!(out.request.headers.iter().filter(|(k, _)| k == "authorization").count(), 1);
    assert_eq!(out.headers["x-amz-date"], "20260102T030905Z");
}
