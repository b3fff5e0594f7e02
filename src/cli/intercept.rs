//! `tap --intercept`: the hosts that are decrypted, and the file of certificates that clients trust.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;

use crate::config::Config;
use crate::tap::launch::{CA_FILE, through_proxy};
use crate::tap::{Intercept, InterceptError, Upstream};
use crate::transport::Clock;

/// Reason that a tap cannot decrypt.
#[derive(Debug, thiserror::Error)]
pub(super) enum SetupError {
    #[error(transparent)]
    Authority(#[from] InterceptError),
    #[error("{}: {why}", file.display())]
    File { file: PathBuf, why: std::io::Error },
}

/// The decryption in a run. The file of certificates is removed when this is dropped.
pub(super) struct Decryption {
    pub(super) intercept: Arc<Intercept>,
    file: PathBuf,
}

impl Decryption {
    /// Sets up an authority for the hosts of these upstreams and of all configured providers.
    pub(super) fn new(
        named: &[Upstream],
        config: &Config,
        extra: Option<&Path>,
    ) -> Result<Self, SetupError> {
        let configured = config.providers.keys();
        let configured = configured.filter_map(|n| Upstream::of_provider(n, n, config, None).ok());
        // When several providers share a host, the one named first gets it.
        let mut upstreams = named.to_vec();
        upstreams.extend(configured);
        let clock = Clock::start();
        let intercept = Arc::new(Intercept::new(upstreams, clock.wall_clock())?);
        let name = format!("sselens-ca-{}.pem", std::process::id());
        let file = std::env::temp_dir().join(name);
        write(&file, &certificates(intercept.pem(), extra))
            .map_err(|why| SetupError::File { file: file.clone(), why })?;
        Ok(Self { intercept, file })
    }

    /// The variables of a program whose proxy is the tap at this address.
    pub(super) fn environment(&self, tap: &str) -> Vec<(String, String)> {
        let get = |name: &str| std::env::var(name).ok();
        through_proxy(tap, &self.file.to_string_lossy(), get, &self.intercept.hosts())
    }

    /// Returns what it is, in one line, and what a client needs if none is started with it.
    pub(super) fn about(&self, tap: &str, is_started: bool) -> String {
        let hosts = crate::text::count(self.intercept.hosts().len() as u64, "host");
        let what = format!("proxy on {tap}, decrypting {hosts}");
        match is_started {
            true => what,
            false => format!(
                "{what}: set HTTPS_PROXY={tap} SSL_CERT_FILE={} (Node: NODE_EXTRA_CA_CERTS)",
                self.file.display()
            ),
        }
    }
}

impl Drop for Decryption {
    fn drop(&mut self) {
        // The file holds only certificates, so a leftover is harmless.
        let _ = std::fs::remove_file(&self.file);
    }
}

/// Everything that a client trusts: a variable that names such a file often takes the place of the
/// system's roots, so these are in it too, and what the variables named before.
fn certificates(own: &str, extra: Option<&Path>) -> String {
    let mut all = own.to_owned();
    let named = CA_FILE.iter().filter_map(std::env::var_os).map(PathBuf::from);
    for file in named.chain(extra.map(Path::to_owned)) {
        // The client could not have used an unreadable file either.
        if let Ok(text) = std::fs::read_to_string(file) {
            all.push_str(text.trim_end());
            all.push('\n');
        }
    }
    for root in rustls_native_certs::load_native_certs().certs {
        let text = base64::engine::general_purpose::STANDARD.encode(&root);
        all.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in text.as_bytes().chunks(64) {
            all.push_str(&String::from_utf8_lossy(line));
            all.push('\n');
        }
        all.push_str("-----END CERTIFICATE-----\n");
    }
    all
}

/// Writes a file that no one else reads.
fn write(file: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let made = match options.open(file) {
        // Left over by a killed process that had the same process ID.
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            std::fs::remove_file(file)?;
            options.open(file)
        }
        made => made,
    };
    made?.write_all(text.as_bytes())
}
