//! What is on the screen.

use sselens::action::Effect;
use sselens::journal::Entry;

use super::play::{Played, chunk, exchange, opened, play, reasoning_only, screen, startup};

fn snapshot(name: &str, played: &Played) {
    insta::with_settings!({ snapshot_path => "snapshots", prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, played.text());
    });
}

#[test]
fn the_first_screen_has_a_request_and_says_how_to_send_it() {
    let played = play(startup(), (100, 30), "", Vec::new());
    played.shows("F5 send");
    played.shows("lab/reasoning-only");
    snapshot("first-100x30", &played);
}

#[test]
fn a_recording_at_every_common_size() {
    for (width, height) in [(160, 45), (100, 30), (80, 24), (60, 15), (40, 10)] {
        snapshot(&format!("frames-{width}x{height}"), &screen(width, height, "e"));
    }
}

#[test]
fn every_pane_where_only_one_has_room() {
    for (pane, text) in [("request", "1"), ("bytes", "3"), ("answer", "4"), ("timeline", "5")] {
        snapshot(&format!("{pane}-80x24"), &screen(80, 24, text));
    }
}

#[test]
fn every_tab_of_the_answer() {
    for (tab, text) in [("usage", "4tt"), ("shape", "4ttt"), ("head", "4tttt")] {
        snapshot(&format!("{tab}-80x24"), &screen(80, 24, text));
    }
}

#[test]
fn the_answer_as_a_client_sees_it() {
    snapshot("lens-80x24", &screen(80, 24, "4L"));
    snapshot("lens-100x30", &screen(100, 30, "4L"));
    screen(80, 24, "4LL").shows("as openai-python.stream 3.57.0 sees it");
    // After the last client of the dialect the answer is shown as received; other tabs have no client view.
    let views = sselens::client_sim::clients().filter(|c| c.dialect == "openai-chat").count();
    screen(80, 24, &format!("4{}", "L".repeat(views))).shows("sees it");
    screen(80, 24, &format!("4{}", "L".repeat(views + 1))).hides("sees it");
    screen(80, 24, "4Lt").hides("sees it");
    // The command palette opens the view from any pane.
    screen(80, 24, "2:client<enter>").shows("as openai-python 3.57.0 sees it");
}

#[test]
fn overlays() {
    snapshot("help-80x24", &screen(80, 24, "?"));
    snapshot("explain-80x24", &screen(80, 24, "ev"));
    snapshot("providers-80x24", &screen(80, 24, "1p"));
    snapshot("palette-60x15", &screen(60, 15, ":json"));
    screen(80, 24, "?<esc>").hides("In every pane");
    screen(80, 24, "??").hides("In every pane");
}

#[test]
fn too_small_a_screen_says_so() {
    screen(38, 9, "").shows("terminal too small: 38×9, need 40×10");
    screen(40, 9, "").shows("terminal too small: 40×9, need 40×10");
}

#[test]
fn a_mistake_in_the_body_is_told_with_its_place_while_typing() {
    let played = play(startup(), (100, 30), "i<down><down><end><bs>", Vec::new());
    played.shows("✖ line 5, column 3:");
    played.shows("expected ',' or the closing");
    played.shows("typing");
    let played = play(startup(), (100, 30), "i<down><down><end><bs>[", Vec::new());
    played.shows("✔ JSON");
}

#[test]
fn on_the_smallest_screen_the_body_has_room_while_it_is_typed() {
    let played = play(startup(), (40, 10), "i<down>x", Vec::new());
    played.shows("x  \"model\"");
    played.shows("✖ line 2, column 1:");
    screen(40, 10, "5").shows("5 Time");
    screen(40, 10, "3").shows("━ Reads ━");
    screen(40, 10, "e").shows("✖ FAILED  Reasoning only");
}

#[test]
fn the_end_marker_is_no_broken_json() {
    screen(100, 30, "2Gt").shows("[DONE] is no JSON; it ends the stream.");
}

#[test]
fn a_message_leaves_the_way_to_the_keys_in_sight() {
    let played = screen(40, 10, "/nowhere<enter>");
    played.shows("Not found: no");
    played.shows("? help");
}

#[test]
fn the_band_has_state_headline_blame_clients_and_facts() {
    let text = screen(100, 30, "").text();
    let row = |i: usize| text.lines().nth(i).unwrap();
    assert!(row(1).starts_with(" ✖ FAILED  Reasoning only: "), "{text}");
    assert!(row(1).ends_with("Enter explain"), "{text}");
    assert!(row(2).contains("Blame: provider (likely)"), "{text}");
    assert!(
        row(3).contains("127.0.0.1:4000 · HTTP/1.1 200 OK · openai-chat · TTFT 120 ms"),
        "{text}"
    );
    // A lower screen shows fewer lines, but always the headline.
    for (size, rows) in [((80, 24), 2), ((40, 10), 1)] {
        let text = screen(size.0, size.1, "2").text();
        assert!(text.lines().nth(1).unwrap().contains("✖ FAILED"), "{text}");
        assert!(text.lines().nth(1 + rows).unwrap().contains("1 Req"), "{text}");
    }
}

#[test]
fn a_key_that_is_typed_into_a_prompt_is_not_shown() {
    let played = play(startup(), (100, 30), "1aAuthorization: Bearer sk-1", Vec::new());
    played.shows("Authorization: •••••••••••");
    let curl = "<paste:curl https://h/v1 -H 'x-api-key: sk-2' -d '{}'>";
    let played = play(startup(), (100, 30), &format!("1c{curl}"), Vec::new());
    played.shows("-H 'x-api-key: ••••' -d '{}'");
    // The text itself stays.
    let played = play(startup(), (100, 30), &format!("1c{curl}<enter>"), Vec::new());
    played.shows("x-api-key: ********");
}

#[test]
fn no_problem_is_said_and_nothing_is_selected() {
    let mut sound = reasoning_only();
    let at = sound.len() - 2;
    sound.insert(at, chunk(r#"{"content":"Hello."}"#));
    let played = play(opened(exchange(0, &sound)), (100, 30), "e", Vec::new());
    played.shows("No warnings or errors");
    played.shows("frame 0 ");
    played.hides("▸·");
}

#[test]
fn a_generated_body_of_the_command_line_makes_room_for_the_recorded_request() {
    let with = |body: &str| {
        let mut begin = opened(exchange(0, &reasoning_only()));
        begin.draft.model = "m".into();
        begin.draft.body = body.into();
        play(begin, (100, 30), "", Vec::new())
    };
    let parts = r#"{"model":"m","messages":[{"role":"user","content":"Q"}],"stream":true}"#;
    with(parts).shows("(draft)");
    let mut begin = opened(exchange(0, &reasoning_only()));
    begin.tools.body = std::sync::Arc::new(|p, prompt| {
        format!(
            r#"{{"model":"{}","messages":[{{"role":"user","content":"{prompt}"}}],"stream":true}}"#,
            p.model
        )
    });
    begin.draft.model = "m".into();
    begin.draft.body = parts.into();
    let played = play(begin, (100, 30), "", Vec::new());
    played.hides("(draft)");
    played.shows("lab/reasoning-only");
}

#[test]
fn undo_never_empties_a_body_that_was_filled_in() {
    let played = play(startup(), (100, 30), "iab<c-u><c-u><c-u><c-u>", Vec::new());
    played.shows("Say hello in one short");
    played.shows("✔ JSON");
    let played = play(opened(exchange(0, &reasoning_only())), (100, 30), "1ia<c-u><c-u>", vec![]);
    played.shows("lab/reasoning-only");
}

#[test]
fn an_empty_body_is_not_sent_without_a_word() {
    let curl = "<paste:curl https://api.example.com/v1/chat -X POST>";
    let played = play(startup(), (100, 30), curl, Vec::new());
    played.shows("the body is empty");
    let played = play(startup(), (100, 30), &format!("{curl}<f5>"), Vec::new());
    played.shows("✖ The request body is empty");
}

#[test]
fn letters_type_in_the_editor_and_command_outside() {
    let played = play(startup(), (100, 30), "iq?12<esc>", Vec::new());
    played.shows("q?12{");
    played.shows("unexpected character");
    played.shows("F5 send");
}

#[test]
fn a_model_that_is_chosen_stands_in_the_body() {
    let played = play(startup(), (100, 30), "mempty<enter>", Vec::new());
    played.shows("\"model\": \"lab/empty-stream\"");
    // A name that is not in the list works, too.
    let played = play(startup(), (100, 30), "mmy-own<enter>", Vec::new());
    played.shows("\"model\": \"my-own\"");
}

#[test]
fn another_provider_brings_its_own_request_and_tells_what_is_missing() {
    let played = play(startup(), (100, 30), "popenai<enter>", Vec::new());
    played.shows("gpt-4.1-mini\"");
    played.shows("OPENAI_API_KEY");
}

#[test]
fn a_curl_command_that_is_pasted_becomes_the_request_and_its_key_stays_hidden() {
    let curl = "curl https://api.example.com/v1/chat -H 'Authorization: Bearer sk-secret123' \
                -H 'X-Trace: 7' -d '{\"model\":\"m1\"}'";
    let played = play(startup(), (140, 40), &format!("<paste:{curl}>"), Vec::new());
    played.shows("X-Trace: 7");
    played.shows("{\"model\":\"m1\"}");
    played.shows("Authorization: ********");
    played.hides("sk-secret");
}

#[test]
fn a_finding_selects_its_frame_and_its_text() {
    // The only error points at the finish, the second to last frame.
    let last = reasoning_only().len() - 2;
    let played = screen(120, 40, "e");
    played.shows(&format!("frame {last}"));
    played.shows("\"stop\"");
    // A frame that is selected highlights its words; its neighbors in the text are one key away.
    let played = screen(120, 40, "e4hh");
    played.shows(&format!("frame {}", last - 2));
}

#[test]
fn a_search_goes_to_the_frame_and_round_the_end() {
    let played = screen(120, 40, "/greets<enter>");
    played.shows("frame 4 ");
    let played = screen(120, 40, "/greets<enter>n");
    played.shows("· wrapped to the top");
    screen(120, 40, "/nowhere<enter>").shows("Not found: nowhere");
}

#[test]
fn thoughts_inside_the_content_are_shown_apart() {
    let frames = [chunk(r#"{"content":"<think>hm</think>Hi"}"#)];
    let played = play(opened(exchange(0, &frames)), (100, 30), "", Vec::new());
    let at = |what: &str| {
        let text: Vec<String> = played.text().lines().map(str::to_owned).collect();
        let y = text.iter().rposition(|l| l.contains(what)).unwrap();
        let x = text[y].chars().collect::<Vec<_>>();
        let x = (0..x.len()).find(|i| x[*i..].iter().collect::<String>().starts_with(what));
        played.buffer[(x.unwrap() as u16, y as u16)].clone()
    };
    assert_ne!(at("hm</think>").modifier, at("Hi").modifier);
}

#[test]
fn bytes_are_shown_with_their_line_ends_and_in_hexadecimal() {
    let frames = ["data: {\"a\":\"\t\"}\r\n\r\n"];
    let played = play(opened(exchange(0, &frames)), (120, 40), "", Vec::new());
    played.shows("data: {\"a\":\"→\"}␍␊");
    let played = play(opened(exchange(0, &frames)), (120, 40), "x", Vec::new());
    played.shows("64 61 74 61 3a 20 7b 22");
}

#[test]
fn a_bug_report_goes_to_a_file_or_the_clipboard() {
    let written = |played: &Played| {
        played.outside.effects.iter().find_map(|e| match e {
            sselens::action::Effect::WriteFile { path, bytes } => {
                Some((path.display().to_string(), String::from_utf8(bytes.clone()).unwrap()))
            }
            _ => None,
        })
    };
    screen(100, 30, "B").shows("Write a bug report (Markdown) to");
    let (path, page) = written(&screen(100, 30, "B<enter>")).unwrap();
    assert!(path.ends_with("-report.md"), "{path}");
    assert!(page.starts_with("**degraded**") || page.starts_with("**failed**"), "{page}");
    assert!(page.contains("`reasoning-only`") && page.contains("curl -N -X POST"), "{page}");
    // Two exchanges make one report.
    let mut entries = exchange(0, &reasoning_only());
    entries.extend(exchange(1, &[chunk(r#"{"content":"Hello."}"#)]));
    let both = play(opened(entries.clone()), (100, 30), "B<enter>", Vec::new());
    assert!(written(&both).unwrap().1.contains("| 1 | `lab"), "{both:?}", both = written(&both));
    // The clipboard gets only the exchange that is shown.
    let copied = play(opened(entries), (100, 30), "yreport<enter>", Vec::new());
    let [page] = &copied.outside.copies[..] else { panic!("{:?}", copied.outside.copies) };
    assert!(page.starts_with("**") && !page.contains("| 1 |"), "{page}");
    let nothing = play(startup(), (100, 30), "2B", Vec::new());
    nothing.shows("Nothing to report yet");
}

#[test]
fn a_har_opens_like_any_recording() {
    let body: String = reasoning_only().concat();
    let har = serde_json::json!({"log": {"entries": [{
        "request": {"method": "POST", "url": "https://api.example.com/v1/chat/completions",
            "headers": [], "postData": {"text": "{\"model\":\"m-7\"}"}},
        "response": {"status": 200, "headers": [], "content":
            {"mimeType": "text/event-stream", "text": body}},
    }]}});
    let parts = sselens::storage::file::BodyHints::default();
    let har = har.to_string();
    let read = sselens::storage::file::read(har.as_bytes(), "x.har", &parts).unwrap();
    let played = play(opened(read.entries), (120, 36), "e", Vec::new());
    played.shows("api.example.com");
    played.shows("reasoning-only");
    played.shows("m-7");
}

#[test]
fn the_background_of_the_verdict_says_the_state() {
    use sselens::tui::Role;
    let theme = startup().looks.theme();
    let band = |played: &Played, role: Role| {
        let cell = &played.buffer[(50, 1)];
        let want = theme.of(role);
        assert_eq!((Some(cell.fg), Some(cell.bg)), (want.fg, want.bg), "{}", played.text());
    };
    band(&screen(100, 30, ""), Role::BandFailed);
    let mut runs = exchange(0, &reasoning_only()[..6]);
    runs.pop();
    band(&play(startup(), (100, 30), "<f5>", runs), Role::BandRunning);
    let healthy = [
        chunk(r#"{"role":"assistant","content":"Hello."}"#),
        chunk("{}").replace("null}", "\"stop\"}"),
        "data: [DONE]\n\n".to_owned(),
    ];
    let healthy = play(opened(exchange(0, &healthy)), (100, 30), "", Vec::new());
    assert!(healthy.text().lines().nth(1).unwrap().contains('✔'), "{}", healthy.text());
    band(&healthy, Role::BandHealthy);
}

/// Two deltas that share a word, in the second of two exchanges.
fn split_word() -> Vec<Entry> {
    let mut entries = exchange(0, &reasoning_only());
    let pieces = ["the fa", "çade ", "stays up"];
    let deltas = pieces.iter().map(|p| chunk(&format!("{{\"content\":{}}}", serde_json::json!(p))));
    let mut second: Vec<String> = deltas.collect();
    second.push("data: [DONE]\n\n".to_owned());
    entries.extend(exchange(1, &second));
    entries
}

#[test]
fn a_word_is_found_across_deltas_and_exchanges() {
    let at = |keys: &str| play(opened(split_word()), (100, 30), keys, Vec::new());
    let found = at("2/façade<enter>");
    found.shows("2 of 2");
    found.shows("1/1 façade");
    found.shows("▸   0");
    // Also inside JSON escapes, and in the headers.
    at("2/event-stream<enter>").shows("· in the headers");
    at("2/nothing like it<enter>").shows("Not found: nothing like it");
    // n continues to count, and wrapping is reported.
    let next = at("2g/greet<enter>nnnn");
    next.shows("wrapped to the top");
    next.shows("/2 greet");
}

#[test]
fn frames_are_filtered_and_movement_stays_among_them() {
    let at = |keys: &str| play(opened(exchange(0, &reasoning_only())), (100, 30), keys, Vec::new());
    let comments = at("2fkind:comment<enter>");
    comments.shows("of 19 · kind:comment");
    comments.hides("role");
    at("2ftext~greet<enter>gj").shows("frame 7 ");
    at("2f$.choices[0].finish_reason<enter>g").shows("null");
    at("2fknd:x<enter>").shows("no filter is called \"knd\"");
    at("2fkind:comment<enter><esc>").hides("· kind:comment");
    at("2ftext~nowhere<enter>").shows("No frame matches");
}

#[test]
fn json_is_pasted_into_the_body_and_the_users_editor_changes_it() {
    let pasted = play(startup(), (140, 40), "2<paste:{\"model\":\"m-1\",\"n\":7}>", Vec::new());
    pasted.shows("\"n\":7");
    pasted.shows("Pasted into the request body");
    pasted.shows("model    m-1");
    play(startup(), (140, 40), "2<paste:{\"model\">", Vec::new())
        .shows("Not JSON and no command of curl");
    play(startup(), (140, 40), "1I", Vec::new()).shows("Edited elsewhere");
}

#[test]
fn saved_sessions_are_browsed_opened_and_deleted() {
    let at = |keys: &str| play(opened(exchange(0, &reasoning_only())), (120, 36), keys, Vec::new());
    let list = at("H");
    list.shows("#0  lab/reasoning-only");
    list.shows(
        "✖ 2026-11-28 20:11  gpt-5      27 kB     94 ms       api.example.com  Stream closed",
    );
    let opened_file = at("Hgpt-5<enter>").outside.effects;
    assert!(opened_file.contains(&Effect::LoadFile("/saved/old.jsonl".into())), "{opened_file:?}");
    at("H<down><del>").shows("Delete the selected saved session?");
    let deleted = at("H<down><del>y").outside.effects;
    assert!(deleted.contains(&Effect::DeleteSession("/saved/old.jsonl".into())), "{deleted:?}");
    at("H<del>").shows("Only saved sessions can be deleted");
}

#[test]
fn the_exchanges_of_a_session_are_a_pane() {
    let mut entries = exchange(0, &reasoning_only());
    entries.extend(exchange(1, &[chunk(r#"{"content":"Hi."}"#)]));
    let mut whole = vec![chunk(r#"{"content":"Hi."}"#)];
    whole.push(
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n".into(),
    );
    whole.push("data: [DONE]\n\n".to_owned());
    entries.extend(exchange(2, &whole));
    let at = |keys: &str| play(opened(entries.clone()), (120, 40), keys, Vec::new());
    at("").shows("6 Exchanges");
    at("").shows("3 exchanges");
    // Moving shows the exchange, Enter goes to its frames.
    let second = at("5<tab>j");
    second.shows("━ 6 Exchanges");
    second.shows("2 of 3");
    at("5<tab>jj<enter>").shows("━ 2 Frames");
    at("5<tab>s").shows("failed");
    at("5<tab>F").shows("3 of 3");
    // With one exchange there is no list, and Tab does not lead to it.
    let one = play(opened(exchange(0, &reasoning_only())), (120, 40), "5<tab>", Vec::new());
    one.hides("Exchanges");
    one.shows("━ 1 Request");
}
