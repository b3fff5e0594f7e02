//! Makes data out of `assets/` at build time, so that adding a scenario or a rule is adding a file:
//! `scenarios.rs` lists `assets/scenarios/*.toml`, `codes.rs` is the registry of rules, one for each
//! `assets/rules/CODE.md`, `configuration.rs` is the built-in configuration, read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

fn main() -> io::Result<()> {
    // Watch directories for added and removed files, and each file for edits.
    for watched in ["build.rs", "assets/scenarios", "assets/rules", "assets/default-config.toml"] {
        println!("cargo::rerun-if-changed={watched}");
    }
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let target = PathBuf::from(variable("OUT_DIR")?);
    fs::write(target.join("scenarios.rs"), scenarios(&root.join("assets/scenarios"))?)?;
    let configuration = configuration(&root.join("assets/default-config.toml"))?;
    fs::write(target.join("configuration.rs"), configuration)?;
    fs::write(target.join("codes.rs"), codes(&root.join("assets/rules"))?)
}

/// The source text of what a configuration says, as `config/keys.rs` reads it: its `[keys.*]` tables (a line for
/// each key: context, key, action and line number between tabs), its themes, each with its name (a line for
/// each role: the role, a tab, its style), and everything else as JSON.
fn configuration(file: &Path) -> io::Result<String> {
    let text = fs::read_to_string(file)?;
    let table = DeTable::parse(&text).map_err(io::Error::other)?;
    let plain = |part: &str| match part.contains(['\t', '\n']) {
        true => Err(bad(format!("{}: a tab or a line end in {part:?}", file.display()))),
        false => Ok(part.to_owned()),
    };
    let section = |name: &str| {
        let tables = table.get_ref().get(name).and_then(|names| names.get_ref().as_table());
        tables
            .into_iter()
            .flatten()
            .filter_map(|(name, rows)| Some((name.get_ref(), rows.get_ref().as_table()?)))
    };
    let string = |value: &Spanned<DeValue<'_>>| plain(value.get_ref().as_str().unwrap_or_default());
    let mut keys = Vec::new();
    for (context, rows) in section("keys") {
        for (key, action) in rows {
            let line = text[..key.span().start].matches('\n').count() + 1;
            let (context, key) = (plain(context)?, plain(key.get_ref())?);
            keys.push((line, format!("{context}\t{key}\t{}\t{line}\n", string(action)?)));
        }
    }
    // A parsed table is sorted by key; people read a file from the top.
    keys.sort();
    let keys: String = keys.into_iter().map(|(_, row)| row).collect();
    let mut themes = String::new();
    for (name, roles) in section("theme") {
        let mut rows = String::new();
        for (role, words) in roles {
            writeln!(rows, "{}\t{}", plain(role.get_ref())?, string(words)?)
                .map_err(io::Error::other)?;
        }
        write!(themes, "({name:?}, {rows:?}), ").map_err(io::Error::other)?;
    }
    let mut rest: toml::Table = text.parse().map_err(io::Error::other)?;
    rest.remove("keys");
    let chosen =
        rest.remove("theme").and_then(|theme| Some(theme.get("name")?.as_str()?.to_owned()));
    let rest = serde_json::to_string(&rest)?;
    Ok(format!(
        "BuiltIn {{ keys: {keys:?}, theme: {chosen:?}, themes: &[{themes}], rest: {rest:?} }}\n"
    ))
}

/// What is read of a scenario's file at build time.
#[derive(Deserialize)]
struct About {
    #[serde(default)]
    about: String,
}

/// The source text of a slice of `(name, about, contents)`, sorted by name.
fn scenarios(folder: &Path) -> io::Result<String> {
    let mut source = String::from("&[\n");
    for (name, path) in files(folder, "toml")? {
        // One that cannot be read fails a test, which says why.
        let about = toml::from_str::<About>(&fs::read_to_string(&path)?).map(|a| a.about);
        let about = about.unwrap_or_default();
        // `{:?}` also escapes the backslashes of a Windows path.
        let path = path.display().to_string();
        writeln!(source, "    ({name:?}, {about:?}, include_str!({path:?})),")
            .map_err(io::Error::other)?;
    }
    source.push_str("]\n");
    Ok(source)
}

/// What stands before the text of a rule's page, between two lines of `+++`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontMatter {
    severity: String,
    phase: String,
    #[serde(default)]
    depends_on_reads: bool,
    #[serde(default)]
    reproduce: String,
    #[serde(default)]
    brief: String,
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
    blame: Option<String>,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    while_running: bool,
}

/// One rule's page.
struct Page {
    front: FrontMatter,
    /// The text under each of [`HEADINGS`].
    texts: Vec<String>,
}

/// The headings of a page, in order, and the fields of `Rule` that they fill.
const HEADINGS: [(&str, &str); 5] = [
    ("What it is", "what"),
    ("Example", "example"),
    ("Who it breaks", "breaks"),
    ("Fix", "fix"),
    ("Seen in", "seen_in"),
];

/// The source text of the enum `Code` and of the table `RULES`, in alphabetical order.
fn codes(folder: &Path) -> io::Result<String> {
    let mut pages = BTreeMap::new();
    for (code, path) in files(folder, "md")? {
        let text = fs::read_to_string(&path)?;
        let page = page(&text).map_err(|why| bad(format!("{}: {why}", path.display())))?;
        pages.insert(code, page);
    }
    let mut classes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (code, page) in &pages {
        for class in &page.front.class {
            classes.entry(class).or_default().push(code);
        }
    }
    let mut source = String::from(
        "/// The name of a rule. There is one for each page in `assets/rules`.\n\
         #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]\npub enum Code {\n",
    );
    for (code, page) in &pages {
        let what = page.texts[0].replace('\n', " ").replace('[', "\\[").replace('<', "\\<");
        let doc = format!("`{code}`: {what}");
        source.push_str(&format!("    #[doc = {doc:?}]\n    {},\n", variant(code)));
    }
    source.push_str("}\n\nstatic RULES: &[Rule] = &[\n");
    for (code, page) in &pages {
        let Page { front, texts } = page;
        let name = variant(code);
        source.push_str(&format!(
            "    Rule {{ code: Code::{name}, name: {code:?}, severity: Severity::{}, phase: Phase::{}, \
             depends_on_reads: {}, reproduce: {:?}, brief: {:?}, leads: {}, aside: {}, by_bytes: {}, while_running: {}, blame: {}, subject: {},\n",
            capital(&front.severity),
            capital(&front.phase),
            front.depends_on_reads,
            front.reproduce,
            front.brief,
            front.leads,
            front.aside,
            front.by_bytes,
            front.while_running,
            optional("Party", front.blame.as_deref()),
            optional("Subject", front.subject.as_deref()),
        ));
        for (field, targets) in [("follows_from", &front.follows_from), ("hides", &front.hides)] {
            let mut all = BTreeSet::new();
            for target in targets {
                match target.strip_prefix("class:").map(|class| classes.get(class)) {
                    Some(Some(members)) => all.extend(members.iter().copied()),
                    None if pages.contains_key(target) => drop(all.insert(target.as_str())),
                    _ => {
                        return Err(bad(format!(
                            "{code}.md: {field} names {target:?}: no such code"
                        )));
                    }
                }
            }
            let all: Vec<_> = all.into_iter().map(|c| format!("Code::{}", variant(c))).collect();
            source.push_str(&format!("        {field}: &[{}],\n", all.join(", ")));
        }
        for ((_, field), text) in HEADINGS.iter().zip(texts) {
            source.push_str(&format!("        {field}: {text:?},\n"));
        }
        source.push_str("    },\n");
    }
    source.push_str("];\n");
    Ok(source)
}

/// The source text of an `Option` of an enum's variant.
fn optional(name: &str, variant: Option<&str>) -> String {
    variant.map_or_else(|| "None".to_owned(), |v| format!("Some({name}::{})", capital(v)))
}

/// Reads one page: front matter, then the five headings in their order.
fn page(text: &str) -> Result<Page, String> {
    let rest = text.strip_prefix("+++\n").ok_or("does not begin with a line of +++")?;
    let (front, body) = rest.split_once("\n+++\n").ok_or("has no second line of +++")?;
    let front = toml::from_str(front).map_err(|error| error.to_string())?;
    let mut sections = format!("\n{body}");
    let mut texts = Vec::new();
    for (heading, _) in HEADINGS.iter().rev() {
        let at = sections
            .rfind(&format!("\n## {heading}\n"))
            .ok_or(format!("has no heading {heading:?} where it belongs"))?;
        let text = sections[at + heading.len() + 5..].trim();
        let text =
            text.strip_prefix("```text\n").and_then(|t| t.strip_suffix("\n```")).unwrap_or(text);
        if text.is_empty() {
            return Err(format!("says nothing under {heading:?}"));
        }
        texts.push(text.to_owned());
        sections.truncate(at);
    }
    match sections.trim() {
        "" => {}
        odd => return Err(format!("has text before its first heading, or another one: {odd:?}")),
    }
    texts.reverse();
    Ok(Page { front, texts })
}

/// The enum's name for a code: `empty-stream` is `EmptyStream`.
fn variant(code: &str) -> String {
    code.split('-').map(capital).collect()
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + chars.as_str())
}

/// The files of a folder with that extension: stem and path, sorted.
fn files(folder: &Path, extension: &str) -> io::Result<Vec<(String, PathBuf)>> {
    let mut all = Vec::new();
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        let stem = path.file_stem().and_then(|name| name.to_str()).map(str::to_owned);
        if let (Some(stem), Some(true)) = (stem, path.extension().map(|it| it == extension)) {
            println!("cargo::rerun-if-changed={}", path.display());
            all.push((stem, path));
        }
    }
    all.sort();
    Ok(all)
}

fn bad(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(|error| io::Error::other(format!("{name}: {error}")))
}
