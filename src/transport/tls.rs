//! TLS: certificates are verified by the platform's own rules, unless the user says otherwise.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::outgoing::{HttpVersion, Transport};

/// Reason that TLS cannot be configured.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The crypto provider has no usable version.
    #[error(transparent)]
    Version(#[from] Error),
    /// The certificates of `--ca-cert` cannot be read.
    #[error("--ca-cert {}: {why}", file.display())]
    Certificates {
        /// The file.
        file: PathBuf,
        /// The parser's words.
        why: pem::Error,
    },
    /// The file of `--ca-cert` holds none.
    #[error("--ca-cert {}: no certificate in it", .0.display())]
    NoCertificate(PathBuf),
}

/// The TLS configuration for one exchange.
///
/// # Errors
/// `--ca-cert` cannot be read, or the crypto provider has no usable version.
pub(crate) fn config(transport: &Transport) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let verifier: Arc<dyn ServerCertVerifier> = if transport.insecure {
        Arc::new(FixedVerdict { provider, refusal: None })
    } else {
        let roots = transport.ca_cert.as_deref().map_or(Ok(Vec::new()), read_roots)?;
        match rustls_platform_verifier::Verifier::new_with_extra_roots(roots, Arc::clone(&provider))
        {
            Ok(verifier) => Arc::new(verifier),
            // A machine without a certificate store can still speak http://; https:// gets a hint.
            Err(why) => Arc::new(FixedVerdict { provider, refusal: Some(why.to_string()) }),
        }
    };
    let mut config =
        builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    // reqwest does not set the protocols of a configuration that it is given.
    config.alpn_protocols = match transport.version {
        Some(HttpVersion::Http1) => vec![b"http/1.1".to_vec()],
        Some(HttpVersion::Http2) => vec![b"h2".to_vec()],
        None => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
    };
    Ok(config)
}

fn read_roots(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bad = |why| TlsError::Certificates { file: file.to_owned(), why };
    let certificates = CertificateDer::pem_file_iter(file).map_err(bad)?;
    let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(bad)?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate(file.to_owned()));
    }
    Ok(certificates)
}

/// A verdict that is fixed before any certificate is seen. Signatures are still checked.
#[derive(Debug)]
struct FixedVerdict {
    provider: Arc<CryptoProvider>,
    /// Reason that no certificate is accepted: there is no trust store. `None` accepts any (`--insecure`).
    refusal: Option<String>,
}

impl ServerCertVerifier for FixedVerdict {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.refusal {
            None => Ok(ServerCertVerified::assertion()),
            Some(why) => {
                Err(Error::General(format!("{why}; install ca-certificates or give --ca-cert")))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
