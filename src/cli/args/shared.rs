//! The options that several commands share.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::inspect::Severity;

/// The request to send, and how to send it.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Request")]
pub(in crate::cli) struct RequestArgs {
    /// A configured or built-in provider (see `sselens providers`)
    #[arg(short, long, value_name = "NAME")]
    pub(in crate::cli) provider: Option<String>,
    /// The exact endpoint, instead of the provider's base URL and path (or the curl command's)
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) url: Option<String>,
    /// The dialect of the endpoint; `auto` detects it from the bytes
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) dialect: Option<String>,
    /// The model
    #[arg(short, long, value_name = "NAME")]
    pub(in crate::cli) model: Option<String>,
    /// The request body, sent byte for byte; `-` reads standard input
    #[arg(short, long, value_name = "FILE", conflicts_with = "curl")]
    pub(in crate::cli) body: Option<PathBuf>,
    /// Use the URL, method, headers and body of a command line of curl or HTTPie, or of a file with one
    /// (`@FILE`)
    #[arg(long, value_name = "COMMAND")]
    pub(in crate::cli) curl: Option<String>,
    /// A request in a file (TOML or JSON): provider or address, headers, body, variables
    #[arg(long, value_name = "FILE", conflicts_with_all = ["body", "curl"])]
    pub(in crate::cli) request: Option<PathBuf>,
    /// Environment of the request's file that provides the values of its variables
    #[arg(long, value_name = "NAME", requires = "request")]
    pub(in crate::cli) environment: Option<String>,
    /// A system prompt
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["body", "curl", "request"])]
    pub(in crate::cli) system: Option<String>,
    /// Add a header, `Name: value`; replaces one of the same name
    #[arg(short = 'H', long = "header", value_name = "K: V")]
    pub(in crate::cli) headers: Vec<String>,
    /// The HTTP method (default POST)
    #[arg(long, value_name = "M")]
    pub(in crate::cli) method: Option<String>,
    /// Seconds allowed for connecting; 0 for no limit
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub(in crate::cli) connect_timeout: Option<f64>,
    /// Seconds allowed without a byte; 0 for no limit
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub(in crate::cli) idle_timeout: Option<f64>,
    /// Seconds allowed for the whole exchange; 0 for no limit
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub(in crate::cli) total_timeout: Option<f64>,
    /// Stop after this many bytes of body (268435456, which is 256 MiB); 0 lifts the bound
    #[arg(long, value_name = "BYTES")]
    pub(in crate::cli) max_body: Option<u64>,
    /// Do not verify TLS certificates: anyone in between can read and change everything
    #[arg(long)]
    pub(in crate::cli) insecure: bool,
    /// Trust the certificates in this PEM file too
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) ca_cert: Option<PathBuf>,
    /// Use this proxy; by default HTTPS_PROXY and the like apply, except for this machine
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) proxy: Option<String>,
    /// Speak HTTP/1.1 only
    #[arg(long, conflicts_with = "http2")]
    pub(in crate::cli) http1: bool,
    /// Speak HTTP/2 only, without TLS too
    #[arg(long)]
    pub(in crate::cli) http2: bool,
    /// Follow redirects; credentials go to the same origin only
    #[arg(long)]
    pub(in crate::cli) location: bool,
}

/// A value that an option does not take; the text says which it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ValueError {
    #[error("a number of seconds, 0 or more")]
    Seconds,
    #[error("a size in bytes: 1500, 8k, 2M (256M at most)")]
    Size,
}

pub(super) fn seconds(text: &str) -> Result<f64, ValueError> {
    let seconds = text.parse::<f64>().ok().filter(|s| s.is_finite() && *s >= 0.0);
    seconds.ok_or(ValueError::Seconds)
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Lab")]
pub(in crate::cli) struct LabFlags {
    /// The lab's pace: 2 is half as fast, 0 sends everything at once
    #[arg(long, value_name = "FACTOR", value_parser = seconds)]
    pub(in crate::cli) pace: Option<f64>,
    /// The lab's random seed: the same number produces the same bytes
    #[arg(long, value_name = "N")]
    pub(in crate::cli) seed: Option<u64>,
}

impl LabFlags {
    pub(in crate::cli) fn options(&self) -> crate::lab::LabOptions {
        let default = crate::lab::LabOptions::default();
        crate::lab::LabOptions { pace: self.pace.unwrap_or(default.pace), seed: self.seed }
    }
}

/// Repetition of a request, for intermittent faults.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Repetition")]
pub(in crate::cli) struct RepeatArgs {
    /// Send it N times, and count the outcomes
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(in crate::cli) repeat: u64,
    /// Number of runs at the same time
    #[arg(long, value_name = "K", default_value_t = 1,
        value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(in crate::cli) parallel: u64,
    /// Lengthen the last user message until the body has each of these sizes in bytes: 1k,8k,56k
    /// (k is 1024, M 1024 times that)
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = size)]
    pub(in crate::cli) sizes: Vec<u64>,
    /// Find the size above which it fails, by bisection, with --repeat tries at each step
    #[arg(long, requires = "sizes")]
    pub(in crate::cli) bisect: bool,
}

impl RepeatArgs {
    /// Returns whether there are many exchanges to count.
    pub(in crate::cli) fn is_many(&self) -> bool {
        self.repeat > 1 || !self.sizes.is_empty()
    }
}

/// A size in bytes: `1500`, `8k`, `2M`. Servers' limits are powers of two.
fn size(text: &str) -> Result<u64, ValueError> {
    const MOST: u64 = 256 << 20;
    let text = text.trim();
    let (digits, unit) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1 << 10),
        None => text.strip_suffix(['m', 'M']).map_or((text, 1), |digits| (digits, 1 << 20)),
    };
    let size = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(unit));
    size.filter(|n| (1..=MOST).contains(n)).ok_or(ValueError::Size)
}

/// The output of a command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub(in crate::cli) struct OutputArgs {
    /// text: a report; ndjson: a line for each thing that happens; json: one summary; raw: the body
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(in crate::cli) output: Format,
    /// Write raw bytes even to a terminal
    #[arg(long)]
    pub(in crate::cli) force: bool,
    /// The severity from which the exit status is 1
    #[arg(long, value_name = "SEVERITY", default_value = "error")]
    pub(in crate::cli) fail_on: FailOn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Format {
    Text,
    Ndjson,
    Json,
    Raw,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum FailOn {
    Info,
    Warn,
    Error,
    Fatal,
}

impl FailOn {
    pub(in crate::cli) fn severity(self) -> Severity {
        match self {
            FailOn::Info => Severity::Info,
            FailOn::Warn => Severity::Warn,
            FailOn::Error => Severity::Error,
            FailOn::Fatal => Severity::Fatal,
        }
    }
}

/// Known facts about a bare body.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Bare bodies")]
pub(in crate::cli) struct BareArgs {
    /// Its dialect; `auto` detects it from the bytes
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) dialect: Option<String>,
    /// The response status
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(100..1000))]
    pub(in crate::cli) status: Option<u16>,
    /// The response's content type
    #[arg(long, value_name = "T")]
    pub(in crate::cli) content_type: Option<String>,
}
