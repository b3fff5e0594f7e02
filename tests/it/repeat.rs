//! `--repeat`, `--parallel`, `--sizes`, `--bisect`, as a user or a script runs them.
#![cfg(unix)]

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use sselens::inspect::outcomes::wilson;

use crate::support::program::{lines, program, run};

/// The tally, which is the last line.
fn tally(lines: &[Value]) -> &Vec<Value> {
    let last = lines.last().unwrap();
    assert_eq!(last["type"], "tally", "{last}");
    last["groups"].as_array().unwrap()
}

/// The number of exchanges of a group with these words; its parts add up to its whole.
fn counted(group: &Value, outcome: &str) -> u64 {
    let n = group["n"].as_u64().unwrap();
    let list = group["outcomes"].as_array().unwrap();
    let all: u64 = list.iter().map(|o| o["count"].as_u64().unwrap()).sum();
    assert_eq!(all, n, "{group}");
    for o in list {
        let (low, high) = wilson(o["count"].as_u64().unwrap(), n);
        let near = |key: &str, to: f64| (o[key].as_f64().unwrap() - to).abs() < 1e-9;
        assert!(near("low", low) && near("high", high), "{o}");
    }
    let of = list.iter().filter(|o| o["outcome"] == outcome);
    of.map(|o| o["count"].as_u64().unwrap()).sum()
}

#[test]
fn every_exchange_has_a_summary_and_the_tally_comes_last() {
    let args = ["send", "-p", "lab", "-m", "lab/hello", "--pace", "0", "-o", "json"];
    let output = run(&[&args[..], &["--repeat", "20", "--parallel", "6"]].concat());
    assert_eq!(output.status.code(), Some(0));
    let lines = lines(&output);
    let mut numbers: Vec<_> = lines[..20].iter().map(|l| l["x"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..20).collect::<Vec<_>>());
    let [group] = &tally(&lines)[..] else { panic!("{lines:?}") };
    assert_eq!((&group["size"], &group["provider"]), (&Value::Null, &"lab".into()));
    assert_eq!(group["n"], 20);
    assert_eq!(counted(group, "ok"), 20);
    let ok = &group["outcomes"][0];
    assert_eq!((&ok["reason"], &ok["code"]), (&"complete".into(), &Value::Null));
}

/// The fault shows in a third of the large requests, and in none of the small ones.
#[test]
fn sizes_and_halving_find_where_requests_begin_to_fail() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.jsonl");
    let file = file.to_str().unwrap();
    let args = ["send", "-p", "lab", "-m", "lab/large-request-fails", "--pace", "0", "--seed", "3"];
    let many = ["--repeat", "15", "--parallel", "5", "--sizes", "8,4k,48k,100k", "--bisect"];
    let output = run(&[&args[..], &many, &["-o", "json", "--save", file]].concat());
    assert_eq!(output.status.code(), Some(1));
    let reported = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(reported.contains("--sizes 8: the request has"), "{reported}");
    let lines = lines(&output);
    let groups = tally(&lines);
    for group in groups {
        let size = group["size"].as_u64().unwrap();
        assert_eq!(group["n"], 15, "{group}");
        assert_eq!(counted(group, "failed") > 0, size > 50_000, "{group}");
    }
    let sizes: Vec<_> = groups.iter().map(|g| g["size"].as_u64().unwrap()).collect();
    assert!(sizes.is_sorted() && sizes.contains(&4096) && sizes.contains(&102_400), "{sizes:?}");
    let codes: Vec<_> = groups.last().unwrap()["outcomes"].as_array().unwrap().iter().collect();
    assert!(codes.iter().any(|o| o["code"] == "truncated-chunked"), "{codes:?}");
    let found = &lines[lines.len() - 2];
    assert_eq!(found["type"], "threshold");
    let (good, bad) = (found["good"].as_u64().unwrap(), found["bad"].as_u64().unwrap());
    assert!(good <= 50_000 && 50_000 < bad && bad - good <= 512, "{found}");
    // What was sent is what was requested, and is in the session.
    let bodies = run(&["show", file, "-o", "ndjson"]);
    let text = String::from_utf8(bodies.stdout).unwrap();
    let sent = text.lines().filter(|l| l.starts_with("{\"type\":\"request\""));
    assert_eq!(sent.clone().count(), 15 * sizes.len());
    assert_eq!(sent.filter(|l| l.contains("\"body_len\":102400")).count(), 15);
    // The report has the matrix and the threshold, one exchange of each kind, and no filler.
    let report = run(&["export", file, "--to", "markdown"]);
    let page = String::from_utf8(report.stdout).unwrap();
    assert!(page.contains("| 102,400 | 15 | "), "{page}");
    let (good, bad) = (grouped(good), grouped(bad));
    assert!(
        page.contains(&format!("begins to fail between {good} bytes and {bad} bytes")),
        "{page}"
    );
    assert_eq!(page.matches("\n| ").count(), 1 + sizes.len() + 1 + 3, "{page}");
    assert!(page.contains(&format!("body.json has {bad} bytes; without the filler")), "{page}");
    assert!(page.len() < 12_000, "{}: {page}", page.len());
}

fn grouped(n: u64) -> String {
    format!("{},{:03}", n / 1000, n % 1000)
}

#[test]
fn people_get_a_matrix_and_a_threshold() {
    let args = ["send", "-p", "lab", "-m", "lab/large-request-fails", "--pace", "0", "--seed", "3"];
    let many = ["--repeat", "20", "--parallel", "5", "--sizes", "8k,100k", "--bisect"];
    let output = run(&[&args[..], &many].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("failed (95 %)"), "{text}");
    assert!(text.contains("threshold between"), "{text}");
    assert!(text.contains("truncated-chunked"), "{text}");
    assert!(!text.contains("verdict"), "no report of a single exchange: {text}");
}

#[test]
fn where_nothing_or_everything_fails_there_is_no_threshold() {
    let many = ["--pace", "0", "--repeat", "2", "--sizes", "2k,4k", "--bisect"];
    let output = run(&[&["send", "-p", "lab", "-m", "lab/hello"], &many[..]].concat());
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing failed at any size"));
    let output = run(&[&["send", "-p", "lab", "-m", "lab/http-500"], &many[..]].concat());
    assert!(String::from_utf8_lossy(&output.stderr).contains("it is not its size"));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_body_without_a_message_to_lengthen_and_raw_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body.json");
    std::fs::write(&file, "{\"model\":\"lab/hello\"}").unwrap();
    let file = file.to_str().unwrap();
    let output = run(&["send", "-p", "lab", "-b", file, "--sizes", "1k"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no user message"));
    let output = run(&["send", "-p", "lab", "--repeat", "2", "-o", "raw"]);
    assert_eq!(output.status.code(), Some(2));
    for bad in ["0", "-1", "1x", "1,,2", "99999999999999999999k"] {
        let output = run(&["send", "-p", "lab", "--sizes", bad]);
        assert_eq!(output.status.code(), Some(2), "{bad}");
    }
}

#[test]
fn pairs_are_compared_one_by_one_and_counted_by_side() {
    let args = ["compare", "lab:lab/reasoning-delta", "lab:lab/reasoning-content", "--same"];
    let many = ["--pace", "0", "--repeat", "6", "--parallel", "3"];
    let lines = lines(&run(&[&args[..], &many, &["-o", "ndjson"]].concat()));
    let of = |kind: &str| lines.iter().filter(|l| l["type"] == kind).count();
    assert_eq!((of("summary"), of("comparison")), (12, 6));
    let first = lines.iter().position(|l| l["type"] == "comparison").unwrap();
    assert_eq!(first, lines.len() - 7, "comparisons and the tally come last");
    // In whatever order the calls ended, those sent together are a pair.
    for pair in &lines[first..first + 6] {
        assert_eq!(pair["a"].as_u64().unwrap() + 1, pair["b"].as_u64().unwrap(), "{pair}");
    }
    let groups = tally(&lines);
    let sides: Vec<_> = groups.iter().map(|g| (g["side"].as_str(), g["n"].as_u64())).collect();
    assert_eq!(sides, [(Some("a"), Some(6)), (Some("b"), Some(6))]);
    let text = String::from_utf8(run(&[&args[..], &many].concat()).stdout).unwrap();
    let row = text.lines().find(|l| l.contains("gw-reasoning-renamed")).unwrap();
    assert!(row.contains("100 %"), "{text}");
    // Both sides use one provider, so the model distinguishes them.
    assert!(text.contains("A  lab · lab/reasoning-delta · 6 exchanges"), "{text}");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pairs.jsonl").display().to_string();
    run(&[
        "compare",
        "lab:lab/tool-calls",
        "lab:lab/hello",
        "--repeat",
        "3",
        "--pace",
        "0",
        "--save",
        &file,
    ]);
    let page = run(&["export", &file, "--to", "markdown"]).stdout;
    let page = String::from_utf8(page).unwrap();
    let [a, b] = ["A · lab · lab/tool-calls", "B · lab · lab/hello"].map(|side| {
        page.find(&format!("| `{side}` |")).unwrap_or_else(|| panic!("{side}: {page}"))
    });
    assert!(a < b, "{page}");
}

#[test]
fn an_interruption_keeps_what_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.jsonl");
    let child =
        program(folder.path(), &["send", "-p", "lab", "-m", "lab/hello", "--repeat", "100000"])
            .args(["--parallel", "4", "--pace", "0", "-o", "json", "--save"])
            .arg(&file)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
    let begun = || std::fs::metadata(&file).is_ok_and(|m| m.len() > 100_000);
    for _ in 0..600 {
        if begun() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let lines = lines(&output);
    let whole = lines.iter().filter(|l| l["reason"] == "complete").count() as u64;
    let [group] = &tally(&lines)[..] else { panic!("{:?}", lines.last()) };
    assert!(whole > 0 && whole < 100_000);
    assert_eq!((group["n"].as_u64(), counted(group, "ok")), (Some(whole), whole));
    // All that began has an end in the file.
    let session = run(&["show", file.to_str().unwrap(), "-o", "json"]);
    let kept = String::from_utf8(session.stdout).unwrap();
    let kept: Vec<Value> = kept.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(kept.len(), lines.len());
    let (_, kept) = kept.split_last().unwrap();
    assert!(kept.iter().all(|l| !l["reason"].is_null()));
}

/// Fifty at a time, five hundred in all: each has its summary, and memory does not grow with them.
#[test]
fn hundreds_at_fifty_at_a_time_are_all_accounted_for_in_bounded_memory() {
    let folder = tempfile::tempdir().unwrap();
    let peak = |repeat: &str| {
        let file = folder.path().join(format!("{repeat}.jsonl"));
        let mut child =
            program(folder.path(), &["send", "-p", "lab", "-m", "lab/answer", "--parallel", "50"])
                .args(["--repeat", repeat, "--pace", "0", "--seed", "1", "-o", "json", "--save"])
                .arg(&file)
                .stdout(std::fs::File::create(folder.path().join("out")).unwrap())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
        let status = format!("/proc/{}/status", child.id());
        let mut peak = 0;
        loop {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"));
            let kb = line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok());
            peak = peak.max(kb.unwrap_or(0_u64));
            if let Some(status) = child.try_wait().unwrap() {
                assert_eq!(status.code(), Some(0));
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let text = std::fs::read_to_string(folder.path().join("out")).unwrap();
        let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        let n: u64 = repeat.parse().unwrap();
        assert_eq!(lines.len() as u64, n + 1);
        assert_eq!(tally(&lines)[0]["n"], n);
        (peak, std::fs::metadata(&file).unwrap().len())
    };
    let (few, _) = peak("100");
    let (many, written) = peak("500");
    println!("peak of 100: {few} kB, of 500: {many} kB, {written} bytes of session");
    if few == 0 {
        println!("skipped: this system does not tell a process's peak");
        return;
    }
    // If they were kept whole, the 400 more would take several times their size in the file.
    let grown = many.saturating_sub(few) * 1024;
    assert!(grown < written / 2, "{few} kB became {many} kB; the session has {written} bytes");
}

/// The report on a repeated comparison tells how often the two differ, and tells them apart.
#[test]
fn the_report_on_repeated_pairs_counts_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.jsonl");
    let file = file.to_str().unwrap();
    let args = ["compare", "lab:lab/hello", "lab:lab/connection-reset", "--pace", "0"];
    let output = run(&[&args[..], &["--repeat", "4", "--parallel", "2", "--save", file]].concat());
    assert_eq!(output.status.code(), Some(1));
    let report = run(&["export", file, "--to", "markdown"]);
    let page = String::from_utf8(report.stdout).unwrap();
    assert!(page.contains("**A and B compared, 4 pairs:**"), "{page}");
    assert!(page.contains("A is `lab · lab/hello`, B is `lab · lab/connection-reset`."), "{page}");
    assert!(page.contains("| `ends-differ` | error | 4 | 100 % (51–100 %) | 0, 1 |"), "{page}");
    assert!(page.contains("| 4 | 100 % (51–100 %) | 4 × failed (reset) `connection-reset` |"));
    // The four that are alike are not listed one by one.
    assert_eq!(page.matches("`lab · lab/connection-reset` | 200 |").count(), 1, "{page}");
}

/// A recording of many is counted as the sending was, whatever order it is read in.
#[test]
fn a_recording_of_many_is_counted_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let session = path("s.jsonl");
    let send = ["send", "-p", "lab", "-m", "lab/hello", "--pace", "0", "-o", "json", "--save"];
    let repeat = ["--repeat", "5", "--parallel", "5"];
    let sent = lines(&run(&[&send[..], &[&session], &repeat].concat()));
    let count = |group: &Value| (counted(group, "ok"), group["provider"].clone());
    for args in [
        &["show", &session, "-o", "json"][..],
        &["show", &session, "-o", "ndjson"],
        &["export", &session, "--to", "ndjson"],
    ] {
        let all = lines(&run(args));
        let ([group], [live]) = (&tally(&all)[..], &tally(&sent)[..]) else { panic!("{all:?}") };
        assert_eq!(count(group), count(live));
        assert_eq!(group["outcomes"][0]["examples"], serde_json::json!([0, 1, 2]));
    }
    // A single exchange needs no tally, nor does the output for a terminal.
    let one = lines(&run(&["export", &session, "--to", "ndjson", "--exchange", "3"]));
    assert_eq!(one.last().unwrap()["type"], "summary");
    let text = run(&["show", &session]).stdout;
    assert!(!String::from_utf8(text).unwrap().contains("tally"));
}
