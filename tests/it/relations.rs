//! Each relation between rules is needed: without it, some case of the corpus would be told
//! otherwise than its file says.
//!
//! The order of the findings and what follows from what are worked out here a second time, from
//! relations that a test can take away one at a time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::IgnoredAny;
use sselens::inspect::Finding;
use sselens::rule::{Code, Phase, Severity};

use crate::findings::{inspect, leading, story};
use crate::support::corpus::cases;

/// Relations that no case needs, and why they are there.
const UNNEEDED: &[(&str, &str)] = &[
    ("client-fails aside", "it is raised after the fold, where nothing else is left to say"),
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
    #[serde(rename = "depends_on_reads", default)]
    _depends_on_reads: IgnoredAny,
    #[serde(rename = "reproduce", default)]
    _reproduce: IgnoredAny,
    #[serde(rename = "brief", default)]
    _brief: IgnoredAny,
    #[serde(rename = "hides", default)]
    _hides: IgnoredAny,
    #[serde(rename = "by_bytes", default)]
    _by_bytes: IgnoredAny,
    #[serde(rename = "blame", default)]
    _blame: IgnoredAny,
    #[serde(default)]
    class: Vec<String>,
    #[serde(default)]
    follows_from: Vec<String>,
    #[serde(default)]
    leads: bool,
    #[serde(default)]
    aside: bool,
}

type Pages = BTreeMap<Code, Relations>;

fn pages() -> Pages {
    let relations = |code: Code| {
        let path = format!("{}/assets/rules/{code}.md", env!("CARGO_MANIFEST_DIR"));
        let page = std::fs::read_to_string(path).unwrap();
        let front = page.split("+++\n").nth(1).unwrap();
        (code, toml::from_str(front).unwrap())
    };
    Code::all().map(relations).collect()
}

/// The relations by code, classes resolved.
struct Graph {
    /// What a rule follows from, where it does.
    causes: BTreeMap<Code, BTreeSet<Code>>,
    leads: BTreeSet<Code>,
    aside: BTreeSet<Code>,
}

impl Graph {
    fn of(pages: &Pages) -> Self {
        let is = |code: Code, from: &String| match from.strip_prefix("class:") {
            Some(class) => pages[&code].class.iter().any(|c| c == class),
            None => code.name() == from,
        };
        let named = |from: &[String]| -> BTreeSet<Code> {
            pages.keys().copied().filter(|code| from.iter().any(|f| is(*code, f))).collect()
        };
        let effects = pages.iter().filter(|p| !p.1.follows_from.is_empty());
        let with =
            |so: fn(&Relations) -> bool| pages.iter().filter(|p| so(p.1)).map(|p| *p.0).collect();
        Self {
            causes: effects.map(|(code, r)| (*code, named(&r.follows_from))).collect(),
            leads: with(|r| r.leads),
            aside: with(|r| r.aside),
        }
    }

    /// Whether `effect` follows from one of these.
    fn follows(&self, effect: Code, from: impl Fn(&Code) -> bool) -> bool {
        self.causes.get(&effect).is_some_and(|all| all.iter().any(from))
    }
}

/// The finding that the verdict is about, and those that are harmless and lead.
fn cause<'a>(graph: &Graph, findings: &'a [Finding]) -> Option<&'a Finding> {
    let worst = findings.iter().map(|f| f.severity).max().filter(|s| *s > Severity::Info)?;
    let has: BTreeSet<Code> = findings.iter().map(|f| f.code).collect();
    let follows = |code| graph.aside.contains(&code) || graph.follows(code, |c| has.contains(c));
    let graves = findings.iter().filter(|f| f.severity >= worst.min(Severity::Error));
    graves.min_by_key(|f| (follows(f.code), Reverse(f.severity), f.phase()))
}

/// The findings as a case file lists them, by these relations.
fn told(graph: &Graph, findings: &[Finding]) -> Vec<String> {
    let cause = cause(graph, findings).map(|f| f.code);
    let mut groups: BTreeMap<Code, Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        groups.entry(finding.code).or_default().push(finding);
    }
    // The first of the gravest stands for its code.
    let first = |group: &[&Finding]| {
        let at = (0..group.len()).min_by_key(|i| Reverse(group[*i].severity)).unwrap();
        group[at].clone()
    };
    let place = |f: &Finding| findings.iter().position(|g| g == f).unwrap();
    let mut firsts: Vec<Finding> = groups.values().map(|g| first(g)).collect();
    firsts.sort_by_key(|f| (Some(f.code) != cause, Reverse(f.severity), place(f)));
    let above = |effect: &Finding| {
        let explains = |f: &Finding| f.phase() != Phase::Body || f.severity >= Severity::Error;
        firsts.iter().find(|f| {
            f.code != effect.code && graph.follows(effect.code, |c| *c == f.code) && explains(f)
        })
    };
    let under = |f: &Finding| above(f).filter(|a| above(a).is_none()).map(|a| a.code);
    let mut lines = Vec::new();
    for top in firsts.iter().filter(|f| under(f).is_none()) {
        let below = firsts.iter().filter(|f| under(f) == Some(top.code)).map(|f| ("- ", f));
        for (mark, group) in std::iter::once(("", top)).chain(below) {
            let mut severities: Vec<_> = groups[&group.code].iter().map(|f| f.severity).collect();
            let at = severities.iter().position(|s| *s == group.severity).unwrap();
            severities[..=at].rotate_right(1);
            lines.extend(severities.iter().map(|s| format!("{mark}{} {}", s.name(), group.code)));
        }
    }
    lines
}

/// The finding that the verdict is about, as a case file names it, by these relations.
fn lead(graph: &Graph, findings: &[Finding]) -> Option<Code> {
    match cause(graph, findings) {
        Some(cause) => {
            let first = told(graph, findings).remove(0);
            Some(cause.code).filter(|code| !first.ends_with(&format!(" {code}")))
        }
        None => findings.iter().map(|f| f.code).find(|code| graph.leads.contains(code)),
    }
}

/// Every relation, by name, and the graph without it.
fn mutations(pages: &Pages) -> Vec<(String, Graph)> {
    let mut all = Vec::new();
    for (code, relations) in pages {
        let mut without = |name: &str, change: &dyn Fn(&mut Relations)| {
            let mut mutant = pages.clone();
            change(mutant.get_mut(code).unwrap());
            all.push((format!("{code} {name}"), Graph::of(&mutant)));
        };
        for i in 0..relations.class.len() {
            without(&format!("class {}", relations.class[i]), &|r| drop(r.class.remove(i)));
        }
        for i in 0..relations.follows_from.len() {
            let name = format!("follows_from {}", relations.follows_from[i]);
            without(&name, &|r| drop(r.follows_from.remove(i)));
        }
        if relations.leads {
            without("leads", &|r| r.leads = false);
        }
        if relations.aside {
            without("aside", &|r| r.aside = false);
        }
    }
    all
}

#[test]
fn no_relation_can_be_taken_away_unseen() {
    let pages = pages();
    let graph = Graph::of(&pages);
    let mut inspected = Vec::new();
    for case in cases() {
        let inspection = inspect(&case.entries());
        let expected = (story(&inspection), leading(&inspection));
        let findings = inspection.findings().to_vec();
        assert_eq!(told(&graph, &findings), expected.0, "{}", case.name);
        assert_eq!(lead(&graph, &findings), expected.1, "{}", case.name);
        inspected.push((findings, expected));
    }
    let changes = |mutant: &Graph| {
        let same = |(findings, (story, leading)): &(Vec<Finding>, (Vec<String>, Option<Code>))| {
            told(mutant, findings) == *story && lead(mutant, findings) == *leading
        };
        !inspected.iter().all(same)
    };
    let mutations = mutations(&pages);
    assert!(mutations.len() > 30);
    let unneeded: Vec<_> =
        mutations.iter().filter(|(_, mutant)| !changes(mutant)).map(|m| m.0.as_str()).collect();
    let known: Vec<_> = UNNEEDED.iter().map(|u| u.0).collect();
    assert_eq!(unneeded, known, "relations without a case that needs them");
}
