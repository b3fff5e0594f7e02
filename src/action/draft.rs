//! What the user wants to send.

/// What is to be sent, as the editor or the command line has it: text that is not yet
/// interpreted yet. `source::request::resolve` turns it into a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Draft {
    /// Name of the provider.
    pub provider: String,
    /// The model; empty for the provider's default.
    pub model: String,
    /// The exact address, instead of the provider's base URL and path.
    pub url: Option<String>,
    /// The dialect, instead of the provider's.
    pub dialect: Option<String>,
    /// The method; `POST` where it is empty.
    pub method: String,
    /// Headers beside the provider's; one of the same name replaces it.
    pub headers: Vec<(String, String)>,
    /// The body, sent byte for byte.
    pub body: Vec<u8>,
}

/// Two requests that go out at the same instant, A and B of a comparison.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pair {
    /// A and B.
    pub drafts: [Draft; 2],
    /// They are two requests, and not one in two places: their answers need not be alike.
    pub apart: bool,
}
