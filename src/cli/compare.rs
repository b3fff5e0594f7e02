//! `sselens compare`: one request to two providers at the same time, or two recordings.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::args::{BareArgs, CompareArgs, Format, Global, RequestArgs};
use super::exit::{Exit, Failure};
use super::output::Printer;
use super::progress::Progress;
use super::prove::{Court, Proof, ServedAnswer};
use super::repeat::{Answers, Repeat, RoundRequest};
use super::runner::{Once, Runner};
use super::{input, request, secrets};
use crate::config::Config;
use crate::dialect::Dialect;
use crate::dialect::request::{Disposition, Note, TranslateError, are_alike, translate};
use crate::inspect::around::Pairs;
use crate::inspect::compare::{Expect, compare, compare_sides};
use crate::inspect::{Inspection, Severity};
use crate::journal::{Entry, ExchangeId, is_secret_name};
use crate::report;
use crate::text::Page;
use crate::transport::Draft;
use crate::transport::request::{Outgoing, resolve, speaks};

/// The input that A or B names.
enum ComparedInput {
    /// A provider or an address, and the model if one was named with it.
    Call(Box<RequestArgs>),
    /// A recording, and which of its exchanges.
    File(PathBuf, Option<u32>),
}

pub(super) fn run(global: &Global, args: &CompareArgs) -> Result<Exit, Failure> {
    let mut config = global.load()?;
    if args.request.provider.is_some() || args.request.url.is_some() {
        let why = "A and B say where the request goes; -p and --url have no place here";
        return Err(Failure::Usage(why.into()));
    }
    if args.output.output == Format::Raw {
        let why = "two bodies cannot be written as one: use `sselens export FILE --to raw`";
        return Err(Failure::Usage(why.into()));
    }
    let places = (place(&args.a, args, &config)?, place(&args.b, args, &config)?);
    let mut printer = Printer::new(global, &args.output, &config)?.keeping();
    match places {
        (ComparedInput::File(..), ComparedInput::File(..)) if args.repeat.is_many() => {
            let why = "recordings are compared once: --repeat and --sizes are for what is sent";
            Err(Failure::Usage(why.into()))
        }
        (ComparedInput::File(a, i), ComparedInput::File(b, j)) => {
            let pair = if a == b { paired(global, &a, [i, j], args)? } else { None };
            let [i, j] = pair.map_or([i, j], |pair| pair.map(Some));
            for (x, (path, which)) in [(0, (a, i)), (1, (b, j))] {
                for entry in recorded(global, &path, which, args, x)? {
                    printer.take(&entry)?;
                }
            }
            report_pair(
                global,
                args,
                &printer,
                [0, 1],
                pair.map_or(Seen::Apart, |_| Seen::AroundGateway),
            )
        }
        (ComparedInput::Call(a), ComparedInput::Call(b)) => {
            live(global, args, [*a, *b], &mut config, printer)
        }
        _ => {
            let why = "a recording is compared with a recording: nothing is sent then";
            Err(Failure::Usage(why.into()))
        }
    }
}

/// Tries, in this order: an address, a provider's name, a name with a model, a file.
fn place(text: &str, args: &CompareArgs, config: &Config) -> Result<ComparedInput, Failure> {
    let call = |provider: Option<&str>, model: Option<&str>, url: Option<&str>| {
        let mut request = args.request.clone();
        request.provider = provider.map(Into::into);
        request.url = url.map(Into::into);
        request.model = model.map(Into::into).or(request.model);
        ComparedInput::Call(Box::new(request))
    };
    if text.contains("://") {
        return Ok(call(None, None, Some(text)));
    }
    if config.providers.contains_key(text) {
        return Ok(call(Some(text), None, None));
    }
    if let Some((name, model)) = text.split_once(':')
        && config.providers.contains_key(name)
    {
        return Ok(call(Some(name), Some(model), None));
    }
    if Path::new(text).exists() {
        return Ok(ComparedInput::File(text.into(), None));
    }
    if let Some((path, number)) = text.rsplit_once('#')
        && let Ok(number) = number.parse()
        && Path::new(path).exists()
    {
        return Ok(ComparedInput::File(path.into(), Some(number)));
    }
    Err(Failure::Usage(format!(
        "{text:?} is no address, no provider (`sselens providers` lists all {}) and no file",
        config.providers.len()
    )))
}

/// The entries of one exchange of a recording, as number `x`.
fn recorded(
    global: &Global,
    path: &Path,
    which: Option<u32>,
    args: &CompareArgs,
    x: u32,
) -> Result<Vec<Entry>, Failure> {
    let bare = BareArgs { dialect: args.request.dialect.clone(), status: None, content_type: None };
    let mut entries = input::open(global, path, &bare)?.entries;
    let numbers: std::collections::BTreeSet<u32> = entries.iter().map(|e| e.exchange).collect();
    let shown = path.display();
    let list = || {
        let list: Vec<_> = numbers.iter().map(u32::to_string).collect();
        list.join(", ")
    };
    let number = match (which, numbers.len()) {
        (Some(n), _) if numbers.contains(&n) => n,
        (Some(n), _) => {
            let has = match numbers.len() {
                0 => "none".to_owned(),
                1 => format!("only exchange {}", list()),
                _ => format!("the exchanges {}", list()),
            };
            return Err(Failure::Usage(format!("{shown} has no exchange {n}; it has {has}")));
        }
        (None, 1) => numbers.iter().next().copied().unwrap_or(0),
        (None, 0) => return Err(Failure::Usage(format!("{shown} holds no exchange"))),
        (None, _) => {
            let why = format!("{shown} holds several exchanges ({}): name one, {shown}#N", list());
            return Err(Failure::Usage(why));
        }
    };
    entries.retain(|e| e.exchange == number);
    entries.iter_mut().for_each(|e| e.exchange = x);
    Ok(entries)
}

/// Translates the body for A into the dialect of B, if that is another one, and reports on standard error
/// what that costs.
fn translated(
    global: &Global,
    from: Option<&'static dyn Dialect>,
    draft: &mut Draft,
    config: &Config,
) {
    let (Some(from), Some(to)) = (from, speaks(draft, config)) else { return };
    if are_alike(from, to) {
        return;
    }
    // Another provider does not know this model's name: use that provider's own model, if it has one.
    if draft.model.is_empty()
        && let Ok(provider) = config.provider(&draft.provider)
    {
        draft.model.clone_from(&provider.model);
    }
    let model = Some(draft.model.as_str()).filter(|m| !m.is_empty());
    let done = std::str::from_utf8(&draft.body)
        .map_err(|_| TranslateError::NotText)
        .and_then(|body| translate(from, to, body, model));
    let done = match done {
        Ok(done) => done,
        Err(why) => return global.notify(&format!("!! B: the body stays as it is: {why}")),
    };
    global.notify(&format!("B: the body is translated from {} to {}", from.name(), to.name()));
    for note in done.notes.iter().filter(|n| n.disposition != Disposition::Elsewhere) {
        let Note { disposition, path, value, why } = note;
        global.notify(&format!("B: {} {path} = {value}: {why}", disposition.name()));
    }
    draft.body = done.body.into_bytes();
}

/// The request of side `name`.
fn side_of(
    global: &Global,
    call: &RequestArgs,
    name: char,
    prompt: Option<&str>,
    config: &mut Config,
) -> Result<RoundRequest, Failure> {
    let (mut draft, transport) = request::draft(global, call, prompt, config)?;
    if call.curl.is_some() && call.provider.is_some() {
        // The curl command supplies the body; the provider supplies the address and the key.
        draft.url = None;
        let own = |name: &str| {
            call.headers.iter().any(|h| {
                h.split_once(':').is_some_and(|(k, _)| k.trim().eq_ignore_ascii_case(name))
            })
        };
        draft.headers.retain(|(name, _)| own(name) || !is_secret_name(name));
    }
    Ok(RoundRequest { draft, transport, side: Some(name) })
}

/// Sends both requests, once or many times, and compares the answers.
fn live(
    global: &Global,
    args: &CompareArgs,
    calls: [RequestArgs; 2],
    config: &mut Config,
    mut printer: Printer,
) -> Result<Exit, Failure> {
    let mut sides = Vec::new();
    for (call, side) in calls.iter().zip(['a', 'b']) {
        sides.push(side_of(global, call, side, args.prompt.as_deref(), config)?);
    }
    if args.request.body.is_some() || args.request.curl.is_some() {
        let from = speaks(&sides[0].draft, config);
        translated(global, from, &mut sides[1].draft, config);
    }
    let lab = request::lab(sides.iter().map(|s| &s.draft), &args.lab, config)?;
    let lab = lab.as_ref().map(|l| l.addr);
    let mut requests = Vec::new();
    for (name, side) in ["A", "B"].into_iter().zip(&sides) {
        let one = resolve(&side.draft, config, &side.transport, lab)
            .map_err(|why| format!("{name}: {why}"))?;
        secrets::add(&one.secrets);
        for warning in &one.request.warnings {
            global.notify(&format!("!! {name}: {warning}"));
        }
        requests.push(one);
    }
    let mut progress = Progress::new(global, args.output.output);
    let save = args.save.as_deref();
    if args.repeat.is_many() {
        let repeat = Repeat::new(global, &args.repeat, &args.output, save, config, lab, sides)?;
        let pairs = report::PairTally::default();
        let (findings, lines) = (Vec::new(), Vec::new());
        let mut pairs = PairsReport { global, args, pairs, findings, lines };
        return repeat.run(printer, progress, &mut pairs);
    }
    let mut runner = Runner::start(save, config)?;
    if let Some(at) = args.prove {
        return proven(global, args, at, requests, (runner, printer, progress));
    }
    let mut once = Once::of(requests);
    let result = runner.run(&mut once, &mut printer, &mut progress);
    let ended = runner.close();
    result?;
    let exit = match once.answers[..] {
        [a, b] => report_pair(global, args, &printer, [a, b], Seen::Apart)?,
        _ => printer.exit(),
    };
    Ok(ended.exit(exit))
}

/// Asks A directly, and asks the gateway for A's answer, which is served at its upstream address.
fn proven(
    global: &Global,
    args: &CompareArgs,
    at: std::net::SocketAddr,
    requests: Vec<Outgoing>,
    (mut runner, mut printer, mut progress): (Runner, Printer, Progress),
) -> Result<Exit, Failure> {
    let stage = ServedAnswer::start(at)?;
    let mut requests = requests.into_iter();
    let mut once = Once::of(requests.next().into_iter().collect());
    runner.run(&mut once, &mut printer, &mut progress)?;
    let proof = match (once.answers.first().copied(), requests.next()) {
        (Some(direct), Some(request)) if !runner.is_stopped() => Court {
            stage: &stage,
            runner: &mut runner,
            printer: &mut printer,
            progress: &mut progress,
            request,
            direct,
            trials: Vec::new(),
        }
        .judge()?
        .map(|proof| (direct, proof)),
        _ => None,
    };
    let ended = runner.close();
    let Some((direct, proof)) = proof else { return Ok(ended.exit(printer.exit())) };
    let Some(control) = proof.control() else { return Ok(ended.exit(printer.exit())) };
    let exit = report_pair(global, args, &printer, [direct, control], Seen::Proven(&proof))?;
    Ok(ended.exit(exit))
}

/// The relation of two exchanges that are compared.
#[derive(Clone, Copy)]
enum Seen<'a> {
    /// They are two calls.
    Apart,
    /// They are one call, recorded on both sides of a gateway: first what it received.
    AroundGateway,
    /// The gateway's upstream served it the bytes of the first.
    Proven(&'a Proof),
}

/// The numbers of two exchanges of one session that are one call on both sides of a gateway: of the call upstream, then of
/// the client's. Says where that is not the order in which they were named.
fn paired(
    global: &Global,
    path: &Path,
    named: [Option<ExchangeId>; 2],
    args: &CompareArgs,
) -> Result<Option<[ExchangeId; 2]>, Failure> {
    let [Some(a), Some(b)] = named else { return Ok(None) };
    let bare = BareArgs { dialect: args.request.dialect.clone(), status: None, content_type: None };
    let pairs = Pairs::of(&input::open(global, path, &bare)?.entries);
    let owns = |upstream, client| pairs.owner(upstream).is_some_and(|(owner, _)| owner == client);
    if owns(b, a) {
        global.notify(&format!("A is #{b}, the call upstream; B is #{a}, the client's call"));
        return Ok(Some([b, a]));
    }
    Ok(owns(a, b).then_some([a, b]))
}

/// Compares two exchanges that are over, and writes the result. After a signal, what has arrived is still
/// compared.
fn report_pair(
    global: &Global,
    args: &CompareArgs,
    printer: &Printer,
    answers: [ExchangeId; 2],
    seen: Seen<'_>,
) -> Result<Exit, Failure> {
    let [x, y] = answers;
    let (Some(a), Some(b)) = (printer.kept(x), printer.kept(y)) else { return Ok(printer.exit()) };
    let (found, proof) = match seen {
        Seen::Apart => (compare(a, b, expected(args, a, b)), None),
        Seen::AroundGateway => (compare_sides(a, b), None),
        Seen::Proven(proof) => (compare(a, b, Expect::Same), Some(proof)),
    };
    let mut out = Page::new(global.palette().color);
    match args.output.output {
        Format::Text => {
            report::compare([a, b], &found, global.palette(), &mut out)?;
            if let Some(proof) = proof {
                writeln!(out, "{} {}", global.palette().bold("proof   "), proof.sentence())?;
            }
        }
        format => {
            if format == Format::Ndjson {
                write_lines(&mut out, report::compare_findings(&found))?;
            }
            let mut line = report::comparison(x, y, &found);
            if let Some(proof) = proof {
                line["proof"] = proof.json();
            }
            write_lines(&mut out, [line])?;
        }
    }
    std::io::stdout().write_all(out.as_bytes())?;
    std::io::stdout().flush()?;
    Ok(match found.worst() {
        Some(worst) if worst >= args.output.fail_on.severity() => Exit::Found,
        _ => printer.exit(),
    })
}

fn expected(args: &CompareArgs, a: &Inspection, b: &Inspection) -> Expect {
    match (args.same, args.different) {
        (true, _) => Expect::Same,
        (_, true) => Expect::Different,
        _ => Expect::guess(a, b),
    }
}

/// Lines for scripts.
fn write_lines(
    out: &mut impl Write,
    lines: impl IntoIterator<Item = serde_json::Value>,
) -> Result<(), Failure> {
    for line in lines {
        crate::text::write_json(&mut *out, &line)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// The comparisons of many pairs: of people's only what differed how often, of scripts' the lines.
struct PairsReport<'a> {
    global: &'a Global,
    args: &'a CompareArgs,
    pairs: report::PairTally,
    findings: Vec<u8>,
    lines: Vec<u8>,
}

impl Answers for PairsReport<'_> {
    fn take(&mut self, answers: &[ExchangeId], seen: &[Inspection]) -> Result<bool, Failure> {
        let ([x, y], [a, b]) = (answers, seen) else { return Ok(false) };
        let found = compare(a, b, expected(self.args, a, b));
        let format = self.args.output.output;
        if format == Format::Ndjson {
            write_lines(&mut self.findings, report::compare_findings(&found))?;
        }
        if format != Format::Text {
            write_lines(&mut self.lines, [report::comparison(*x, *y, &found)])?;
        }
        self.pairs.add(*x, *y, &found);
        Ok(found.worst() >= Some(Severity::Error))
    }

    fn write(&self, out: &mut Page) -> Result<Exit, Failure> {
        out.write_all(&self.findings)?;
        out.write_all(&self.lines)?;
        if self.args.output.output == Format::Text {
            report::often(&self.pairs, self.global.palette(), out)?;
        }
        Ok(match self.pairs.worst {
            Some(worst) if worst >= self.args.output.fail_on.severity() => Exit::Found,
            _ => Exit::Ok,
        })
    }
}
