//! The expected signatures were made by botocore 1.44.5 (`SigV4Auth`, and `converse_stream` of its
//! client for the whole request) with the same time, keys, region, address and body.

use std::time::Duration;

use super::super::request::{Transport, resolve};
use super::*;
use crate::config::{Config, ConfigSources, Environment};
use crate::transport::Draft;

const KEYS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE1234567890"),
    ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
    ("AWS_REGION", "eu-west-1"),
];

fn signed(more: &[(&str, &str)]) -> Outgoing {
    signed_draft(more, Draft::default())
}

fn signed_draft(more: &[(&str, &str)], draft: Draft) -> Outgoing {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = Some(file.path().to_owned());
    let environment = Environment::of(&[&KEYS, more].concat());
    let sources = ConfigSources { config: path.clone(), env_file: path, environment };
    let config = Config::load(sources).unwrap();
    let draft = Draft {
        provider: "bedrock".into(),
        model: "us.anthropic.claude-haiku-4-5-20251001-v1:0".into(),
        body: if draft.body.is_empty() { b"{\"messages\":[]}".to_vec() } else { draft.body },
        ..draft
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

/// Signed by botocore 1.43.11: empty segments, a port, blanks in a value, text that is not ASCII,
/// the order and encoding of parameters.
#[test]
fn odd_addresses_headers_and_bodies_are_signed_as_botocore_does() {
    let with = |url: &str, body: &str, headers: &[(&str, &str)]| {
        let headers = headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let draft = Draft {
            url: Some(url.to_owned()),
            body: body.as_bytes().to_vec(),
            headers,
            ..Draft::default()
        };
        let out = signed_draft(&[], draft);
        let sent = out.headers["authorization"].to_str().unwrap();
        sent.split_once("SignedHeaders=").unwrap().1.to_owned()
    };
    assert_eq!(
        with(
            "https://example.amazonaws.com:8443//model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3A\
             inference-profile%2Fa.b~c/invoke/",
            "é{}",
            &[
                ("content-type", "application/json; charset=utf-8"),
                ("x-amzn-bedrock-trace", "  A   b ")
            ]
        ),
        "content-type;host;x-amz-date;x-amzn-bedrock-trace, \
         Signature=a33f6f439ca2db0b462613e9b13171988a9fd5d94f0fe6e797fec6210fbbc6d7"
    );
    assert_eq!(
        with("http://127.0.0.1:9/a%20b", "", &[]),
        "content-type;host;x-amz-date, \
         Signature=89b6470e13ce0112e7d2402b19c4a15fae55279ce876a5f39899c26a0a455921"
    );
    let url = url::Url::parse("https://h/?b=2&a=1&a=%2Fx%20y&A=~-_.").unwrap();
    assert_eq!(canonical_query(&url), "A=~-_.&a=%2Fx%20y&a=1&b=2");
}
