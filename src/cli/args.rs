//! The command line's grammar: the program, its subcommands and what each of them takes.

mod global;
mod shared;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(super) use global::{Color, Global, is_dumb};
use shared::seconds;
pub(super) use shared::{BareArgs, FailOn, Format, LabFlags, OutputArgs, RepeatArgs, RequestArgs};

/// See every byte of an LLM stream, and who broke it.
#[derive(Debug, Parser)]
#[command(
    name = "sselens",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_long_help = EXAMPLES
)]
pub(super) struct Program {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(flatten)]
    pub(super) ui: UiArgs,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

/// The program without its subcommands, for when it is given nothing: this grammar is made in a tenth of the time.
#[derive(Debug, Parser)]
#[command(name = "sselens")]
pub(super) struct ScreenProgram {
    #[command(flatten)]
    global: Global,
    #[command(flatten)]
    ui: UiArgs,
}

impl From<ScreenProgram> for Program {
    fn from(ScreenProgram { global, ui }: ScreenProgram) -> Self {
        Self { global, ui, command: None }
    }
}

const EXAMPLES: &str = "\
Examples:
  sselens                                    the screen, with the embedded lab selected: F5 sends
  sselens -p openai -m gpt-4.1-mini          the screen, with a provider of yours
  curl -iN … | sselens -                     watch a stream that another program asked for
  sselens send -p openai 'Say hello'         one request, a report on standard output
  sselens send -p lab -m lab/empty-stream    see what a fault looks like
  sselens send --curl @cmd.sh --save s.jsonl replay a failing call to the byte, and keep it
  sselens show body.sse -o ndjson            every frame, delta and finding of a recording
  sselens explain empty-stream               what a finding means, and who breaks on it

Exit status: 0 nothing found, 1 a finding at or above --fail-on, 2 usage or input, 130 interrupted.";

/// The screen.
#[derive(Debug, Clone, Args)]
pub(super) struct UiArgs {
    /// A saved session, a raw body (.sse, .ndjson, .json), a `curl -i` capture or a HAR; `-` reads it live
    /// from standard input
    #[arg(value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    /// Write the session to this file while it happens
    #[arg(long, value_name = "FILE")]
    pub(super) save: Option<PathBuf>,
    #[command(flatten)]
    pub(super) request: RequestArgs,
    #[command(flatten)]
    pub(super) lab: LabFlags,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Send one request, without the screen
    Send(SendArgs),
    /// Send one request to two providers at once, or open two recordings, and show what differs
    Compare(CompareArgs),
    /// Analyze a recording, without the screen
    Show(ShowArgs),
    /// Convert a recording
    Export(ExportArgs),
    /// Record what another program sends and receives, without changing it
    Tap(TapArgs),
    /// Serve a recording to real clients, byte for byte, with faults on demand
    Replay(ReplayArgs),
    /// List saved and autosaved sessions: when, host, model, outcome, verdict, size
    Sessions(SessionsArgs),
    /// Recover a damaged session; merge several, or split one by exchange
    Repair(RepairArgs),
    /// Run the embedded provider for your own clients
    Lab(LabArgs),
    /// Explain a finding: what it is, who breaks on it, and how to fix it
    Explain(ExplainArgs),
    /// List the providers, and which of their keys are set
    Providers(ProvidersArgs),
    /// Find, check or create the configuration
    Config(ConfigArgs),
    /// Print a completion script for a shell
    Completions {
        /// Name of the shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page (troff)
    Man,
}

#[derive(Debug, Args)]
#[command(after_help = "\
With -b or --curl the body goes out byte for byte; -m, PROMPT and --sizes change only their own spans.

  sselens send -p lab -m lab/large-request-fails --repeat 20 --parallel 4 --sizes 8k,100k --bisect")]
pub(super) struct SendArgs {
    /// The user's message; `-` reads standard input
    #[arg(value_name = "PROMPT")]
    pub(super) prompt: Option<String>,
    #[command(flatten)]
    pub(super) request: RequestArgs,
    #[command(flatten)]
    pub(super) lab: LabFlags,
    #[command(flatten)]
    pub(super) repeat: RepeatArgs,
    /// Write the session to FILE while it happens
    #[arg(long, value_name = "FILE")]
    pub(super) save: Option<PathBuf>,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A and B are tried in this order: an address (with ://), a provider's name, NAME:MODEL, a recording
(FILE, or FILE#N for one of its exchanges). A is the direct call, B the one through the gateway.

  sselens compare openai litellm 'Say hello'
  sselens compare lab:lab/reasoning-delta http://localhost:4000/v1/chat/completions -m m
  sselens compare direct.jsonl gateway.jsonl")]
pub(super) struct CompareArgs {
    /// The direct call
    #[arg(value_name = "A")]
    pub(super) a: String,
    /// The call through the gateway
    #[arg(value_name = "B")]
    pub(super) b: String,
    /// The user's message; `-` reads standard input
    #[arg(value_name = "PROMPT")]
    pub(super) prompt: Option<String>,
    /// Both should be the same stream: report every difference
    #[arg(long, conflicts_with = "different")]
    pub(super) same: bool,
    /// Independent streams: differing text is normal
    #[arg(long)]
    pub(super) different: bool,
    /// Convict what B stumbles over: A's answer is served at ADDR, which must be the gateway's
    /// upstream, unchanged and then without one oddity at a time (byte order mark, CR LF, comments,
    /// `data:` without a space, `retry:` blocks)
    #[arg(long, value_name = "ADDR", conflicts_with_all = ["different", "repeat", "sizes"])]
    pub(super) prove: Option<std::net::SocketAddr>,
    #[command(flatten)]
    pub(super) request: RequestArgs,
    #[command(flatten)]
    pub(super) lab: LabFlags,
    #[command(flatten)]
    pub(super) repeat: RepeatArgs,
    /// Write the session to FILE while it happens
    #[arg(long, value_name = "FILE")]
    pub(super) save: Option<PathBuf>,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// A saved session, a raw body, a `curl -i` capture, a HAR, or a folder of sessions; `-` reads standard input
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Show what this client would have returned; `all` for a table of all clients
    #[arg(long, value_name = "CLIENT")]
    pub(super) lens: Option<String>,
    /// Show only frames that match: terms such as `kind:event gap>500ms !text~foo path:usage finding`
    #[arg(long, value_name = "TERMS", conflicts_with = "lens")]
    pub(super) filter: Option<String>,
    /// Show what this JSONPath query (RFC 9535) selects in each frame, `$.choices[*].delta`
    #[arg(long, value_name = "PATH", conflicts_with_all = ["lens", "filter"])]
    pub(super) query: Option<String>,
    #[command(flatten)]
    pub(super) bare: BareArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// A saved session, a raw body, a `curl -i` capture or a HAR; `-` reads standard input
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// markdown: a bug report; html: a page for a browser; har: an HTTP archive; otlp: OpenTelemetry spans as JSON; ndjson: a line for each thing that happened (these
    /// take all exchanges); raw: the body as received; sse: the event stream after its content coding;
    /// curl, python, node, fetch: a command or a program that sends the request again; scenario: a file that the lab plays
    #[arg(long, value_name = "FORMAT")]
    pub(super) to: ExportFormat,
    /// Number of the exchange; needed if there are several
    #[arg(long, value_name = "N")]
    pub(super) exchange: Option<u32>,
    /// Write raw bytes even to a terminal
    #[arg(long)]
    pub(super) force: bool,
    #[command(flatten)]
    pub(super) bare: BareArgs,
}

#[derive(Debug, Args)]
pub(super) struct SessionsArgs {
    /// List these files, or the sessions in these folders, instead of the autosaved sessions
    #[arg(value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Write JSON lines, one for each exchange
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RepairArgs {
    /// The damaged session; several are merged into one
    #[arg(value_name = "FILE", required = true)]
    pub(super) files: Vec<PathBuf>,
    /// Write to this file (default: FILE.repaired)
    #[arg(long, value_name = "FILE")]
    pub(super) into: Option<PathBuf>,
    /// Write each exchange to a separate file, FILE.repaired.N
    #[arg(long)]
    pub(super) split: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ExportFormat {
    Raw,
    Curl,
    Har,
    Markdown,
    Html,
    Otlp,
    Sse,
    Ndjson,
    Python,
    Node,
    Fetch,
    Scenario,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Every byte is forwarded unchanged and at once, except the Host header and the prefix of the path. \
HTTP/2 is forwarded as HTTP/2, HTTP/1.1 as HTTP/1.1. \
Point a client at the address that is printed, or let the tap start it:

  sselens tap --to http://localhost:4000     everything goes to this gateway
  sselens tap --to a=https://a.example/v1 --to b=anthropic
                                             /a and /b are prefixes, / is the first
  sselens tap                                the path chooses OpenAI, Anthropic, Gemini, Ollama, …
  sselens tap --around http://localhost:4000 --to openai
                                             what a gateway makes of each call
  sselens tap -- python app.py               start a program whose requests all pass
  sselens tap --save s.jsonl -o ndjson       one line for each thing that happens, and a session file")]
pub(super) struct TapArgs {
    /// Address to listen on (127.0.0.1:9200; a free port with a COMMAND)
    #[arg(long, value_name = "ADDR")]
    pub(super) listen: Option<SocketAddr>,
    /// Destination of requests: an address or a provider's name, with a prefix if it is named. Without it the
    /// path's ending chooses a built-in provider
    #[arg(long, value_name = "[NAME=]URL|PROVIDER")]
    pub(super) to: Vec<String>,
    /// Both sides of a gateway: clients are to use the first address that is printed, the gateway the
    /// second one for its providers. Its calls are paired and compared with those of its clients. A
    /// COMMAND is the gateway then
    #[arg(long, value_name = "GATEWAY_URL")]
    pub(super) around: Option<String>,
    /// Be a proxy for clients whose address cannot be set, and decrypt what they send to the hosts of
    /// configured providers (and of --to), with certificates that a COMMAND is made to trust. Everything
    /// else is forwarded unread
    #[arg(long, conflicts_with = "around")]
    pub(super) intercept: bool,
    /// Listen for other machines too: they can read and send everything that passes
    #[arg(long)]
    pub(super) allow_remote: bool,
    /// Do not verify the upstreams' TLS certificates
    #[arg(long)]
    pub(super) insecure: bool,
    /// Trust the certificates in this PEM file too
    #[arg(long, value_name = "FILE")]
    pub(super) ca_cert: Option<PathBuf>,
    /// Send each call to an OpenTelemetry collector or backend as a span (OTLP over HTTP, protobuf); the
    /// headers of OTEL_EXPORTER_OTLP_HEADERS go with it
    #[arg(long, value_name = "URL")]
    pub(super) otlp: Option<String>,
    /// Write the session to FILE while it happens
    #[arg(long, value_name = "FILE")]
    pub(super) save: Option<PathBuf>,
    /// text: a report for each call; ndjson: a line for each thing that happens. Without it one line
    /// for each call on standard error
    #[arg(short, long, value_name = "FORMAT")]
    pub(super) output: Option<TapFormat>,
    /// The severity from which the exit status is 1
    #[arg(long, value_name = "SEVERITY")]
    pub(super) fail_on: Option<FailOn>,
    /// With a COMMAND: the screen in this terminal, and the command's output in a file, which is named
    #[arg(long, requires = "command", conflicts_with_all = ["output", "otlp", "fail_on"])]
    pub(super) ui: bool,
    #[command(flatten)]
    pub(super) lab: LabFlags,
    /// Start this program, with the variables that SDKs and agents read pointing at the tap; its exit
    /// status is passed on
    #[arg(last = true, value_name = "COMMAND", help_heading = "Arguments")]
    pub(super) command: Vec<std::ffi::OsString>,
}

/// Format in which a tap writes what it records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum TapFormat {
    Text,
    Ndjson,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Faults (--fault, repeatable, in their order; a place is frame:N or byte:N of the recording, and what \
happens there happens before it):

  cut@frame:12   reset@byte:5000   stall@frame:3:10s   drop@frame:7   duplicate@frame:7   swap@frame:7
  split@byte:123   buffer:16k   chunk:1   delay:2s   status:502   no-done
  rename:delta.reasoning=delta.reasoning_content   insert@frame:3:': ping'")]
pub(super) struct ReplayArgs {
    /// A saved session, a raw body, a `curl -i` capture or a HAR; `-` reads standard input
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Address to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9300")]
    pub(super) listen: SocketAddr,
    /// Serve this exchange only; repeatable
    #[arg(long, value_name = "N")]
    pub(super) exchange: Vec<u32>,
    /// Pace: 2 is half as fast as recorded, 0 sends everything at once
    #[arg(long, value_name = "FACTOR", value_parser = seconds, default_value = "1")]
    pub(super) pace: f64,
    /// By what a request chooses its exchange: path (and model), body, order (each once), any
    #[arg(long, value_name = "WAY", default_value = "path")]
    pub(super) r#match: Match,
    /// Put a fault on what is served
    #[arg(long, value_name = "SPEC")]
    pub(super) fault: Vec<crate::replay::Fault>,
    /// Listen for other machines too
    #[arg(long)]
    pub(super) allow_remote: bool,
    #[command(flatten)]
    pub(super) bare: BareArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Match {
    Path,
    Body,
    Order,
    Any,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Point any client at the address it prints, with a model name such as lab/reasoning-delta."
)]
pub(super) struct LabArgs {
    /// Address to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9100")]
    pub(super) listen: SocketAddr,
    /// List the scenarios, and which finding each one shows
    #[arg(long)]
    pub(super) list: bool,
    /// Write JSON lines instead of a table
    #[arg(long, requires = "list")]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) options: LabFlags,
}

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The finding's code; without it, the list of all
    #[arg(value_name = "CODE")]
    pub(super) code: Option<String>,
    /// The reference of all findings, as one Markdown page
    #[arg(long, conflicts_with = "code")]
    pub(super) markdown: bool,
    /// Show what the HTTP libraries of the clients accept: header count and size, trailers, oddities
    #[arg(long, conflicts_with_all = ["code", "markdown"])]
    pub(super) http_limits: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The key is `set`, `unset`, `optional` (a server on this machine), `none`, or `signs`: AWS access \
keys are set, and sign. `sselens providers --litellm config.yaml >> …` appends to your \
configuration; the line `litellm_config = \"config.yaml\"` in it imports them at each start.")]
pub(super) struct ProvidersArgs {
    /// Show everything about this provider
    #[arg(value_name = "NAME")]
    pub(super) name: Option<String>,
    /// Write JSON lines instead of a table
    #[arg(long)]
    pub(super) json: bool,
    /// Ask the provider for its models, and print one a line
    #[arg(long, requires = "name")]
    pub(super) models: bool,
    /// Print the models of a LiteLLM `config.yaml` as providers for your configuration
    #[arg(long, value_name = "FILE", conflicts_with_all = ["name", "json", "models"])]
    pub(super) litellm: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    pub(super) command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print where the configuration file is looked for
    Path,
    /// Check it, and report mistakes with file and line
    Check,
    /// Print its JSON Schema, for editors
    Schema,
    /// Create a commented one, unless there is one already
    Init,
}
