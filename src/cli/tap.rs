//! `sselens tap`: what another program sends and receives.

use std::collections::VecDeque;
use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use tokio::sync::mpsc;

use super::args::{
    FailOn, Format, Global, OutputArgs, RequestArgs, TapArgs as Args, TapFormat, UiArgs,
};
use super::around::{Around, Pair, Side};
use super::child::Child;
use super::exit::{Exit, Failure, alarm};
use super::intercept::Decryption;
use super::otlp::Exporter;
use super::output::Printer;
use super::runner::is_full;
use super::{signals, ui};
use crate::config::Config;
use crate::inspect::{Inspection, Severity};
use crate::journal::{Entry, EntryKind, ExchangeId};
use crate::lab;
use crate::report::{self, Palette};
use crate::rule::Code;
use crate::storage::Recorder;
use crate::tap::launch::{self, Launch};
use crate::tap::{News, Options, Routes, Tap, Upstream};
use crate::text;
use crate::transport::Clock;
use crate::transport::request::Transport;

/// How many entries wait to be written before the tap's observer does.
const QUEUE: usize = 4096;

/// How long the tap goes on after a program has ended: the ends of its connections are on their way.
const LAST_BYTES: Duration = Duration::from_millis(100);

/// How often it is looked whether a call around a gateway is complete on both sides.
const PAIRS: Duration = Duration::from_millis(100);

/// The most lines that wait for the end of a program that has the terminal.
const MOST_LINES: usize = 10_000;

pub(super) fn run(global: &Global, args: &Args) -> Result<Exit, Failure> {
    let on_screen = args.output.is_none() && args.command.is_empty() && args.otlp.is_none();
    if on_screen && std::io::stdout().is_terminal() {
        return screen(global, args);
    }
    let config = global.load()?;
    let default =
        SocketAddr::from(([127, 0, 0, 1], if args.command.is_empty() { 9200 } else { 0 }));
    let listen = args.listen.unwrap_or(default);
    loopback_only(listen, args)?;
    let transport = Transport {
        insecure: args.insecure,
        ca_cert: args.ca_cert.clone(),
        ..Transport::default()
    };
    let lab = lab(args, &config)?;
    let named = named(args, &config, lab.as_ref().map(|l| l.addr))?;
    let decryption = decryption(args, &named, &config)?;
    let intercept = decryption.as_ref().map(|d| Arc::clone(&d.intercept));
    let launch = (!args.command.is_empty()).then(|| {
        let get = |name: &str| std::env::var(name).ok();
        let default = |name: &str| Upstream::of_provider(name, name, &config, None).ok();
        Launch::new(get, default, &named)
    });
    let started = launch.iter().flat_map(|l| l.upstreams.iter().cloned());
    let routes = Routes::to(named.into_iter().chain(started).collect());
    let routes = if args.to.is_empty() { routes.with_suffixes(&config) } else { routes };
    let mut session = Session::new(global, args, &config)?;
    let numbers = Arc::new(AtomicU32::new(0));
    let (tell, mut news) = mpsc::channel(QUEUE);
    let mut taps = Vec::new();
    let mut start = |side, listen, routes: Routes| -> Result<String, Failure> {
        let (transport, numbers) = (transport.clone(), Arc::clone(&numbers));
        let intercept = intercept.clone();
        let options = Options { listen, routes, transport, numbers, intercept };
        let tap = session.start(side, options, tell.clone())?;
        let url = tap.url();
        taps.push(tap);
        Ok(url)
    };
    let told = upstreams(&routes);
    // The address that a program is started with.
    let url = match &args.around {
        None => {
            let url = start(Side::Client, listen, routes)?;
            match &decryption {
                None => global.notify(&format!("tap on {url} → {told}")),
                Some(decryption) => {
                    global.notify(&format!("tap as a {}", decryption.about(&url, launch.is_some())))
                }
            }
            url
        }
        Some(gateway) => {
            let gateway =
                Upstream::at("gateway", gateway).map_err(|why| format!("--around {why}"))?;
            let at = gateway.origin.url();
            let next = listen.port().checked_add(1).filter(|_| listen.port() > 0);
            let second = SocketAddr::new(listen.ip(), next.unwrap_or(0));
            let clients = start(Side::Client, listen, Routes::to(vec![gateway]))?;
            let url = start(Side::Upstream, second, routes)?;
            global.notify(&format!("tap for clients on {clients} → {at}"));
            global.notify(&format!("tap for the gateway on {url} → {told}"));
            url
        }
    };
    drop(tell);
    if args.insecure {
        global.notify("!! TLS certificates are not verified (--insecure)");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    let result = match &launch {
        None => runtime.block_on(session.follow(&mut news, signals::wait())),
        Some(launch) => {
            let environment = match &decryption {
                None => launch.environment(&url),
                Some(decryption) => decryption.environment(&url),
            };
            let program = args.command[0].to_string_lossy();
            let more = launch::arguments(&program, &environment);
            runtime.block_on(async {
                let child = Child::start(&args.command, &more, &environment)?;
                session.follow(&mut news, ended(child)).await
            })
        }
    };
    drop_while_closing(taps, news, &mut session, &runtime);
    let exit = result?;
    Ok(session.close(exit))
}

/// Shows what the tap records on the screen, live.
fn screen(global: &Global, args: &Args) -> Result<Exit, Failure> {
    let config = Global { quiet: true, ..global.clone() }.load()?;
    let listen = args.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 9200)));
    loopback_only(listen, args)?;
    let transport = Transport {
        insecure: args.insecure,
        ca_cert: args.ca_cert.clone(),
        ..Transport::default()
    };
    let lab = lab(args, &config)?;
    let named = named(args, &config, lab.as_ref().map(|l| l.addr))?;
    let decryption = decryption(args, &named, &config)?;
    let routes = Routes::to(named);
    let routes = if args.to.is_empty() { routes.with_suffixes(&config) } else { routes };
    let around = args.around.clone();
    let start = move |feed: ui::Feed| {
        let mut taps = Vec::new();
        let mut start = |listen, routes: Routes| -> Result<String, Failure> {
            let (transport, numbers) = (transport.clone(), Arc::clone(&feed.numbers));
            let intercept = decryption.as_ref().map(|d| Arc::clone(&d.intercept));
            let options = Options { listen, routes, transport, numbers, intercept };
            let (entry, trouble) = (Arc::clone(&feed.entry), Arc::clone(&feed.trouble));
            let tap = Tap::start(options, feed.clock, move |news: News| match news {
                News::Entry(e) => entry(e),
                News::Trouble(text) => trouble(text),
            })?;
            let url = tap.url();
            taps.push(tap);
            Ok(url)
        };
        let upstreams = upstreams(&routes);
        let about = match &around {
            None => {
                let url = start(listen, routes)?;
                match &decryption {
                    None => format!("tap on {url} → {upstreams}"),
                    Some(decryption) => decryption.about(&url, false),
                }
            }
            Some(gateway) => {
                let gateway =
                    Upstream::at("gateway", gateway).map_err(|why| format!("--around {why}"))?;
                let at = gateway.origin.url();
                let next = listen.port().checked_add(1).filter(|_| listen.port() > 0);
                let second = SocketAddr::new(listen.ip(), next.unwrap_or(0));
                let clients = start(listen, Routes::to(vec![gateway]))?;
                let upstream = start(second, routes)?;
                format!(
                    "tap for clients on {clients} → {at} · for the gateway on {upstream} → {upstreams}"
                )
            }
        };
        let close = Box::new(move || {
            taps.into_iter().for_each(Tap::close);
            drop((lab, decryption));
        });
        Ok(ui::Feeding { about, close })
    };
    let screen = UiArgs {
        file: None,
        save: args.save.clone(),
        request: RequestArgs::default(),
        lab: args.lab.clone(),
    };
    ui::run_with(global, &screen, Some(Box::new(start)))
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

/// Waits for a program's end, and for what its connections still bring.
async fn ended(child: Child) -> Exit {
    let exit = child.wait().await;
    tokio::time::sleep(LAST_BYTES).await;
    exit
}

/// The taps are closed while what they still have to say is listened to.
fn drop_while_closing(
    taps: Vec<Tap>,
    mut news: mpsc::Receiver<(Side, News)>,
    session: &mut Session<'_>,
    runtime: &tokio::runtime::Runtime,
) {
    let closing = std::thread::spawn(move || taps.into_iter().for_each(Tap::close));
    while let Some((side, news)) = runtime.block_on(news.recv()) {
        // The reader may be gone; the session's file is still written.
        let _ = session.take(side, news);
    }
    // A panic in it was reported by the panic hook.
    let _ = closing.join();
}

/// The embedded provider, where one of the upstreams is it.
fn lab(args: &Args, config: &Config) -> Result<Option<lab::Running>, Failure> {
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

/// What is done with what the tap records: it is saved, printed and summed up.
struct Session<'a> {
    global: &'a Global,
    clock: Clock,
    recorder: Option<Recorder>,
    troubles: mpsc::UnboundedReceiver<String>,
    printer: Printer,
    /// Where each call is sent as a span.
    exporter: Option<Exporter>,
    /// Both sides of a gateway.
    around: Option<Around>,
    /// The worst difference between them.
    worst: Option<Severity>,
    ndjson: bool,
    /// Lines that wait: a program has the terminal.
    waiting: Option<VecDeque<String>>,
    save_failed: bool,
    /// The session's file could not be written, and no exchange has reported it yet.
    untold: Option<String>,
    fail_on: Option<FailOn>,
}

impl<'a> Session<'a> {
    fn new(global: &'a Global, args: &Args, config: &Config) -> Result<Self, Failure> {
        let clock = Clock::start();
        let (trouble, troubles) = mpsc::unbounded_channel();
        let recorder = match &args.save {
            Some(file) => {
                let lost = trouble.clone();
                let tell = move |text| drop(trouble.send(text));
                let recorder =
                    Recorder::start(clock.created(), None, tell).map_err(|e| e.to_string())?;
                match recorder.also(file) {
                    Ok(_) => {}
                    Err(e) if is_full(&e) => {
                        // The receiver is alive here.
                        let _ = lost.send(format!("{}: {e}; nothing is saved", file.display()));
                    }
                    Err(e) => return Err(format!("--save {}: {e}", file.display()).into()),
                }
                Some(recorder)
            }
            None => None,
        };
        let exporter = args.otlp.as_deref().map(|url| Exporter::start(url, &clock)).transpose();
        let exporter = exporter.map_err(|why| format!("--otlp {why}"))?;
        let format = match args.output {
            Some(TapFormat::Ndjson) => Format::Ndjson,
            Some(TapFormat::Text) | None => Format::Text,
        };
        let fail_on = args.fail_on.unwrap_or(FailOn::Error);
        let output = OutputArgs { output: format, force: false, fail_on };
        let printer = Printer::new(global, &output, config)?;
        let reports =
            args.output == Some(TapFormat::Text) && args.around.is_none() && args.otlp.is_none();
        Ok(Self {
            global,
            clock,
            recorder,
            troubles,
            // A separate report takes the place of a line.
            printer: if reports { printer } else { printer.keeping() },
            exporter,
            around: args.around.is_some().then(Around::default),
            worst: None,
            ndjson: format == Format::Ndjson,
            waiting: (!args.command.is_empty() && std::io::stderr().is_terminal())
                .then(VecDeque::new),
            save_failed: false,
            untold: None,
            fail_on: args.fail_on,
        })
    }

    /// Starts a tap whose entries are saved before they come as news.
    fn start(
        &self,
        side: Side,
        options: Options,
        tell: mpsc::Sender<(Side, News)>,
    ) -> Result<Tap, Failure> {
        let write = self.recorder.as_ref().map(Recorder::writer);
        let tap = Tap::start(options, self.clock, move |news: News| {
            if let (Some(write), News::Entry(entry)) = (&write, &news) {
                write(entry);
            }
            // The receiver is gone when the program is about to end.
            let _ = tell.blocking_send((side, news));
        })?;
        Ok(tap)
    }

    /// Takes in what the tap tells until `stop` comes.
    async fn follow(
        &mut self,
        news: &mut mpsc::Receiver<(Side, News)>,
        stop: impl Future<Output = Exit>,
    ) -> Result<Exit, Failure> {
        tokio::pin!(stop);
        loop {
            tokio::select! {
                biased;
                exit = &mut stop => return Ok(exit),
                Some(text) = self.troubles.recv() => self.lost(text),
                news = news.recv() => match news {
                    Some((side, news)) => self.take(side, news)?,
                    None => return Ok(Exit::Ok),
                },
                () = tokio::time::sleep(PAIRS), if self.around.as_ref().is_some_and(Around::waits) => {}
            }
            self.pairs()?;
        }
    }

    /// Tells something on standard error, or later where a program has the terminal.
    fn notify(&mut self, line: String) {
        match &mut self.waiting {
            Some(waiting) => {
                if waiting.len() == MOST_LINES {
                    waiting.pop_front();
                }
                waiting.push_back(line);
            }
            None => self.global.notify(&line),
        }
    }

    /// The file cannot be written any more.
    fn lost(&mut self, text: String) {
        alarm(&text);
        self.save_failed = true;
        self.untold = Some(text);
    }

    fn take(&mut self, side: Side, news: News) -> Result<(), Failure> {
        let entry = match news {
            News::Entry(entry) => entry,
            News::Trouble(text) => {
                self.notify(text);
                return Ok(());
            }
        };
        if let (Some(recorder), EntryKind::End { .. }) = (&self.recorder, &entry.kind) {
            // Whether all of it could be saved is known before its end is reported.
            recorder.written();
            while let Ok(text) = self.troubles.try_recv() {
                self.lost(text);
            }
        }
        if let Some(text) = self.untold.take_if(|_| !matches!(entry.kind, EntryKind::Request(_))) {
            let kind = EntryKind::note(Code::SaveFailed, text);
            self.printer.take(&Entry { exchange: entry.exchange, at: entry.at, kind })?;
        }
        if let Some(around) = &mut self.around {
            around.entry(side, &entry);
        }
        let (x, ended) = (entry.exchange, entry.at);
        if self.printer.take(&entry)?
            && let Some(seen) = self.printer.withdraw(x)
        {
            self.notify(line(x, &seen));
            match (&mut self.around, &mut self.exporter) {
                (Some(around), _) => around.over(side, x, ended, seen),
                (None, Some(exporter)) => exporter.export((x, &seen), &[]),
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// Reports the calls of clients that are complete on both sides.
    fn pairs(&mut self) -> Result<(), Failure> {
        let now = self.clock.now();
        let ready = self.around.as_mut().map(|around| around.ready(now)).unwrap_or_default();
        ready.iter().try_for_each(|pair| self.pair(pair))
    }

    /// A call with what the gateway did for it.
    fn pair(&mut self, pair: &Pair) -> Result<(), Failure> {
        self.worst = self.worst.max(pair.worst());
        if let Some(exporter) = &mut self.exporter {
            let tries: Vec<_> = pair.tries.iter().map(|(x, seen)| (*x, seen)).collect();
            exporter.export((pair.client, &pair.answer), &tries);
        }
        if self.ndjson {
            let mut out = Vec::new();
            for line in pair.lines() {
                text::write_json(&mut out, &line)?;
                out.push(b'\n');
            }
            std::io::stdout().write_all(&out)?;
            std::io::stdout().flush()?;
        }
        self.notify(pair.text());
        Ok(())
    }

    /// Waits until all is written, and returns the exit status.
    fn close(mut self, exit: Exit) -> Exit {
        if let Some(recorder) = self.recorder.take() {
            recorder.close();
        }
        while let Ok(text) = self.troubles.try_recv() {
            self.lost(text);
        }
        let rest = self.around.as_mut().map(Around::rest).unwrap_or_default();
        for pair in rest {
            // The reader may be gone.
            let _ = self.pair(&pair);
        }
        if let Some(exporter) = self.exporter.take() {
            exporter.close();
        }
        if let Some(around) = self.around.take().filter(|a| a.pairs > 1) {
            let mut out = text::Page::default();
            // Writing to memory does not fail.
            let _ = report::often(&around.often, Palette { color: false }, &mut out);
            for line in out.as_str().lines().filter(|l| !l.trim().is_empty()) {
                self.notify(line.to_owned());
            }
        }
        for line in self.waiting.take().into_iter().flatten() {
            self.global.notify(&line);
        }
        // A reader that has left is no failure.
        let _ = std::io::stdout().flush();
        let found = self.fail_on.is_some_and(|least| {
            self.printer.exit() == Exit::Found || self.worst >= Some(least.severity())
        });
        match exit {
            Exit::Ok | Exit::Child(0) if self.save_failed || found => Exit::Found,
            other => other,
        }
    }
}

/// One call in one line.
fn line(x: ExchangeId, seen: &Inspection) -> String {
    let request = seen.request.as_deref();
    let method = request.map_or("?", |r| r.method.as_str());
    let url = request.and_then(|r| url::Url::parse(&r.url).ok());
    let path = url.as_ref().map_or("", |u| u.path());
    let model = request.map(|r| r.model.as_str()).filter(|m| !m.is_empty());
    let status = seen.status().map_or_else(|| "–".to_owned(), |s| s.to_string());
    let time = seen.timing.request.zip(seen.timing.end).map(|(from, to)| to.saturating_sub(from));
    let mut line = format!("#{x}  {} {}", text::preview(method, 12), text::preview(path, 60));
    if let Some(model) = model {
        line += &format!("  {}", text::preview(model, 40));
    }
    line += &format!("  {status}");
    if let Some(time) = time {
        line += &format!("  {:.2} s", time as f64 / 1e6);
    }
    format!("{line}  {}", seen.verdict())
}
