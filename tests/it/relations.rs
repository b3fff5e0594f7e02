//! Each relation between rules is needed: without it, some exchange of the corpus or some comparison
//! would be judged otherwise.
//!
//! The relations are read from the pages a second time, and taken away one at a time; the program
//! judges by what is left.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use sselens::inspect::InspectOptions;
use sselens::journal::Entry;
use sselens::rule::{Code, Party, Rules, Severity, Subject};

use crate::findings::{inspect, inspect_with, leading, story};
use crate::pairs::{Pair, pairs};
use crate::support::corpus::{Case, cases};

/// Relations that nothing here needs, and why they are there.
const UNNEEDED: &[(&str, &str)] = &[
    ("client-fails aside", "it is raised last, where nothing else is left to say"),
    ("credential-echoed aside", "nothing else of its severity stands beside it in a case"),
    ("journal-behind aside", "its phase comes last of those that are as bad"),
    ("missing-done aside", "it is harmless wherever nothing else is wrong"),
    ("session-damaged aside", "its phase comes last of those that are as bad"),
    ("session-torn aside", "its phase comes last of those that are as bad"),
];

/// What a page says of the relations of its rule, and the fields that are none: a new relation has
/// to be taken away here too.
#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Relations {
    #[serde(rename = "severity")]
    _severity: IgnoredAny,
    #[serde(rename = "phase")]
    _phase: IgnoredAny,
    #[serde(rename = "reproduce", default)]
    _reproduce: IgnoredAny,
    #[serde(rename = "brief", default)]
    _brief: IgnoredAny,
    #[serde(default)]
    depends_on_reads: bool,
    #[serde(default)]
    class: Vec<String>,
    #[serde(default)]
    follows_from: Vec<String>,
    #[serde(default)]
    hides: Vec<String>,
    #[serde(default)]
    leads: bool,
    #[serde(default)]
    aside: bool,
    #[serde(default)]
    by_bytes: bool,
    #[serde(default)]
    while_running: bool,
    #[serde(default)]
    blame: Option<String>,
    #[serde(default)]
    subject: Option<String>,
}

type Pages = BTreeMap<Code, Relations>;

fn pages() -> Pages {
    let relations = |code: Code| {
        let path = format!("{}/assets/rules/{code}.md", env!("CARGO_MANIFEST_DIR"));
        let page = std::fs::read_to_string(path).unwrap();
        let front = page.split("+++\n").nth(1).unwrap();
        (code, toml::from_str(front).unwrap_or_else(|e| panic!("{code}: {e}")))
    };
    Code::all().map(relations).collect()
}

/// The rules by these pages.
fn rules(pages: &Pages) -> Rules {
    let is = |code: Code, target: &String| match target.strip_prefix("class:") {
        Some(class) => pages[&code].class.iter().any(|c| c == class),
        None => code.name() == target,
    };
    let named = |targets: &[String]| -> &'static [Code] {
        let all = pages.keys().copied().filter(|code| targets.iter().any(|t| is(*code, t)));
        let mut all: Vec<_> = all.collect();
        all.sort_by_key(|code| code.name());
        all.leak()
    };
    let mut rules = Rules::default();
    for (code, page) in pages {
        let rule = rules.of_mut(*code);
        rule.follows_from = named(&page.follows_from);
        rule.hides = named(&page.hides);
        (rule.leads, rule.aside, rule.by_bytes) = (page.leads, page.aside, page.by_bytes);
        rule.while_running = page.while_running;
        rule.depends_on_reads = page.depends_on_reads;
        rule.blame = page.blame.as_deref().map(|name| {
            use Party::{Client, Gateway, Network, Provider, Unknown, You};
            let all = [Provider, Gateway, Network, Client, You, Unknown];
            *all.iter().find(|p| p.name() == name).unwrap_or_else(|| panic!("{name}"))
        });
        rule.subject = page.subject.as_deref().map(|name| match name {
            "request" => Subject::Request,
            "outcome" => Subject::Outcome,
            other => panic!("{other}"),
        });
    }
    rules
}

/// The rules without one relation.
struct Mutant {
    /// The code whose page lacks it.
    code: Code,
    name: String,
    rules: Rules,
}

/// Every relation that the judgement reads, by name, and the rules without it.
fn mutants(pages: &Pages) -> Vec<Mutant> {
    let mut all = Vec::new();
    for (code, relations) in pages {
        let mut without = |name: &str, change: &dyn Fn(&mut Relations)| {
            let mut mutant = pages.clone();
            change(mutant.get_mut(code).unwrap());
            all.push(Mutant { code: *code, name: format!("{code} {name}"), rules: rules(&mutant) });
        };
        for (i, class) in relations.class.iter().enumerate() {
            without(&format!("class {class}"), &|r| drop(r.class.remove(i)));
        }
        for (i, cause) in relations.follows_from.iter().enumerate() {
            without(&format!("follows_from {cause}"), &|r| drop(r.follows_from.remove(i)));
        }
        for (i, effect) in relations.hides.iter().enumerate() {
            without(&format!("hides {effect}"), &|r| drop(r.hides.remove(i)));
        }
        if relations.leads {
            without("leads", &|r| r.leads = false);
        }
        if relations.aside {
            without("aside", &|r| r.aside = false);
        }
        if relations.by_bytes {
            without("by_bytes", &|r| r.by_bytes = false);
        }
        if relations.while_running {
            without("while_running", &|r| r.while_running = false);
        }
        if relations.blame.is_some() {
            without("blame", &|r| r.blame = None);
        }
        if relations.subject.is_some() {
            without("subject", &|r| r.subject = None);
        }
    }
    all
}

fn by(rules: &Rules) -> Arc<InspectOptions> {
    Arc::new(InspectOptions { rules: rules.clone(), ..InspectOptions::default() })
}

/// An exchange of the corpus, and the codes that are found in it.
struct Known {
    case: Case,
    entries: Vec<Entry>,
    codes: BTreeSet<Code>,
}

impl Known {
    fn of(case: Case) -> Self {
        let entries = case.entries();
        let codes = inspect(&entries).findings().iter().map(|f| f.code).collect();
        Self { case, entries, codes }
    }

    /// Whether it is judged as its file says, by these rules.
    fn is_as_said(&self, rules: &Rules) -> bool {
        let inspection = inspect_with(by(rules), &self.entries);
        story(&inspection) == self.case.expected
            && leading(&inspection).map(Code::name) == self.case.verdict.as_deref()
            && self.case.blame.as_deref().is_none_or(|party| self.blames(rules, party))
    }

    /// Whether this party has to act, by these rules, where the finding that the case is about is the
    /// cause.
    fn blames(&self, rules: &Rules, party: &str) -> bool {
        let code: Code = self.case.code().parse().unwrap();
        let severities = [(code, Some(Severity::Fatal))].into();
        let options =
            InspectOptions { rules: rules.clone(), severities, ..InspectOptions::default() };
        let inspection = inspect_with(Arc::new(options), &self.entries);
        inspection.blame().is_some_and(|blame| blame.party.name() == party)
    }
}

#[test]
fn no_relation_can_be_taken_away_unseen() {
    let pages = pages();
    assert_eq!(rules(&pages), Rules::default(), "the pages are read otherwise than by the build");
    let known: Vec<Known> =
        cases().into_iter().filter(|c| c.code() != "client-fails").map(Known::of).collect();
    let pairs = pairs();
    let (whole, mutants) = (Rules::default(), mutants(&pages));
    for case in &known {
        assert!(case.is_as_said(&whole), "{}", case.case.name);
    }
    for pair in &pairs {
        assert_eq!(pair.verdicts(by(&whole)), pair.expected(), "{}", pair.name);
    }
    let is_needed = |mutant: &Mutant| {
        let about = known.iter().filter(|k| k.codes.contains(&mutant.code));
        // A finding that is hidden because of its class is named in no case: look at all cases.
        let is_class = mutant.name.contains(" class ");
        let rest = known.iter().filter(|k| is_class && !k.codes.contains(&mutant.code));
        about.chain(rest).any(|k| !k.is_as_said(&mutant.rules))
            || pairs.iter().any(|p: &Pair| p.verdicts(by(&mutant.rules)) != p.expected())
    };
    let unneeded: Vec<_> = mutants.iter().filter(|m| !is_needed(m)).map(|m| &*m.name).collect();
    let argued: Vec<_> = UNNEEDED.iter().map(|u| u.0).collect();
    assert_eq!(unneeded, argued, "relations without a case that needs them");
}

/// A rule that depends on reads says something else of the same bytes in other reads; that no other
/// rule does is the chunking law's matter.
#[test]
fn what_depends_on_reads_is_found_otherwise_in_other_reads() {
    let mut held = BTreeSet::new();
    for case in cases().iter().filter(|c| !c.bare) {
        let body = &case.body[..];
        let found = |entries: &[Entry]| {
            let inspection = inspect(entries);
            let of_reads = inspection.findings().iter().filter(|f| f.rule().depends_on_reads);
            of_reads.map(|f| (f.code, f.frame, f.message.clone())).collect::<Vec<_>>()
        };
        let as_is = found(&case.entries());
        let last = case.reads().last().map_or(100, |r| r.0);
        let piece = (body.len() / 2_000).max(1);
        let bytewise: Vec<_> = (0..body.len().div_ceil(piece)).map(|_| (last, piece)).collect();
        let mut at_once = case.entries();
        at_once.iter_mut().for_each(|entry| entry.at = Some(0));
        let others = [
            case.entries_of(body, &[(last, body.len())]),
            case.entries_of(body, &bytewise),
            at_once,
        ];
        for other in others.map(|entries| found(&entries)) {
            let codes =
                as_is.iter().chain(&other).filter(|f| !(as_is.contains(f) && other.contains(f)));
            held.extend(codes.map(|f| f.0));
        }
    }
    let flagged: BTreeSet<Code> =
        pages().into_iter().filter(|p| p.1.depends_on_reads).map(|p| p.0).collect();
    assert_eq!(held, flagged);
}
