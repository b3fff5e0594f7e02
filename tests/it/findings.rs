//! Findings, held against recordings: our own corpus with one case a code, and the recorded
//! provider streams where they lie beside this repository.
//!
//! A case is a file `tests/corpus/CODE.case` or `CODE--what-is-special.case`; see [`Case`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sselens::inspect::{Finding, InspectOptions, Inspection};
use sselens::journal::{Entry, file};
use sselens::rule::{Code, Phase, Severity};

use crate::needs::{Needs, recordings};
use crate::support::corpus::{Case, cases};

/// Codes without a case, and why.
const WITHOUT_CASE: &[(&str, &str)] = &[("limit-frame", "needs a frame of 256 MiB")];

pub(crate) fn inspect(entries: &[Entry]) -> Inspection {
    inspect_with(Arc::new(InspectOptions::default()), entries)
}

pub(crate) fn inspect_with(options: Arc<InspectOptions>, entries: &[Entry]) -> Inspection {
    let mut inspection = Inspection::new(options);
    for entry in entries {
        inspection.push(entry);
    }
    inspection
}

/// The findings in the order of the story, each `severity code`; `- ` is before what follows from the
/// one above.
pub(crate) fn story(inspection: &Inspection) -> Vec<String> {
    let mut lines = Vec::new();
    for group in inspection.story() {
        let mark = if group.under { "- " } else { "" };
        for finding in group.findings.iter().map(|i| &inspection.findings()[*i]) {
            lines.push(format!("{mark}{} {}", finding.severity.name(), finding.code));
        }
    }
    lines
}

/// The finding that the verdict is about, where it is not the cause that the story begins with.
pub(crate) fn leading(inspection: &Inspection) -> Option<Code> {
    let findings = inspection.findings();
    let first = inspection.story().first().map(|g| findings[g.findings[0]].code);
    match inspection.cause() {
        Some(cause) => Some(cause.code).filter(|code| Some(*code) != first),
        None => findings.iter().find(|f| f.sentence() == inspection.verdict()).map(|f| f.code),
    }
}

type Found = Vec<(&'static str, &'static str, Option<u32>, Option<u64>, String)>;

fn found(inspection: &Inspection, with_reads: bool) -> Found {
    let findings =
        inspection.findings().iter().filter(|f| with_reads || !f.rule().depends_on_reads);
    findings
        .map(|f| (f.code.name(), f.severity.name(), f.frame, f.offset, f.message.clone()))
        .collect()
}

fn tiles(inspection: &Inspection, name: &str) {
    let mut at = 0;
    for frame in inspection.frames().iter() {
        assert_eq!(frame.offset, at, "{name}: a gap or an overlap");
        at = frame.end();
    }
    assert_eq!(at, inspection.body().len() as u64, "{name}: bytes without a frame");
}

#[test]
fn each_case_has_exactly_its_findings() {
    let update = std::env::var_os("SSELENS_UPDATE_CASES").is_some_and(|v| v == "1");
    let mut wrong = Vec::new();
    for case in cases() {
        let name = &case.name;
        // A case tests its own rule; simulate the clients only where that is the rule.
        let options = match case.code() {
            "client-fails" => crate::support::options(),
            _ => Arc::default(),
        };
        let inspection = inspect_with(options, &case.entries());
        tiles(&inspection, name);
        let (have, verdict) = (story(&inspection), leading(&inspection).map(|c| c.name()));
        if have != case.expected || verdict != case.verdict.as_deref() {
            let messages: Vec<_> = inspection
                .findings()
                .iter()
                .map(|f| format!("\n    {}: {}", f.code, f.message))
                .collect();
            wrong.push(format!(
                "{name}: expected {:?}, verdict {:?}\n    found {have:?}, verdict {verdict:?}{}",
                case.expected,
                case.verdict,
                messages.concat()
            ));
            if update {
                case.rewrite(&have, verdict);
            }
        }
        if std::env::var_os("SHOW").is_some() {
            println!("{name}: {}", inspection.verdict());
            for f in inspection.findings() {
                println!(
                    "    {:5} {} @{:?} {}",
                    f.severity.name(),
                    f.code.name(),
                    f.frame,
                    f.message
                );
            }
        }
        let about = inspection.findings().iter().any(|f| f.code.name() == case.code());
        assert!(about || name.starts_with("sound"), "{name} is not about its code");
        assert!(inspection.findings().iter().all(|f| !f.message.is_empty()), "{name}");
        // A stream is called healthy, and blames no one, only if no finding is above info.
        let verdict = inspection.verdict();
        let bad = inspection.worst() > Some(Severity::Info);
        assert!(!(bad && verdict.to_lowercase().contains("healthy")), "{name}: {verdict}");
        assert_eq!(inspection.blame().is_some(), bad, "{name}: {:?}", inspection.blame());
        assert!(!inspection.verdict().is_empty());
    }
    assert!(
        wrong.is_empty(),
        "{} cases differ (SSELENS_UPDATE_CASES=1 writes what was found into them):\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Any cut of the same bytes gives the same frames and findings, but for rules about reads, and
/// for the LF that comes a read after its CR.
#[test]
fn any_cut_gives_the_same_findings() {
    for case in cases() {
        let (body, reads) = (&case.body[..], case.reads());
        let (Some(first), Some(last)) = (reads.first(), reads.last()) else { continue };
        let (first, last) = (first.0, last.0);
        let whole = inspect(&case.entries_of(body, &[(last, body.len())]));
        let cr = body.contains(&b'\r');
        // Long bodies consist of one long frame, so a few cuts are enough. Each case is cut at other places.
        let cuts = if body.len() > 20_000 { 6 } else { 20 };
        let step = (body.len() / cuts).max(1);
        let first_cut = 1 + case.name.bytes().map(usize::from).sum::<usize>() % step;
        for cut in (first_cut..body.len()).step_by(step) {
            let halves = inspect(&case.entries_of(body, &[(first, cut), (last, body.len())]));
            tiles(&halves, &case.name);
            let same = found(&halves, false) == found(&whole, false);
            let inside_crlf = cr && body[cut] == b'\n';
            assert!(
                same || inside_crlf,
                "{} cut at {cut}:\n{:#?}\n{:#?}",
                case.name,
                found(&whole, false),
                found(&halves, false)
            );
        }
        let piece = (body.len() / 10_000).max(1);
        let bytewise: Vec<_> = (0..body.len().div_ceil(piece)).map(|_| (last, piece)).collect();
        let bytewise = inspect(&case.entries_of(body, &bytewise));
        let codes = |i: &Inspection| -> Vec<_> {
            found(i, false).into_iter().map(|f| (f.0, f.1)).collect()
        };
        assert_eq!(codes(&bytewise), codes(&whole), "{} byte by byte", case.name);
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
    for case in cases() {
        let body = &case.body;
        if body.is_empty() || body.len() > 10_000 {
            continue;
        }
        for _ in 0..6 {
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
            let whole = inspect(&case.entries_of(&body, &[(200, body.len())]));
            tiles(&whole, &case.name);
            let cut = 1 + random(body.len().saturating_sub(1).max(1));
            let halves = inspect(&case.entries_of(&body, &[(200, cut), (200, body.len())]));
            let inside_crlf = body.get(cut) == Some(&b'\n') && body[cut - 1] == b'\r';
            assert!(
                inside_crlf || found(&whole, false) == found(&halves, false),
                "{} cut at {cut}: {:?}",
                case.name,
                String::from_utf8_lossy(&body)
            );
        }
    }
}

/// Saved and opened again, the same findings.
#[test]
fn a_saved_session_gives_the_same_findings() {
    for case in cases() {
        let entries = case.entries();
        let mut saved = file::header("test", "2026-01-01T00:00:00Z").into_bytes();
        for entry in &entries {
            file::encode(entry, &mut saved);
        }
        let opened = file::read(saved.as_slice()).unwrap();
        assert_eq!(opened.entries, entries, "{}", case.name);
        let (a, b) = (inspect(&entries), inspect(&opened.entries));
        assert_eq!(a.findings(), b.findings(), "{}", case.name);
        assert_eq!(a.verdict(), b.verdict());
    }
}

#[test]
fn every_code_has_a_case() {
    let mut shown = BTreeSet::new();
    for case in cases() {
        shown.extend(
            case.expected.iter().filter_map(|e| e.split(' ').next_back()).map(str::to_owned),
        );
    }
    let without: BTreeSet<_> = WITHOUT_CASE.iter().map(|w| w.0).collect();
    // A rule about two exchanges cannot have a case with one.
    let missing: Vec<_> = Code::all()
        .map(Code::rule)
        .filter(|r| r.phase != Phase::Compare)
        .map(|r| r.name)
        .filter(|c| !shown.contains(*c) && !without.contains(c))
        .collect();
    assert!(missing.is_empty(), "no case shows {missing:?}");
    for (code, why) in WITHOUT_CASE {
        assert!(
            code.parse::<Code>().is_ok() && !shown.contains(*code),
            "{code} ({why}) is no exception"
        );
    }
}

/// What is above info in recorded streams that came to their end, and who suffers.
const SUFFERS: &[(&str, &str)] = &[
    ("candidates-empty", "google-genai: a turn without an answer and without an error"),
    ("done-on-anthropic", "both Anthropic SDKs raise at an event of that name"),
    ("final-output-empty", "both OpenAI helpers return nothing (the ChatGPT backend of Codex)"),
    ("item-id-rotates", "openai-python raises, the AI SDK throws (Copilot)"),
    ("required-field-missing", "openai-python's or openai-node's helper raises (Z.ai, Copilot)"),
    ("unknown-event-type", "openai-node's helper raises (hosted shell, gpt-oss at Bedrock)"),
    ("sequence-gap", "clients that check the numbers take an event for lost"),
    ("length-during-reasoning", "everyone: there is no answer"),
    ("length-truncated", "agents: the arguments of a call are cut"),
    ("sse-mislabelled", "clients that ask for text/event-stream refuse the response"),
    ("sse-no-final-blank", "every standard client drops the last event"),
    (
        "tool-index-missing",
        "OpenAI's helpers raise or lose the call; Mistral's own SDK takes it for the first",
    ),
    ("tool-finish-stop", "agents that go by the finish do not run the call"),
    ("usage-inconsistent", "the AI SDK counts a negative number of text tokens"),
];

/// A stream that a real provider sent and that came to its end has nothing above info but what
/// makes a client suffer; a refusal has its status on top.
#[test]
fn recorded_streams_are_sound() {
    if !Needs::Recordings.are_met() {
        return;
    }
    let recorded = recordings();
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
        let status = meta["http"]["status"].as_u64().map(|s| s as u16);
        let content_type = meta["http"]["content_type"].as_str();
        let case = Case::of_bare(status, content_type, dialect, body);
        let inspection = inspect(&case.entries());
        tiles(&inspection, name);
        streams += 1;
        if std::env::var_os("SHOW").is_some() {
            println!("{name}: {} {}", inspection.is_healthy(), inspection.verdict());
            for f in inspection.findings() {
                println!(
                    "    {:5} {} @{:?} {}",
                    f.severity.name(),
                    f.code.name(),
                    f.frame,
                    f.message
                );
            }
        }
        for f in inspection.findings() {
            assert!(!f.rule().depends_on_reads, "{name}: {} without reads", f.code.name());
        }
        let codes: BTreeSet<_> =
            inspection.findings().iter().map(|f| (f.code.name(), f.severity.name())).collect();
        for code in codes {
            *fired.entry(code).or_default() += 1;
        }
        let suffers = |code: Code| SUFFERS.iter().any(|(known, _)| *known == code.name());
        let bad = |f: &&Finding| f.severity > Severity::Info && !suffers(f.code);
        if inspection.is_healthy()
            && let Some(f) = inspection.findings().iter().find(bad)
        {
            wrong.push(format!("{name}: {}", f.code));
        }
        // The verdict on a refusal is its status.
        if let Some(status) = case.status.filter(|s| *s >= 300) {
            let verdict = inspection.verdict();
            assert!(
                inspection.findings().iter().any(|f| f.code.name().starts_with("http-")),
                "{name}"
            );
            assert!(verdict.contains(&status.to_string()), "{name}: {verdict}");
        }
    }
    println!("{streams} streams:");
    for ((code, severity), n) in fired {
        println!("{n:4} {severity:5} {code}");
    }
    assert!(wrong.is_empty(), "above info, though sound: {wrong:?}");
}
