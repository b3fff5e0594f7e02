//! The request that a command line sends, whichever program's it is.

use crate::transport::Draft;

/// The request and the options of a curl command.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curl {
    /// The request.
    pub draft: Draft,
    /// `-k`: certificates are not to be verified.
    pub insecure: bool,
    /// `-L`: redirects are to be followed.
    pub location: bool,
    /// `-x`: the proxy.
    pub proxy: Option<String>,
    /// Options that are not taken over, by their names.
    pub ignored: Vec<String>,
}

/// Reason that a curl command line cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum CurlError {
    /// It is another command.
    #[error("not a command of curl or HTTPie: it does not begin with `curl` or `http`")]
    NotCurl,
    /// An item of HTTPie's is none that is understood.
    #[error("{0:?}: an item is Name:value, name=text, name:=json or name==parameter")]
    Item(String),
    /// A quote is not closed.
    #[error("a quote in the curl command is not closed")]
    Quote,
    /// A variable in it is not set.
    #[error("${0} is not set")]
    Unset(String),
    /// An option has no value.
    #[error("{0}: its value is missing")]
    NoValue(String),
    /// A header has no colon.
    #[error("{0}: a header is `Name: value`")]
    Header(String),
    /// A file that it sends cannot be read.
    #[error("{file}: {why}")]
    File {
        /// The file.
        file: String,
        /// The system's word.
        why: std::io::Error,
    },
    /// It sends a form.
    #[error("--data-urlencode: no LLM stream takes a form; use --data-raw")]
    Form,
    /// It sends a multipart form.
    #[error("-F: multipart forms are not read; no LLM stream takes one")]
    Multipart,
    /// It sends its data in the address.
    #[error("-G: a stream is asked for with a body; write the parameters into the address")]
    Get,
    /// It does not say where to send to.
    #[error("the curl command has no address")]
    NoAddress,
}

/// The value of the header for a user and a password, `USER:PASSWORD`.
pub(super) fn basic(login: &str) -> Result<String, CurlError> {
    use base64::Engine as _;
    // A variable cannot be filled in once the login is encoded.
    if let Some((_, name)) = login.split_once("${") {
        return Err(CurlError::Unset(name.split('}').next().unwrap_or_default().to_owned()));
    }
    Ok(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(login)))
}
