//! The cases of `tests/corpus`: one file each, a TOML header and the body (CONTRIBUTING.md has the
//! format).

use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::Deserialize;
use sselens::journal::{EndCause, Entry, EntryKind, Head, Request};

/// The line between header and body.
const BODY: &str = "--- body\n";

/// One exchange, and what is found in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    #[serde(skip)]
    pub(crate) name: String,
    /// The response status; none for no response headers.
    pub(crate) status: Option<u16>,
    pub(crate) content_type: Option<String>,
    /// More response headers, each `name: value`; an empty value takes a default away.
    #[serde(default)]
    headers: Vec<String>,
    /// The response headers as they were received, with the escapes of a body; for what only the bytes show.
    #[serde(default)]
    raw_head: String,
    #[serde(default = "http1")]
    version: String,
    /// A bare body: nothing but bytes, and what is known of the headers.
    #[serde(default)]
    pub(crate) bare: bool,
    /// How it ended: the name of an [`EndCause`].
    pub(crate) ended: String,
    /// The HTTP library's words about the end.
    #[serde(default)]
    detail: String,
    #[serde(default = "chat")]
    pub(crate) dialect: String,
    /// The request's method, where that is not POST.
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    request_body: String,
    #[serde(default)]
    warnings: Vec<String>,
    /// Notes of the program, each `code: text`.
    #[serde(default)]
    notes: Vec<String>,
    /// The reads as (milliseconds after the request, bytes); the last takes what is left.
    #[serde(default)]
    reads: Vec<(u64, usize)>,
    /// Milliseconds after the request.
    #[serde(default = "head_at")]
    head_at: u64,
    /// Milliseconds after the request.
    end_at: Option<u64>,
    /// The findings, each `severity code`, in the order of the story: the cause first, and after it,
    /// with `- ` before them, those that follow from it.
    pub(crate) expected: Vec<String>,
    /// The finding that the verdict is about, where that is a harmless one, or not the first here.
    pub(crate) verdict: Option<String>,
    /// Who has to act where the finding that the case is about is the cause.
    pub(crate) blame: Option<String>,
    #[serde(skip)]
    pub(crate) body: Vec<u8>,
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

/// The folder of the cases.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

/// All cases, by name.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|file| {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let name = name.strip_suffix(".case").filter(|_| path.is_file());
            let shown = path.display();
            case(name.unwrap_or_else(|| panic!("{shown}: a case is one file NAME.case")))
        })
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

/// The case of this name.
pub(crate) fn case(name: &str) -> Case {
    let path = folder().join(format!("{name}.case"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Case::parse(name, &text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The bytes of a body as a case file has them.
///
/// `\xHH` is one byte, `\x` at the end of a line leaves the line end out, and all else is itself.
///
/// # Errors
///
/// A `\x` that is neither, and text that an editor would change or hide: control characters but
/// for the line feed, and white space at the end of a line.
fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let wrong = |what: &str| Err(format!("line {} of the body: {what}", number + 1));
        let (line, mut end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        if line.ends_with([' ', '\t']) {
            return wrong("white space at the end: write \\x20");
        }
        if line.contains(|c: char| c.is_control()) {
            return wrong("a control character: write \\xHH");
        }
        let mut parts = line.split("\\x");
        bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
        let mut parts = parts.peekable();
        while let Some(part) = parts.next() {
            if part.is_empty() && parts.peek().is_none() && !end.is_empty() {
                end = "";
                break;
            }
            let hex = part.get(..2).filter(|h| h.bytes().all(|b| b.is_ascii_hexdigit()));
            let Some(byte) = hex.and_then(|h| u8::from_str_radix(h, 16).ok()) else {
                return wrong("\\x needs two hex digits, or the end of the line");
            };
            bytes.push(byte);
            bytes.extend_from_slice(&part.as_bytes()[2..]);
        }
        bytes.extend_from_slice(end.as_bytes());
    }
    Ok(bytes)
}

impl Case {
    /// Reads a case file.
    ///
    /// # Errors
    ///
    /// What is wrong with the header or the body.
    fn parse(name: &str, text: &str) -> Result<Self, String> {
        let at = match text.starts_with(BODY) {
            true => Some(0),
            false => text.find(&format!("\n{BODY}")).map(|at| at + 1),
        };
        let (header, body) = at.map_or((text, ""), |at| (&text[..at], &text[at + BODY.len()..]));
        let mut case: Self = toml::from_str(header).map_err(|e| e.to_string())?;
        if !text.ends_with('\n') {
            return Err("no line end at the end of the file: write \\x before one".into());
        }
        case.name = name.to_owned();
        case.body = unescape(body)?;
        Ok(case)
    }

    /// A body with nothing known but these.
    pub(crate) fn of_bare(
        status: Option<u16>,
        content_type: Option<&str>,
        dialect: &str,
        body: Vec<u8>,
    ) -> Self {
        Self {
            name: String::new(),
            status,
            content_type: content_type.map(str::to_owned),
            headers: Vec::new(),
            raw_head: String::new(),
            version: http1(),
            bare: true,
            ended: "unknown".into(),
            detail: String::new(),
            dialect: dialect.to_owned(),
            method: None,
            request_body: String::new(),
            warnings: Vec::new(),
            notes: Vec::new(),
            reads: Vec::new(),
            head_at: 0,
            end_at: None,
            expected: Vec::new(),
            verdict: None,
            blame: None,
            body,
        }
    }

    /// Writes other findings into the case's file, and nothing else.
    pub(crate) fn rewrite(&self, expected: &[String], verdict: Option<&str>) {
        let path = folder().join(format!("{}.case", self.name));
        let text = std::fs::read_to_string(&path).unwrap();
        let (header, body) = match text.split_once(&format!("\n{BODY}")) {
            Some((header, body)) => (format!("{header}\n"), format!("{BODY}{body}")),
            None => (text, String::new()),
        };
        let at = header.find("expected = [").unwrap();
        let end = at + header[at..].find("]\n").unwrap() + 2;
        let kept = |part: &str| -> String {
            part.split_inclusive('\n').filter(|l| !l.starts_with("verdict = ")).collect()
        };
        let mut new = kept(&header[..at]);
        let line = format!(
            "expected = [{}]\n",
            expected.iter().map(|e| format!("{e:?}")).collect::<Vec<_>>().join(", ")
        );
        if line.len() <= 100 {
            new.push_str(&line);
        } else {
            let items: String = expected.iter().map(|e| format!("    {e:?},\n")).collect();
            new.push_str(&format!("expected = [\n{items}]\n"));
        }
        if let Some(code) = verdict {
            new.push_str(&format!("verdict = {code:?}\n"));
        }
        new.push_str(&kept(&header[end..]));
        std::fs::write(path, new + &body).unwrap();
    }

    /// The code that the case is about: its name up to `--`.
    pub(crate) fn code(&self) -> &str {
        self.name.split("--").next().unwrap_or_default()
    }

    /// The reads as the file has them: (milliseconds after the request, bytes).
    pub(crate) fn reads(&self) -> Vec<(u64, usize)> {
        match (&self.reads[..], &self.body[..]) {
            ([], []) => Vec::new(),
            ([], body) => vec![(self.head_at + 100, body.len())],
            (reads, _) => reads.to_vec(),
        }
    }

    /// The entries of the case as it is.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.entries_of(&self.body, &self.reads())
    }

    /// The entries with another body, in these reads.
    pub(crate) fn entries_of(&self, body: &[u8], reads: &[(u64, usize)]) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut push = |ms: u64, kind| {
            let at = (!self.bare).then_some(ms * 1000);
            entries.push(Entry { exchange: 0, at, kind });
        };
        if self.bare {
            let bare = EntryKind::Bare {
                status: self.status,
                content_type: self.content_type.clone(),
                dialect: Some(self.dialect.clone()),
                named_sse: false,
            };
            push(0, bare);
        } else {
            push(0, EntryKind::Request(Box::new(self.request())));
            if let Some(head) = self.head() {
                push(self.head_at, EntryKind::Head(head));
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
        for (code, text) in pairs(&self.notes) {
            push(last, EntryKind::Note { code, text, since: None });
        }
        let cause =
            EndCause::from_name(&self.ended).unwrap_or_else(|| panic!("no cause {}", self.ended));
        let detail = self.detail.clone();
        push(self.end_at.unwrap_or(last + 1), EntryKind::End { cause, detail });
        entries
    }

    fn request(&self) -> Request {
        Request {
            method: self.method.clone().unwrap_or_else(|| "POST".into()),
            url: "https://example.org/v1/chat/completions".into(),
            body: Bytes::from(self.request_body.clone()),
            dialect: self.dialect.clone(),
            warnings: self.warnings.clone(),
            ..Request::default()
        }
    }

    fn head(&self) -> Option<Head> {
        let status = self.status?;
        let mut headers = pairs(&self.headers);
        if let Some(t) = &self.content_type {
            headers.push(("content-type".into(), t.clone()));
        }
        // Most cases are not about this header.
        if !headers.iter().any(|h| h.0 == "cache-control") {
            headers.push(("cache-control".into(), "no-cache".into()));
        }
        headers.retain(|h| !h.1.is_empty());
        Some(Head {
            status,
            version: self.version.clone(),
            headers,
            raw: Bytes::from(
                unescape(&self.raw_head).unwrap_or_else(|why| panic!("{}: {why}", self.name)),
            ),
            ..Head::default()
        })
    }
}

/// `name: value` taken apart.
fn pairs(list: &[String]) -> Vec<(String, String)> {
    let pair = |line: &String| {
        let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no colon: {line}"));
        (name.to_owned(), value.trim().to_owned())
    };
    list.iter().map(pair).collect()
}

#[test]
fn a_body_is_its_text_but_for_escapes() {
    let same = |text: &str| assert_eq!(unescape(text).unwrap(), text.as_bytes());
    same("");
    same("data: {\"a\":\"\\n\\\\ \\u0000 é\"}\n\n");
    let is = |text: &str, bytes: &[u8]| assert_eq!(unescape(text).unwrap(), bytes, "{text}");
    is("a\\x0d\nb\\x\n", b"a\r\nb");
    is("\\xef\\xbb\\xbf\\xFF\\x00\\x5cx20\\x20\n", b"\xef\xbb\xbf\xff\0\\x20 \n");
    is("a\\x\nb\\x\n\\x\n", b"ab");
    for wrong in
        ["a \n", "a\r\n", "\t\n", "a\\x\\x\n", "\\x4\n", "\\xé\n", "\\x+1\n", "\u{85}\n", "a\\x"]
    {
        assert!(unescape(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_case_says_what_is_wrong_with_it() {
    let with = |text: &str| Case::parse("x", text).map(|c| c.body);
    let header = "ended = 'complete'\nexpected = []\n";
    assert_eq!(with(&format!("{header}--- body\na\n--- body\n")).unwrap(), b"a\n--- body\n");
    assert_eq!(with(header).unwrap(), b"");
    for wrong in [
        "",
        "--- body\na\n",
        "ended = 'complete'\n",
        "what = 1\n",
        "ended = 'complete'\nexpected = []\n--- body\na",
    ] {
        assert!(with(wrong).is_err(), "{wrong:?}");
    }
}
