//! Secrets in requests sent from the screen: searched for in all that reaches the terminal, the clipboard
//! and files, whole and in pieces of eight bytes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;

use base64::Engine as _;

use crate::terminal::{Home, Terminal};

/// The key of the environment, the header's and the parameter's of the configuration.
const KEY: &str = "sk-proj-Zq7keyXw01vLmKp93";
const HEADER: &str = "Zq7hdrXw02vLmKp93";
const PARAMETER: &str = "Zq7parXw03vLmKp93";
/// What a body holds under a secret's name.
const BODY: &str = "Zq7bdyXw04vLmKp93";

const F5: &str = "\x1b[15~";

/// A server that quotes what it is sent, the key in pieces too; its address.
fn quoting() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for peer in listener.incoming() {
            let mut peer = peer.unwrap();
            let mut reader = BufReader::new(peer.try_clone().unwrap());
            let mut asked = String::new();
            while !asked.ends_with("\r\n\r\n") && reader.read_line(&mut asked).unwrap() > 0 {}
            let length = asked.lines().find_map(|l| l.strip_prefix("content-length: "));
            let mut body = vec![0; length.and_then(|n| n.parse().ok()).unwrap_or(0)];
            reader.read_exact(&mut body).unwrap();
            let delta = |text: &str| {
                let text = serde_json::to_string(text).unwrap();
                format!(
                    "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\
                     \"choices\":[{{\"index\":0,\"delta\":{{\"content\":{text}}}}}]}}\n\n"
                )
            };
            let mut answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Quoted: {KEY}\r\n\
                 Connection: close\r\n\r\n: {HEADER}\n{}",
                delta(&asked)
            );
            for secret in [KEY, HEADER, PARAMETER, BODY] {
                for width in [1, 5, 9] {
                    for piece in secret.as_bytes().chunks(width) {
                        answer += &delta(str::from_utf8(piece).unwrap());
                    }
                    answer += &delta(" or ");
                }
            }
            answer += "data: {\"error\":{\"message\":\"Incorrect API key provided: ";
            answer += &format!("{KEY}\"}}}}\n\ndata: [DONE]\n\n");
            let _ = peer.write_all(answer.as_bytes());
        }
    });
    at.to_string()
}

/// What was put on the clipboard (OSC 52), decoded.
fn clipboard(out: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(out);
    let copies = text.split("\x1b]52;").skip(1).filter_map(|rest| {
        let coded = rest.split(['\x07', '\x1b']).next()?.split(';').next_back()?;
        base64::engine::general_purpose::STANDARD.decode(coded).ok()
    });
    copies.flatten().collect()
}

/// Every file below a folder: its name and its bytes.
fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        match path.is_dir() {
            true => files(&path, found),
            false => found.push((path.display().to_string(), std::fs::read(&path).unwrap())),
        }
    }
}

#[track_caller]
fn assert_absent(bytes: &[u8], place: &str) {
    for secret in [KEY, HEADER, PARAMETER, BODY] {
        // The prefix of a key is no secret.
        let tail = &secret.as_bytes()[secret.find("Zq7").unwrap()..];
        for run in tail.windows(8) {
            if let Some(at) = bytes.windows(8).position(|w| w == run) {
                let around = &bytes[at.saturating_sub(60)..(at + 60).min(bytes.len())];
                panic!("{place}: {secret} is in {:?}", String::from_utf8_lossy(around));
            }
        }
    }
}

/// Goes through every pane, zoomed, and copies all that can be copied there.
fn look_and_copy(t: &mut Terminal) -> usize {
    let mut copied = 0;
    for pane in ["1", "2", "3", "4", "5"] {
        t.press(pane);
        t.press("z");
        t.until_quiet(std::time::Duration::from_millis(150));
        for _ in 0..4 {
            t.press("t");
            t.press("G");
            t.until_quiet(std::time::Duration::from_millis(40));
        }
        for down in 0..8 {
            t.press("y");
            t.until_quiet(std::time::Duration::from_millis(40));
            t.press(&"\x1b[B".repeat(down));
            t.press("\r");
            t.until_quiet(std::time::Duration::from_millis(40));
            t.press("\x1b");
            t.until_quiet(std::time::Duration::from_millis(40));
        }
        copied += 1;
        t.press("z");
    }
    copied
}

#[test]
fn secrets_reach_neither_the_screen_nor_the_clipboard_nor_a_file() {
    let home = Home::new();
    let at = quoting();
    let config = format!(
        "provider = 'own'\n[providers.own]\ndialect = 'openai-chat'\nkey_env = 'OWN_KEY'\n\
         base_url = 'http://{at}/v1?api_token=${{OWN_PARAMETER}}'\nmodel = 'm'\n\
         headers = {{ 'x-portkey-api-key' = '$OWN_HEADER' }}\n\
         body = {{ metadata = {{ client_secret = '{BODY}' }} }}\n"
    );
    std::fs::write(home.path("c.toml"), config).unwrap();
    let env = [("OWN_KEY", KEY), ("OWN_HEADER", HEADER), ("OWN_PARAMETER", PARAMETER)];
    let mut t =
        home.run_with(&["--config", "c.toml", "--log", "own.log", "--save", "own.jsonl"], &env);
    t.until("F5 send");
    t.press(F5);
    t.until("Incorrect API key");
    t.until_quiet(std::time::Duration::from_millis(300));
    assert_eq!(look_and_copy(&mut t), 5);
    // Send it again, compare it with itself, and write every kind of file.
    for key in ["?", "\x1b", "1", "i", "Z", "\x1b"] {
        t.press(key);
        t.until_quiet(std::time::Duration::from_millis(150));
    }
    t.press("B");
    t.until_quiet(std::time::Duration::from_millis(200));
    t.press("\r");
    t.until_quiet(std::time::Duration::from_millis(200));
    t.press("1w");
    t.until_quiet(std::time::Duration::from_millis(200));
    t.press("\r");
    t.press("\x13");
    t.until_quiet(std::time::Duration::from_millis(200));
    t.press("\r");
    t.until_quiet(std::time::Duration::from_millis(200));
    t.press("H");
    t.until_quiet(std::time::Duration::from_millis(200));
    t.press("\x1b");
    t.press("Csend to own\r");
    t.until_quiet(std::time::Duration::from_millis(300));
    t.press("\x1b\x1b");
    let cmdline = std::fs::read(format!("/proc/{}/cmdline", t.pid())).unwrap_or_default();
    t.signal("-TERM");
    assert_eq!(t.ended(), 143);
    let out = t.bytes();
    let copied = clipboard(&out);
    assert!(copied.len() > 1000, "{} bytes were copied", copied.len());
    // The screen shows stars in the key's place.
    assert!(String::from_utf8_lossy(&out).contains("*****"));
    assert_absent(&out, "the terminal");
    assert_absent(&copied, "the clipboard");
    assert_absent(&cmdline, "the command line");
    let mut written = Vec::new();
    files(&home.path("."), &mut written);
    let names: Vec<_> = written.iter().map(|(name, _)| name.as_str()).collect();
    for kind in ["own.log", "own.jsonl", "draft.json", "m-1.jsonl", "request.json", ".md"] {
        assert!(names.iter().any(|name| name.contains(kind)), "no {kind} in {names:?}");
    }
    for (name, bytes) in &written {
        // The secrets come from the configuration itself.
        if !name.ends_with("c.toml") {
            assert_absent(bytes, name);
        }
        use std::os::unix::fs::PermissionsExt as _;
        let mode = Path::new(name).metadata().unwrap().permissions().mode();
        assert!(mode & 0o077 == 0 || name.ends_with("c.toml"), "{name}: {mode:o}");
    }
}

/// A terminal that understands no escape sequence gets none.
#[test]
fn a_dumb_terminal_gets_no_escapes() {
    let home = Home::new();
    let mut t = home.run_with(&[], &[("TERM", "dumb")]);
    assert_eq!(t.ended(), 2);
    let out = t.bytes();
    assert!(!out.contains(&0x1b), "{:?}", String::from_utf8_lossy(&out));
    assert!(String::from_utf8_lossy(&out).contains("TERM=dumb"));
}
