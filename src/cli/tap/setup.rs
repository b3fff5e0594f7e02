//! The meaning of the arguments of `tap`: where it listens, where requests go, what is decrypted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use super::super::args::TapArgs as Args;
use super::super::exit::Failure;
use super::super::intercept::Decryption;
use crate::config::Config;
use crate::journal::Side;
use crate::lab;
use crate::tap::launch::{self, Launch};
use crate::tap::{Routes, Tap, TapError, TapOptions, Upstream};
use crate::transport::request::Transport;

/// Port of a tap that has no other address.
const PORT: u16 = 9200;

/// Everything that the taps of a run are started with.
pub(super) struct Setup {
    listen: SocketAddr,
    transport: Transport,
    routes: Routes,
    gateway: Option<Upstream>,
    decryption: Option<Decryption>,
    launch: Option<Launch>,
    /// It lives as long as the taps.
    _lab: Option<lab::RunningLab>,
}

/// Taps that were started.
pub(super) struct Taps {
    pub(super) taps: Vec<Tap>,
    /// The address that a program is started with.
    pub(super) url: String,
    /// Lines that say what listens where.
    pub(super) about: Vec<String>,
}

impl Setup {
    pub(super) fn new(args: &Args, config: &Config) -> Result<Self, Failure> {
        let port = if args.command.is_empty() { PORT } else { 0 };
        let listen = args.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], port)));
        loopback_only(listen, args)?;
        let transport = Transport {
            insecure: args.insecure,
            ca_cert: args.ca_cert.clone(),
            ..Transport::default()
        };
        let lab = lab(args, config)?;
        let named = named(args, config, lab.as_ref().map(|l| l.addr))?;
        let decryption = decryption(args, &named, config)?;
        let launch = (!args.command.is_empty()).then(|| {
            let get = |name: &str| std::env::var(name).ok();
            let default = |name: &str| Upstream::of_provider(name, name, config, None).ok();
            Launch::new(get, default, &named)
        });
        let started = launch.iter().flat_map(|l| l.upstreams.iter().cloned());
        let routes = Routes::to(named.into_iter().chain(started).collect());
        let routes = if args.to.is_empty() { routes.with_suffixes(config) } else { routes };
        let gateway = args.around.as_ref().map(|url| Upstream::at("gateway", url)).transpose();
        let gateway = gateway.map_err(|why| format!("--around {why}"))?;
        Ok(Self { listen, transport, routes, gateway, decryption, launch, _lab: lab })
    }

    /// Starts one tap, or one on each side of a gateway; `start` gets the side.
    pub(super) fn start(
        &self,
        numbers: &Arc<AtomicU32>,
        mut start: impl FnMut(Side, TapOptions) -> Result<Tap, TapError>,
    ) -> Result<Taps, Failure> {
        let options = |side, listen, routes: &Routes| TapOptions {
            listen,
            routes: routes.clone(),
            transport: self.transport.clone(),
            numbers: Arc::clone(numbers),
            intercept: self.decryption.as_ref().map(|d| Arc::clone(&d.intercept)),
            side,
        };
        let to = upstreams(&self.routes);
        let Some(gateway) = &self.gateway else {
            let tap = start(Side::Client, options(None, self.listen, &self.routes))?;
            let url = tap.url();
            let about = match &self.decryption {
                None => format!("tap on {url} → {to}"),
                Some(decryption) => {
                    format!("tap as a {}", decryption.about(&url, self.launch.is_some()))
                }
            };
            return Ok(Taps { taps: vec![tap], url, about: vec![about] });
        };
        let at = gateway.origin.url();
        let next = self.listen.port().checked_add(1).filter(|_| self.listen.port() > 0);
        let second = SocketAddr::new(self.listen.ip(), next.unwrap_or(0));
        let clients = Routes::to(vec![gateway.clone()]);
        let clients = start(Side::Client, options(Some(Side::Client), self.listen, &clients))?;
        let upstream = options(Some(Side::Upstream), second, &self.routes);
        let upstream = start(Side::Upstream, upstream)?;
        let url = upstream.url();
        let about = vec![
            format!("tap for clients on {} → {at}", clients.url()),
            format!("tap for the gateway on {url} → {to}"),
        ];
        Ok(Taps { taps: vec![clients, upstream], url, about })
    }

    /// The further arguments and the variables of a program that is to use the tap at this address.
    pub(super) fn environment(
        &self,
        program: &str,
        url: &str,
    ) -> (Vec<String>, Vec<(String, String)>) {
        let environment = match (&self.decryption, &self.launch) {
            (Some(decryption), _) => decryption.environment(url),
            (None, Some(launch)) => launch.environment(url),
            (None, None) => Vec::new(),
        };
        (launch::arguments(program, &environment), environment)
    }
}

/// The hosts that are decrypted, if any are.
fn decryption(
    args: &Args,
    named: &[Upstream],
    config: &Config,
) -> Result<Option<Decryption>, Failure> {
    let made = args.intercept.then(|| Decryption::new(named, config, args.ca_cert.as_deref()));
    made.transpose().map_err(|why| Failure::Usage(format!("--intercept: {why}")))
}

/// Refuses an address that other machines reach, unless that is allowed.
fn loopback_only(listen: SocketAddr, args: &Args) -> Result<(), Failure> {
    if listen.ip().is_loopback() || args.allow_remote {
        return Ok(());
    }
    let why = format!(
        "--listen {listen}: other machines could read and send everything that passes; \
         --allow-remote allows it"
    );
    Err(why.into())
}

/// The embedded provider, where one of the upstreams is it.
fn lab(args: &Args, config: &Config) -> Result<Option<lab::RunningLab>, Failure> {
    let is_lab = |to: &String| {
        let (_, place) = name_and_place(to);
        config.providers.get(place).is_some_and(|p| p.is_lab())
    };
    let lab = args.to.iter().any(is_lab).then(|| lab::start(args.lab.options())).transpose();
    lab.map_err(|e| Failure::Usage(format!("the lab: {e}")))
}

/// `NAME=PLACE`, or only a place. An address may hold `=` itself.
fn name_and_place(to: &str) -> (Option<&str>, &str) {
    match to.split_once('=') {
        Some((name, place)) if !name.contains(['/', ':', '?']) => (Some(name), place),
        _ => (None, to),
    }
}

/// The upstreams that the arguments name.
fn named(args: &Args, config: &Config, lab: Option<SocketAddr>) -> Result<Vec<Upstream>, Failure> {
    let mut named: Vec<Upstream> = Vec::new();
    for to in &args.to {
        let (name, place) = name_and_place(to);
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_some_and(|n| n.is_empty() || !n.chars().all(is_name)) {
            let why = format!("--to {to:?}: a name has letters, digits, `-`, `_` and `.`");
            return Err(why.into());
        }
        let upstream = match place.contains("://") {
            true => {
                let default = format!("up{}", named.len());
                Upstream::at(name.unwrap_or(&default), place)
            }
            false => Upstream::of_provider(name.unwrap_or(place), place, config, lab),
        };
        let upstream = upstream.map_err(|why| format!("--to {to}: {why}"))?;
        if named.iter().any(|u| u.name == upstream.name) {
            return Err(format!("--to: two upstreams are named {:?}", upstream.name).into());
        }
        named.push(upstream);
    }
    Ok(named)
}

/// The upstreams in one line.
fn upstreams(routes: &Routes) -> String {
    let named = routes.named();
    if named.is_empty() {
        return "the provider that the path names (OpenAI, Anthropic, Gemini, Ollama, …)".into();
    }
    let one = |(i, u): (usize, &std::sync::Arc<Upstream>)| match (i, named.len()) {
        (_, 1) => u.origin.url(),
        (0, _) => format!("{} (/{} and /)", u.origin.url(), u.name),
        _ => format!("{} (/{})", u.origin.url(), u.name),
    };
    named.iter().enumerate().map(one).collect::<Vec<_>>().join(", ")
}
