//! Decryption of what clients say to providers whose address cannot be set: a certificate authority of this
//! run, and the hosts that it certifies.
//!
//! The authority's key is in memory alone. Only hosts that were named are decrypted. A client that speaks
//! HTTP/1.1 and HTTP/2 gets HTTP/1.1, of which more can be recorded.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::route::Upstream;

/// Validity of certificates before and after the start: clocks differ, and a run may be long.
const VALID: Duration = Duration::from_secs(30 * 24 * 3600);

/// Reason that nothing can be decrypted.
#[derive(Debug, thiserror::Error)]
pub enum InterceptError {
    /// No certificate can be made.
    #[error("no certificate for {name}: {why}")]
    Certificate {
        /// The name that it is for.
        name: String,
        /// The library's words.
        why: rcgen::Error,
    },
    /// TLS cannot be configured with it.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

/// The hosts that are decrypted, and the authority whose certificates clients see.
pub struct Intercept {
    hosts: Vec<Arc<Upstream>>,
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    from: SystemTime,
    made: Mutex<HashMap<String, Arc<ServerConfig>>>,
}

impl std::fmt::Debug for Intercept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Intercept({} hosts)", self.hosts.len())
    }
}

impl Intercept {
    /// Creates an authority, which certifies the hosts of these upstreams that are reached through TLS.
    ///
    /// # Errors
    /// There is no randomness for a key.
    pub fn new(upstreams: Vec<Upstream>, now: SystemTime) -> Result<Self, InterceptError> {
        let hosts = upstreams.into_iter().filter(|u| u.origin.tls).map(Arc::new).collect();
        let bad = |why| InterceptError::Certificate { name: "the authority".into(), why };
        let mut params = CertificateParams::new(Vec::<String>::new()).map_err(bad)?;
        params.distinguished_name.push(DnType::CommonName, "sselens tap (this run only)");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        (params.not_before, params.not_after) = ((now - VALID).into(), (now + VALID).into());
        let key = KeyPair::generate().map_err(bad)?;
        let pem = params.self_signed(&key).map_err(bad)?.pem();
        let issuer = Issuer::new(params, key);
        Ok(Self { hosts, issuer, pem, from: now, made: Mutex::default() })
    }

    /// The authority's certificate as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The names of the hosts, each once.
    pub fn hosts(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.hosts.iter().map(|u| u.origin.host.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The upstream at a place, `host:port`, if it is one that is decrypted.
    pub(super) fn upstream(&self, place: &str) -> Option<&Arc<Upstream>> {
        let (host, port) = place.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port: u16 = port.parse().ok()?;
        self.hosts
            .iter()
            .find(|u| u.origin.port == port && u.origin.host.eq_ignore_ascii_case(host))
    }

    /// TLS for a client that means to talk to `host`.
    fn config(&self, host: &str) -> Result<Arc<ServerConfig>, InterceptError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = made.get(host) {
            return Ok(Arc::clone(config));
        }
        let bad = |why| InterceptError::Certificate { name: host.to_owned(), why };
        let mut params = CertificateParams::new(vec![host.to_owned()]).map_err(bad)?;
        params.distinguished_name.push(DnType::CommonName, host);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) =
            ((self.from - VALID).into(), (self.from + VALID).into());
        let key = KeyPair::generate().map_err(bad)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(bad)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )?;
        config.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
        let config = Arc::new(config);
        made.insert(host.to_owned(), Arc::clone(&config));
        Ok(config)
    }

    /// Answers a client's TLS in the name of `host`.
    ///
    /// # Errors
    /// The client does not trust the authority, or does not speak TLS as we do.
    pub(super) async fn accept(
        &self,
        host: &str,
        client: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let config = self.config(host).map_err(io::Error::other)?;
        TlsAcceptor::from(config).accept(client).await
    }
}

/// Returns whether a client begins with TLS; no byte of it is consumed.
pub(super) async fn speaks_tls(client: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    Ok(client.peek(&mut first).await? > 0 && first == [0x16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_named_hosts_with_tls_are_decrypted() {
        let at = |address: &str| Upstream::at("x", address).unwrap();
        let upstreams =
            vec![at("https://api.openai.com/v1"), at("http://plain:80"), at("https://[::1]:8443")];
        let intercept = Intercept::new(upstreams, SystemTime::UNIX_EPOCH + 2 * VALID).unwrap();
        assert_eq!(intercept.hosts(), ["::1", "api.openai.com"]);
        for (place, known) in [
            ("API.openai.com:443", true),
            ("[::1]:8443", true),
            ("api.openai.com:8443", false),
            ("plain:80", false),
            ("example.com:443", false),
            ("api.openai.com", false),
        ] {
            assert_eq!(intercept.upstream(place).is_some(), known, "{place}");
        }
        assert!(intercept.pem().starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(!intercept.pem().contains("PRIVATE") && intercept.config("::1").is_ok());
    }
}
