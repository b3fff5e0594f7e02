//! The real program in a real terminal: what it shows first, what keys do, and that it gives the
//! terminal back however it ends.
#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod secrets;
mod terminal;

use std::sync::Arc;
use std::time::Duration;

use sselens::action::{Done, Effect, Keymap};
use sselens::config::{Config, ConfigSources};
use sselens::journal::{Entry, EntryKind, Head, Request, file};
use sselens::transport::{Clock, Draft};
use sselens::tui::{EffectRunner, Run, Startup, Tools, run};
use terminal::{Home, Terminal};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

const F5: &str = "\x1b[15~";
const CTRL_C: &str = "\x03";

/// What the footer of the first screen has, the last thing that is drawn.
const READY: &str = "F5 send";

/// A stream that is long enough to be interrupted: some 130 frames in 8 s.
const LONG: &[&str] = &["-p", "lab", "-m", "lab/answer", "--pace", "2", "--seed", "1"];
/// One that is over at once.
const SHORT: &[&str] = &["-p", "lab", "-m", "lab/hello", "--pace", "0", "--seed", "1"];

/// The program with a stream that runs and has a few frames.
fn streaming(home: &Home) -> Terminal {
    let mut t = home.run(LONG);
    t.until(READY);
    t.press(F5);
    t.until("streaming");
    t.until_frames(5);
    t
}

#[test]
fn the_first_screen_appears_and_a_request_streams() {
    let home = Home::new();
    let mut t = home.run(SHORT);
    t.until(READY);
    assert!(t.text().contains("sselens"), "{}", t.text());
    assert!(home.sessions().is_empty(), "nothing happened, nothing is kept");
    t.press(F5);
    t.until("complete");
    let frames = t.until_frames(3);
    t.press("q");
    assert_eq!(t.ended(), 0);
    t.assert_clean();
    let kept = home.kept();
    assert_eq!((&kept["reason"], &kept["counts"]["frames"]), (&"complete".into(), &frames.into()));
}

#[test]
fn two_models_are_asked_at_once_and_a_file_stands_beside() {
    let home = Home::new();
    let mut t = home.run(SHORT);
    t.until(READY);
    t.press("Csend to lab\r");
    t.until("Model of B");
    t.press("reasoning-delta\r");
    t.until("Both completed");
    assert!(t.text().contains("lab/reasoning-delta"), "{}", t.text());
    t.press("Cfile\r");
    t.until("Compare with the recording");
    let chunk = |delta: &str| {
        format!(
            "data: {{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":null}}]}}\n\n"
        )
    };
    let cut = chunk(r#"{"role":"assistant","content":""}"#) + &chunk(r#"{"content":"Hello"}"#);
    std::fs::write(home.path("cut.sse"), cut).unwrap();
    t.press(&format!("{}\r", home.path("cut.sse").display()));
    t.until("B failed, A succeeded. B: ");
    t.press("qq");
    assert_eq!(t.ended(), 0);
    t.assert_clean();
}

#[test]
fn a_body_from_a_file_goes_out_beside_the_editors_and_what_was_sent_once_more() {
    let home = Home::new();
    let body = home.path("body.json");
    let long = "x".repeat(50_000);
    let text = format!(
        "{{\"model\":\"lab/hello\",\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}}],\"stream\":true,\"user\":\"{long}\"}}"
    );
    std::fs::write(&body, &text).unwrap();
    let mut t = home.run(SHORT);
    t.until(READY);
    t.press("Csend a body\r");
    t.until("Send as B the body in the file");
    t.press(&format!("{}\r", body.display()));
    t.until("Both completed");
    t.until("two requests: body ");
    t.until("independent streams");
    // The editor still has the short one: the long one is sent again by its number.
    t.press("q");
    t.until("1 Request");
    t.press("Crequest as B\r");
    t.until("Both completed");
    t.press("qq");
    assert_eq!(t.ended(), 0);
    t.assert_clean();
    // Exactly these bytes were sent, twice, each time together with the other.
    let sessions = home.sessions();
    let entries = sselens::storage::file::open(&sessions[0], &Default::default()).unwrap().entries;
    let sent = |e: &sselens::journal::Entry| match &e.kind {
        sselens::journal::EntryKind::Request(r) => Some((e.at.unwrap(), r.body.clone())),
        _ => None,
    };
    let sent: Vec<_> = entries.iter().filter_map(sent).collect();
    let [(a, _), (b, first), (c, _), (d, again)] = &sent[..] else { panic!("{}", sent.len()) };
    assert!(first == text.as_bytes() && again == text.as_bytes());
    assert!(a.abs_diff(*b) < 50_000 && c.abs_diff(*d) < 50_000, "{a} {b} {c} {d}");
}

#[test]
fn ctrl_c_quits_when_nothing_runs() {
    let home = Home::new();
    let mut t = home.run(SHORT);
    t.until(READY);
    t.press(CTRL_C);
    assert_eq!(t.ended(), 0);
    t.assert_clean();
}

#[test]
fn ctrl_c_stops_the_stream_first_and_then_quits() {
    let home = Home::new();
    let mut t = streaming(&home);
    t.press(CTRL_C);
    t.until("cancelled");
    let frames = t.until_frames(5);
    t.press(CTRL_C);
    assert_eq!(t.ended(), 0);
    t.assert_clean();
    let kept = home.kept();
    assert_eq!(kept["reason"], "cancelled");
    assert_eq!(kept["counts"]["frames"], frames, "what was on the screen is in the file");
}

#[test]
fn quitting_in_a_stream_asks_first() {
    let home = Home::new();
    let mut t = streaming(&home);
    t.press("q");
    t.until("Quit anyway?");
    let frames = t.until_frames(5);
    t.press("y");
    assert_eq!(t.ended(), 0);
    t.assert_clean();
    let kept = home.kept();
    assert_eq!(kept["reason"], "cancelled");
    assert!(kept["counts"]["frames"].as_u64().unwrap() >= frames);
}

#[test]
fn signals_give_the_terminal_back_and_close_the_file() {
    for (signal, status) in [("-TERM", 143), ("-HUP", 129), ("-INT", 130)] {
        let home = Home::new();
        let mut t = streaming(&home);
        let frames = t.until_frames(8);
        t.signal(signal);
        assert_eq!(t.ended(), status, "{signal}");
        t.assert_clean();
        let kept = home.kept();
        assert_eq!(kept["reason"], "cancelled", "{signal}");
        assert!(kept["counts"]["frames"].as_u64().unwrap() >= frames, "{signal}");
    }
}

#[test]
fn a_vanished_terminal_ends_it_and_loses_nothing() {
    let home = Home::new();
    let mut t = streaming(&home);
    let frames = t.until_frames(8);
    t.vanish();
    let status = t.ended();
    assert!([0, 129].contains(&status), "{status}");
    let kept = home.kept();
    assert_eq!(kept["reason"], "cancelled");
    assert!(kept["counts"]["frames"].as_u64().unwrap() >= frames);
}

#[test]
fn any_size_is_drawn_or_said_to_be_too_small() {
    let home = Home::new();
    let mut t = home.run(SHORT);
    t.until(READY);
    t.press(F5);
    t.until("complete");
    for size in [(100, 30), (80, 24), (60, 20), (40, 10)] {
        t.resize(size);
        t.until_so(&format!("a screen of {size:?}"), |s| {
            let wide = s.lines().map(|l| l.chars().count()).max().unwrap_or(0);
            !s.contains("too small") && s.contains("Req") && wide > usize::from(size.0) - 4
        });
    }
    t.resize((38, 9));
    t.until("terminal too small: 38×9");
    t.resize(terminal::SIZE);
    t.until_so("all again", |s| s.contains("complete") && !s.contains("too small"));
    t.press("q");
    assert_eq!(t.ended(), 0);
    t.assert_clean();
}

#[test]
fn a_piped_body_is_shown_and_keys_still_work() {
    let home = Home::new();
    let body = r#"data: {"choices":[{"index":0,"delta":{"content":"piped"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n"#;
    let program = env!("CARGO_BIN_EXE_sselens");
    let line = format!("printf '{body}' | '{program}' -");
    let mut t = home.start("/bin/sh".as_ref(), &["-c", &line]);
    t.until("piped");
    t.until_frames(2);
    t.press("?");
    t.until("In the frames");
    t.press("\x1b");
    t.until_so("the help to close", |s| !s.contains("In the frames"));
    t.press("q");
    assert_eq!(t.ended(), 0);
    t.assert_clean();
    assert_eq!(home.kept()["content"]["0"], "piped");
}

#[test]
fn without_autosave_nothing_is_written() {
    let home = Home::new();
    let mut t = home.run(&[SHORT, &["--no-autosave"]].concat());
    t.until(READY);
    t.press(F5);
    t.until("complete");
    t.press("q");
    assert_eq!(t.ended(), 0);
    let left: Vec<_> =
        std::fs::read_dir(home.path(".")).unwrap().map(|e| e.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Writes a saved session of one exchange with so many frames.
fn long_session(path: &std::path::Path, frames: u64) {
    let chunk = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word \"},\"finish_reason\":null}]}\n\n";
    let request = Request {
        method: "POST".into(),
        url: "http://127.0.0.1:1/v1/chat/completions".into(),
        dialect: "openai-chat".into(),
        ..Request::default()
    };
    let headers = vec![("content-type".to_owned(), "text/event-stream".to_owned())];
    let head = Head { status: 200, version: "HTTP/1.1".into(), headers, ..Head::default() };
    let body = || EntryKind::Body {
        len: chunk.len() as u32,
        bytes: bytes::Bytes::from_static(chunk.as_bytes()),
        masked: Vec::new(),
    };
    let begin = [EntryKind::Request(Box::new(request)), EntryKind::Head(head)];
    let all = begin.into_iter().chain((0..frames).map(|_| body()));
    let mut out = file::header("0.1.0", "2026-01-01T00:00:00Z").into_bytes();
    for (at, kind) in (0..).zip(all) {
        file::encode(&Entry { exchange: 0, at: Some(at * 1_000), kind }, &mut out);
    }
    std::fs::write(path, out).unwrap();
}

#[test]
fn keys_are_answered_while_a_long_session_opens() {
    let home = Home::new();
    let path = home.path("long.jsonl");
    long_session(&path, 180_000);
    let mut t = home.run(&[path.to_str().unwrap()]);
    t.until("opening ");
    let mut answered = 0;
    while t.text().contains("opening ") && answered < 2 {
        t.press("?");
        t.until("In every pane");
        t.press("\x1b");
        t.until_so("the help to close", |s| !s.contains("In every pane"));
        answered += 1;
    }
    assert!(t.text().contains("opening "), "{answered} rounds, and it was open before they ended");
    assert_eq!(answered, 2, "each key was drawn before the session was open");
    t.until_frames(180_000);
    // Another file, stopped halfway: the opened session stays.
    t.press("\x0f");
    t.until("Open (");
    t.press(&format!("{}\r", path.display()));
    t.until("opening ");
    t.press(CTRL_C);
    t.until("Opening stopped");
    t.until_frames(180_000);
    t.press("q");
    assert_eq!(t.ended(), 0);
    t.assert_clean();
}

#[test]
fn what_cannot_be_opened_ends_with_its_reason() {
    let home = Home::new();
    let path = home.path("none.jsonl");
    let mut t = home.run(&[path.to_str().unwrap()]);
    assert_eq!(t.ended(), 2);
    assert!(t.text().contains("none.jsonl"), "{}", t.text());
}

/// The loop and the terminal of the program, with deeds that panic. The program itself has no way
/// to be made to panic, and gets none for a test: this runs as a child of the next test.
#[test]
#[ignore = "a child of what_a_panic_says_is_readable"]
fn panics_in_the_loop() {
    if std::env::var_os(terminal::CHILD).is_none() {
        return;
    }
    struct Panics;
    impl EffectRunner for Panics {
        fn perform(&mut self, _: Effect, _: &UnboundedSender<Done>) {
            panic!("a deed went wrong");
        }
    }
    let config = Config::load(ConfigSources::default()).unwrap();
    let startup = Startup {
        keeps_drafts: false,
        providers: Vec::new(),
        draft: Draft { body: b"{}".to_vec(), ..Draft::default() },
        session: None,
        open: None,
        options: Arc::default(),
        keys: Keymap::new(&config.keys, &sselens::tui::pane_contexts()).unwrap(),
        requests: std::path::PathBuf::new(),
        notify: sselens::config::Notifications::default(),
        keymap: sselens::config::keys::Preset::Default,
        looks: sselens::tui::Looks::built_in("dark"),
        messages: Vec::new(),
        tools: Tools {
            parse_curl: Arc::new(|_| Err(sselens::storage::curl::CurlError::NotCurl)),
            to_curl: Arc::new(|_| String::new()),
            to_markdown: Arc::new(|_| String::new()),
            variables: Arc::new(|_| Vec::new()),
            body: Arc::new(|_, _| String::new()),
        },
    };
    let (_, news) = unbounded_channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut cells, mut tty) = sselens::tui::terminal::take(true, false).unwrap();
    runtime.block_on(async {
        let (input, signals) =
            (sselens::tui::terminal::input(&tty), sselens::tui::terminal::signals());
        let clock = Clock::start();
        let on = Run { terminal: &mut cells, console: &mut tty, effects: &mut Panics, clock };
        run(on, startup, input.unwrap().0, signals.unwrap(), news).await
    });
}

#[test]
fn what_a_panic_says_is_readable() {
    let home = Home::new();
    let this = std::env::current_exe().unwrap();
    let mut t = home.start(&this, &["--ignored", "--exact", "--nocapture", "panics_in_the_loop"]);
    t.until(READY);
    t.press(F5);
    assert_eq!(t.ended(), 101);
    t.assert_clean();
    let after = t.after("\x1b[?1049l");
    assert!(after.contains("a deed went wrong"), "{after}");
    assert!(t.text().contains("a deed went wrong"), "{}", t.text());
}

/// A program that stands for the user's editor: it waits for a line, and changes the body.
#[cfg(unix)]
fn editor(home: &Home, name: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let path = home.path(name);
    let script = "#!/bin/sh\necho IN THE EDITOR\nread line\n\
                  sed \"s/In two sentences/$line/\" \"$1\" > \"$1.new\" && mv \"$1.new\" \"$1\"\n";
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path.display().to_string()
}

#[test]
fn the_body_is_edited_in_the_users_editor_and_is_there_again_after_any_end() {
    let home = Home::new();
    let editor = editor(&home, "my editor.sh");
    let mut t = home.run_with(&["--pace", "0"], &[("EDITOR", &format!("'{editor}'"))]);
    t.until(READY);
    t.press("1I");
    t.until("IN THE EDITOR");
    // In the editor every key types text.
    t.press("In three words\r");
    t.until("In three wor");
    // After a kill the edited request is kept.
    let kept = home.path("data/sselens/draft.json");
    let is_kept = || std::fs::read_to_string(&kept).is_ok_and(|t| t.contains("In three words"));
    t.until_so("the draft is kept", |_| is_kept());
    t.kill();
    let mut t = home.run(&["--pace", "0"]);
    t.until("In three wor");
    t.until("Request restored");
    t.press("i");
    t.until("typing");
    t.press("Z");
    t.press("\x1b");
    t.until_so("the keys are the pane's again", |screen| !screen.contains("typing"));
    t.press("q");
    assert_eq!(t.ended(), 0);
    let mut t = home.run(&["--pace", "0"]);
    t.until("Z{");
    t.press("q");
    assert_eq!(t.ended(), 0);
    // Arguments win, and --no-autosave keeps nothing.
    let mut t = home.run(&["--no-autosave"]);
    t.until(READY);
    assert!(!t.text().contains("In three wor"), "{}", t.text());
    t.press("1i");
    t.until("typing");
    t.press("Z");
    t.press("\x1b");
    t.until_so("the keys are the pane's again", |screen| !screen.contains("typing"));
    t.press("q");
    t.until("The request was edited and is not kept. Quit anyway?");
    t.press("y");
    assert_eq!(t.ended(), 0);
}

#[test]
fn the_session_of_the_last_run_is_found_and_opened() {
    let home = Home::new();
    let mut t = home.run(SHORT);
    t.until(READY);
    t.press(F5);
    t.until("complete");
    t.press("q");
    assert_eq!(t.ended(), 0);
    let mut t = home.run(SHORT);
    t.until(READY);
    t.press("H");
    t.until("127.0.0.1  Healthy stream");
    t.press("\r");
    t.until("HTTP/1.1 200 OK");
    t.until("complete");
    t.press("q");
    assert_eq!(t.ended(), 0);
    t.assert_clean();
}

#[test]
fn a_tap_shows_what_passes_on_the_screen() {
    use std::io::{Read as _, Write as _};
    let home = Home::new();
    let file = home.path("tapped.jsonl");
    let save = file.display().to_string();
    let args = ["tap", "--to", "lab", "--listen", "127.0.0.1:0", "--pace", "0", "--save", &save];
    let mut t = home.run(&args);
    t.until("tap on http://127.0.0.1:");
    let screen = t.text();
    let address = screen.split_once("tap on http://").unwrap().1;
    let address = address.split([' ', '/']).next().unwrap().to_owned();
    for model in ["lab/hello", "lab/reasoning-only"] {
        let body = format!("{{\"model\":\"{model}\",\"messages\":[],\"stream\":true}}");
        let mut client = std::net::TcpStream::connect(&address).unwrap();
        let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
        let length = body.len();
        write!(client, "{head}Content-Length: {length}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    t.until("6 Exchanges");
    t.until("2 exchanges");
    // The newest exchange is selected, and it failed.
    t.until("Reasoning only");
    t.press("6j");
    t.press("q");
    assert_eq!(t.ended(), 0);
    t.assert_clean();
    let entries = sselens::storage::file::open(&file, &Default::default()).unwrap().entries;
    let requests = entries.iter().filter(|e| matches!(e.kind, EntryKind::Request(_))).count();
    assert_eq!(requests, 2);
}

#[test]
fn a_started_program_leaves_the_terminal_to_the_screen() {
    let home = Home::new();
    let folder = home.path("outputs");
    std::fs::create_dir(&folder).unwrap();
    let temporary = folder.display().to_string();
    let script = "echo $OPENAI_BASE_URL; echo complaint >&2; read line || echo no input; exit 7";
    let args = ["tap", "--ui", "--to", "lab", "--", "sh", "-c", script];
    let mut t = home.run_with(&args, &[("TMPDIR", &temporary)]);
    t.until("sh ended with 7");
    // The program's output is in a file and not on the screen.
    assert!(!t.text().contains("complaint"), "{}", t.text());
    let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let output = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<_> = output.lines().collect();
    assert!(lines[0].starts_with("http://127.0.0.1:") && lines[0].ends_with("/v1"), "{output}");
    assert_eq!(lines[1..], ["complaint", "no input"]);
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    t.press("q");
    assert_eq!(t.ended(), 7);
    t.assert_clean();
    t.until("output in ");
}

#[test]
fn a_started_program_ends_with_the_screen() {
    let home = Home::new();
    let pid = home.path("pid");
    let script = format!("echo $$ > {}; exec sleep 600", pid.display());
    let temporary = home.path("").display().to_string();
    let mut t =
        home.run_with(&["tap", "--ui", "--", "sh", "-c", &script], &[("TMPDIR", &temporary)]);
    t.until("output in ");
    t.until_so("the program runs", |_| {
        std::fs::read_to_string(&pid).is_ok_and(|p| p.ends_with('\n'))
    });
    let id = std::fs::read_to_string(&pid).unwrap();
    t.press("q");
    // It ended on a signal, and reports it as a shell would.
    assert_eq!(t.ended(), 143);
    let gone = nix::sys::signal::kill(nix::unistd::Pid::from_raw(id.trim().parse().unwrap()), None);
    assert!(gone.is_err(), "{id}");
}

/// A server that sends as quickly as it can is no reason to keep a key waiting, or not to stop.
#[test]
fn keys_are_answered_while_a_server_floods() {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let sent = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let count = Arc::clone(&sent);
    std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let _ = peer.read(&mut [0; 4096]);
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        let _ = peer.write_all(head.as_bytes());
        let chunk = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word \"},\"finish_reason\":null}]}\n\n".repeat(100);
        while peer.write_all(chunk.as_bytes()).is_ok() {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    });
    let home = Home::new();
    let url = format!("http://{at}/v1/chat/completions");
    let mut t = home.run(&["--no-autosave", "--max-body", "0", "--url", &url, "-m", "m"]);
    t.until(READY);
    t.press(F5);
    t.until_frames(1000);
    for _ in 0..4 {
        let before = sent.load(std::sync::atomic::Ordering::Relaxed);
        t.press("?");
        t.until("In every pane");
        t.press("\x1b");
        t.until_so("the help to close", |s| !s.contains("In every pane"));
        t.until_so("more to arrive", |_| sent.load(std::sync::atomic::Ordering::Relaxed) > before);
    }
    t.signal("-INT");
    assert_eq!(t.ended(), 130);
    t.assert_clean();
}

/// How often the threads of a process went to sleep of their own accord.
#[cfg(target_os = "linux")]
fn wakes(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let of = |status: String| -> u64 {
        let line = status.lines().find(|l| l.starts_with("voluntary_ctxt_switches")).unwrap();
        line.split_whitespace().next_back().unwrap().parse().unwrap()
    };
    tasks.map(|t| of(std::fs::read_to_string(t.unwrap().path().join("status")).unwrap())).sum()
}

#[test]
fn idle_it_sleeps() {
    let home = Home::new();
    let mut t = home.run(SHORT);
    t.until(READY);
    t.press(F5);
    t.until("complete");
    t.until_quiet(Duration::from_millis(500));
    let written = t.written();
    #[cfg(target_os = "linux")]
    let woken = wakes(t.pid());
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(t.written(), written, "something is drawn though nothing happens");
    #[cfg(target_os = "linux")]
    assert_eq!(wakes(t.pid()), woken, "something wakes up though nothing happens");
    #[cfg(not(target_os = "linux"))]
    eprintln!("skipped: threads that wake up can be counted on Linux only");
    t.press("q");
    assert_eq!(t.ended(), 0);
}

/// A thousand requests, fifty at a time: keys are answered throughout, and all are in the file.
#[test]
fn a_thousand_requests_leave_the_keys_alive_and_a_whole_session() {
    let home = Home::new();
    let mut t = home.run(&["-p", "lab", "-m", "lab/answer", "--pace", "0", "--seed", "1"]);
    t.until(READY);
    t.press("2R");
    t.until("how many at a time");
    t.press("\x7f\x7f\x7f\x7f1000 50\r");
    t.until("50 at a time");
    t.until(" left");
    let all = sselens::text::group(1000);
    let mut answered = 0;
    while !t.text().contains(&format!("{all} of {all}")) && answered < 200 {
        t.press("\x1b");
        t.until_so("the table to close", |s| !s.contains("share (95 %)"));
        t.press("?");
        t.until("In every pane");
        t.press("q");
        t.until_so("the help to close", |s| !s.contains("In every pane"));
        t.press("R");
        t.until("share (95 %)");
        answered += 1;
    }
    assert!(answered > 0);
    println!("{answered} rounds of four keys were answered meanwhile");
    // The interval is the same from some 900 answers on, so wait for the last before leaving the program.
    t.until(&format!("{all} of {all}"));
    t.until("(99.6–100 %)");
    t.press("q");
    t.until_so("the table to close", |s| !s.contains("share (95 %)"));
    t.press("q");
    assert_eq!(t.ended(), 0);
    let text = std::fs::read_to_string(&home.sessions()[0]).unwrap();
    assert_eq!(text.matches("\"end\"").count(), 1000);
}
