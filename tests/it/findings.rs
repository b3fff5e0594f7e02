//! Findings, held against recordings: our own corpus with one case a code, and the recorded
//! provider streams where they lie beside this repository.
//!
//! A case is a folder `tests/corpus/CODE` with a body file (if there is a body) and `case.json`,
//! the fields of [`Case`]. `expected` lists all findings of the case, in any order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use sselens::inspect::{Inspection, Options, rule};
use sselens::journal::{EndCause, Entry, EntryKind, Head, Request, file};

/// Codes without a case, and why.
const WITHOUT_CASE: &[(&str, &str)] = &[("limit-frame", "needs a frame of 256 MiB")];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// The response status; without it there is no head.
    status: Option<u16>,
    content_type: Option<String>,
    /// More response headers.
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default = "http1")]
    version: String,
    /// The body file; none for no body.
    body: Option<String>,
    /// A bare body: nothing but bytes, and what was told of the head.
    #[serde(default)]
    bare: bool,
    /// How it ended, a name of `EndCause`, and the HTTP library's words.
    ended: String,
    #[serde(default)]
    detail: String,
    #[serde(default = "chat")]
    dialect: String,
    #[serde(default)]
    request_body: String,
    #[serde(default)]
    warnings: Vec<String>,
    /// Notes as (code, text).
    #[serde(default)]
    notes: Vec<(String, String)>,
    /// The reads as (milliseconds after the request, bytes); what is left comes with the last.
    #[serde(default)]
    reads: Vec<(u64, usize)>,
    /// Milliseconds after the request.
    #[serde(default = "head_at")]
    head_at: u64,
    end_at: Option<u64>,
    /// Findings as (code, severity).
    expected: Vec<(String, String)>,
}

fn http1() -> String {
    "HTTP/1.1".into()
}

fn chat() -> String {
    "openai-chat".into()
}

fn head_at() -> u64 {
    20
}

impl Case {
    fn load(folder: &Path) -> (Self, Vec<u8>) {
        let text = std::fs::read_to_string(folder.join("case.json")).unwrap();
        let case: Self =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let body =
            case.body.as_ref().map(|b| std::fs::read(folder.join(b)).unwrap()).unwrap_or_default();
        (case, body)
    }

    /// The entries, with these reads as (milliseconds, bytes).
    fn entries(&self, body: &[u8], reads: &[(u64, usize)]) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut push = |ms: u64, what| {
            let at = (!self.bare).then_some(ms * 1000);
            entries.push(Entry { exchange: 0, at, kind: what });
        };
        if self.bare {
            push(
                0,
                EntryKind::Bare {
                    status: self.status,
                    content_type: self.content_type.clone(),
                    dialect: Some(self.dialect.clone()),
                    named_sse: false,
                },
            );
        } else {
            push(
                0,
                EntryKind::Request(Box::new(Request {
                    method: "POST".into(),
                    url: "https://example.org/v1/chat/completions".into(),
                    body: Bytes::from(self.request_body.clone()),
                    dialect: self.dialect.clone(),
                    warnings: self.warnings.clone(),
                    ..Request::default()
                })),
            );
            if let Some(status) = self.status {
                let mut headers = self.headers.clone();
                if let Some(t) = &self.content_type {
                    headers.push(("content-type".into(), t.clone()));
                }
                // Not what most cases are about.
                if !headers.iter().any(|h| h.0 == "cache-control") {
                    headers.push(("cache-control".into(), "no-cache".into()));
                }
                headers.retain(|h| !h.1.is_empty());
                let version = self.version.clone();
                push(
                    self.head_at,
                    EntryKind::Head(Head { status, version, headers, interim: false }),
                );
            }
        }
        let mut at = 0;
        let mut last = self.head_at;
        for (i, (ms, len)) in reads.iter().enumerate() {
            let end = if i + 1 == reads.len() { body.len() } else { (at + len).min(body.len()) };
            let bytes = Bytes::copy_from_slice(&body[at..end]);
            push(*ms, EntryKind::Body { len: bytes.len() as u32, bytes, masked: vec![] });
            (at, last) = (end, *ms);
        }
        for (code, text) in &self.notes {
            push(last, EntryKind::Note { code: code.clone(), text: text.clone() });
        }
        let cause =
            EndCause::from_name(&self.ended).unwrap_or_else(|| panic!("no cause {}", self.ended));
        push(
            self.end_at.unwrap_or(last + 1),
            EntryKind::End { cause, detail: self.detail.clone() },
        );
        entries
    }

    fn reads(&self, body: &[u8]) -> Vec<(u64, usize)> {
        match (&self.reads[..], body) {
            ([], []) => vec![],
            ([], _) => vec![(self.head_at + 100, body.len())],
            (reads, _) => reads.to_vec(),
        }
    }
}

fn inspect(entries: &[Entry]) -> Inspection {
    let mut inspection = Inspection::new(Arc::new(Options::default()));
    for entry in entries {
        inspection.push(entry);
    }
    inspection
}

type Found = Vec<(&'static str, &'static str, Option<u32>, Option<u64>, String)>;

fn found(inspection: &Inspection, with_reads: bool) -> Found {
    let findings = inspection.findings().iter().filter(|f| with_reads || !f.rule.reads);
    findings.map(|f| (f.code(), f.severity.name(), f.frame, f.offset, f.message.clone())).collect()
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<_> = std::fs::read_dir(path)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.is_dir())
        .collect();
    folders.sort();
    folders
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

fn tiles(inspection: &Inspection, name: &str) {
    let mut at = 0;
    for frame in inspection.frames() {
        assert_eq!(frame.offset, at, "{name}: a gap or an overlap");
        at = frame.end();
    }
    assert_eq!(at, inspection.body().len() as u64, "{name}: bytes without a frame");
}

#[test]
fn each_case_has_exactly_its_findings() {
    let mut wrong = Vec::new();
    for folder in folders(&corpus()) {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let (case, body) = Case::load(&folder);
        let inspection = inspect(&case.entries(&body, &case.reads(&body)));
        tiles(&inspection, &name);
        let mut have: Vec<_> = inspection
            .findings()
            .iter()
            .map(|f| (f.code().to_owned(), f.severity.name().to_owned()))
            .collect();
        let mut expected = case.expected.clone();
        have.sort();
        expected.sort();
        if have != expected {
            let found: Vec<_> = inspection
                .findings()
                .iter()
                .map(|f| format!("{} {} {}", f.code(), f.severity.name(), f.message))
                .collect();
            wrong.push(format!(
                "{name}: expected {expected:?}\n    found {}",
                found.join("\n          ")
            ));
        }
        if std::env::var_os("SHOW").is_some() {
            println!("{name}: {}", inspection.verdict());
            for f in inspection.findings() {
                println!("    {:5} {} @{:?} {}", f.severity.name(), f.code(), f.frame, f.message);
            }
        }
        let codes: BTreeSet<_> = case.expected.iter().map(|e| e.0.as_str()).collect();
        let code = name.split("--").next().unwrap();
        assert!(name.starts_with("sound") || codes.contains(code), "{name} is not about its code");
        for f in inspection.findings() {
            assert!(
                f.message.ends_with(['.', '"']) || f.rule.phase == rule::Phase::Session,
                "{name}: {}",
                f.message
            );
            assert!(!f.message.is_empty());
        }
        assert!(!inspection.verdict().is_empty());
    }
    assert!(wrong.is_empty(), "{} cases differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Any cut of the same bytes gives the same frames and findings, but for rules about reads, and
/// for the LF that comes a read after its CR.
#[test]
fn any_cut_gives_the_same_findings() {
    for folder in folders(&corpus()) {
        let (case, body) = Case::load(&folder);
        let reads = case.reads(&body);
        let (Some(first), Some(last)) = (reads.first(), reads.last()) else { continue };
        let (first, last) = (first.0, last.0);
        let whole = inspect(&case.entries(&body, &[(last, body.len())]));
        let cr = body.contains(&b'\r');
        let step = (body.len() / 120).max(1);
        for cut in (1..body.len()).step_by(step) {
            let halves = inspect(&case.entries(&body, &[(first, cut), (last, body.len())]));
            tiles(&halves, &case.ended);
            let same = found(&halves, false) == found(&whole, false);
            let inside_crlf = cr && body[cut] == b'\n';
            assert!(
                same || inside_crlf,
                "{} cut at {cut}:\n{:#?}\n{:#?}",
                folder.display(),
                found(&whole, false),
                found(&halves, false)
            );
        }
        let bytewise: Vec<_> = (0..body.len()).map(|_| (last, 1)).collect();
        let bytewise = inspect(&case.entries(&body, &bytewise));
        let codes = |i: &Inspection| -> Vec<_> {
            found(i, false).into_iter().map(|f| (f.0, f.1)).collect()
        };
        assert_eq!(codes(&bytewise), codes(&whole), "{} byte by byte", folder.display());
    }
}

/// Damaged bytes do not bring the rules down, and the cut still makes no difference.
#[test]
fn damaged_bodies_keep_the_laws() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for folder in folders(&corpus()) {
        let (case, body) = Case::load(&folder);
        if body.is_empty() || body.len() > 10_000 {
            continue;
        }
        for _ in 0..12 {
            let mut body = body.clone();
            for _ in 0..=random(3) {
                let at = random(body.len().max(1));
                match random(3) {
                    _ if body.len() < 2 => {}
                    0 => body[at] = b"\n\n{}[]\":, \xff\x80"[random(12)],
                    1 => drop(body.remove(at)),
                    _ => body.truncate(at.max(1)),
                }
            }
            let whole = inspect(&case.entries(&body, &[(200, body.len())]));
            tiles(&whole, &case.ended);
            let cut = 1 + random(body.len().saturating_sub(1).max(1));
            let halves = inspect(&case.entries(&body, &[(200, cut), (200, body.len())]));
            let inside_crlf = body.get(cut) == Some(&b'\n') && body[cut - 1] == b'\r';
            assert!(
                inside_crlf || found(&whole, false) == found(&halves, false),
                "{} cut at {cut}: {:?}",
                folder.display(),
                String::from_utf8_lossy(&body)
            );
        }
    }
}

/// Saved and opened again, the same findings.
#[test]
fn a_saved_session_gives_the_same_findings() {
    for folder in folders(&corpus()) {
        let (case, body) = Case::load(&folder);
        let entries = case.entries(&body, &case.reads(&body));
        let mut saved = file::header("test", "2026-01-01T00:00:00Z").into_bytes();
        for entry in &entries {
            file::encode(entry, &mut saved);
        }
        let opened = file::read(saved.as_slice()).unwrap();
        assert_eq!(opened.entries, entries, "{}", folder.display());
        let (a, b) = (inspect(&entries), inspect(&opened.entries));
        assert_eq!(a.findings(), b.findings(), "{}", folder.display());
        assert_eq!(a.verdict(), b.verdict());
    }
}

#[test]
fn every_code_has_a_case() {
    let mut shown = BTreeSet::new();
    for folder in folders(&corpus()) {
        let (case, _) = Case::load(&folder);
        shown.extend(case.expected.into_iter().map(|e| e.0));
    }
    let without: BTreeSet<_> = WITHOUT_CASE.iter().map(|w| w.0).collect();
    // What takes two exchanges has no case of one.
    let missing: Vec<_> = rule::rules()
        .filter(|r| r.phase != rule::Phase::Compare)
        .map(|r| r.code)
        .filter(|c| !shown.contains(*c) && !without.contains(c))
        .collect();
    assert!(missing.is_empty(), "no case shows {missing:?}");
    for (code, why) in WITHOUT_CASE {
        assert!(
            rule::find(code).is_some() && !shown.contains(*code),
            "{code} ({why}) is no exception"
        );
    }
}

/// A stream that a real provider sent and that came to its end has nothing above info; a refusal
/// has its status on top.
#[test]
fn recorded_streams_are_sound() {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    if !recorded.is_dir() {
        println!("skipped: {} is not there", recorded.display());
        return;
    }
    let mut fired: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let (mut streams, mut wrong) = (0, Vec::new());
    let mut metas: Vec<_> =
        std::fs::read_dir(&recorded).unwrap().map(|e| e.unwrap().path()).collect();
    metas.sort();
    for path in metas.iter().filter(|p| p.to_string_lossy().ends_with(".meta.json")) {
        let meta: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let dialect = meta["dialect"].as_str().unwrap();
        let name = meta["name"].as_str().unwrap();
        let body = std::fs::read(recorded.join(meta["file"].as_str().unwrap())).unwrap();
        let case = Case {
            status: meta["http"]["status"].as_u64().map(|s| s as u16),
            content_type: meta["http"]["content_type"].as_str().map(Into::into),
            headers: vec![],
            version: http1(),
            body: None,
            bare: true,
            ended: "unknown".into(),
            detail: String::new(),
            dialect: dialect.to_owned(),
            request_body: String::new(),
            warnings: vec![],
            notes: vec![],
            reads: vec![],
            head_at: 0,
            end_at: None,
            expected: vec![],
        };
        let inspection = inspect(&case.entries(&body, &[(0, body.len())]));
        tiles(&inspection, name);
        streams += 1;
        if std::env::var_os("SHOW").is_some() {
            println!("{name}: {} {}", inspection.is_healthy(), inspection.verdict());
            for f in inspection.findings() {
                println!("    {:5} {} @{:?} {}", f.severity.name(), f.code(), f.frame, f.message);
            }
        }
        for f in inspection.findings() {
            assert!(!f.rule.reads, "{name}: {} without reads", f.code());
        }
        let codes: BTreeSet<_> =
            inspection.findings().iter().map(|f| (f.code(), f.severity.name())).collect();
        for code in codes {
            *fired.entry(code).or_default() += 1;
        }
        let bad = inspection.worst() > Some(rule::Severity::Info);
        if inspection.is_healthy() && bad {
            wrong.push(name.to_owned());
        }
        // What the verdict says of a refusal is its status.
        if let Some(status) = case.status.filter(|s| *s >= 300) {
            let verdict = inspection.verdict();
            assert!(inspection.findings().iter().any(|f| f.code().starts_with("http-")), "{name}");
            assert!(verdict.contains(&status.to_string()), "{name}: {verdict}");
        }
    }
    println!("{streams} streams:");
    for ((code, severity), n) in fired {
        println!("{n:4} {severity:5} {code}");
    }
    assert!(wrong.is_empty(), "above info, though sound: {wrong:?}");
}
