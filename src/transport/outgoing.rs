//! A request that is ready to be sent, and how it is transported.

use std::path::PathBuf;

use bytes::Bytes;

use crate::config::{AwsKeys, Limits};
use crate::journal::{Request, Secrets, redacted};

/// Settings for the transport of requests.
#[derive(Clone, Default)]
pub struct Transport {
    /// Do not verify certificates.
    pub insecure: bool,
    /// Further trusted roots, PEM.
    pub ca_cert: Option<PathBuf>,
    /// A proxy's address.
    pub proxy: Option<String>,
    /// Only this HTTP version.
    pub version: Option<HttpVersion>,
    /// Follow redirects.
    pub location: bool,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let proxy = self.proxy.as_deref().map(redacted);
        write!(f, "Transport(proxy {proxy:?}, version {:?})", self.version)
    }
}

/// A forced HTTP version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, without TLS too.
    Http2,
}

/// A request that is ready to be sent. Holds credentials; `Debug` shows none.
#[derive(Clone)]
pub struct Outgoing {
    /// Method.
    pub method: http::Method,
    /// Address.
    pub url: url::Url,
    /// All headers, credentials in clear.
    pub headers: http::HeaderMap,
    /// The body, secrets in clear.
    pub body: Bytes,
    /// Secrets that are masked wherever they show up.
    pub secrets: Secrets,
    /// The request as the journal has it.
    pub request: Request,
    /// Settings for its transport.
    pub transport: Transport,
    /// Its bounds.
    pub limits: Limits,
    /// Keys that sign it when it is sent.
    pub sign: Option<AwsKeys>,
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Outgoing({} {})", self.request.method, self.request.url)
    }
}
