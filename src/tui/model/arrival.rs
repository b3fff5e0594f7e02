//! Takes entries into an exchange: at once, or on another thread where that takes longer than a drawing may.
//!
//! While a long frame is read elsewhere, a copy of the last state is shown; while an end is judged, the
//! exchange itself is shown as it streams. Entries that arrive meanwhile wait, in order.

use std::sync::Arc;

use super::arriving::{Arrival, Elsewhere, Task, TaskResult};
use super::{Exchange, Model};
use crate::inspect::Inspection;
use crate::journal::{Entry, EntryKind, Micros};
use crate::tui::screen::ScreenCommand;
use crate::tui::work::{self, Job};

/// So many bytes that waited are taken in between two drawings.
const SLICE: u64 = 2 << 20;

impl Exchange {
    /// Takes in what happened, or keeps it for [`Exchange::catch_up`].
    pub(in crate::tui) fn push(&mut self, entry: &Entry) {
        if !self.arrival.waiting.is_empty() || !self.take(entry) {
            self.arrival.waiting.push_back(entry.clone());
        }
    }

    /// Puts another state of the same exchange in place of the present one.
    pub(super) fn replace(&mut self, inspection: Arc<Inspection>) {
        self.inspection = inspection;
        self.arrival = Arrival::default();
    }

    /// Takes in what waited for other threads, as much as a drawing can wait for.
    pub(in crate::tui) fn catch_up(&mut self) {
        self.take_returned();
        let mut taken = 0;
        while taken < SLICE
            && let Some(entry) = self.arrival.waiting.pop_front()
        {
            if !self.take(&entry) {
                self.arrival.waiting.push_front(entry);
                return;
            }
            if let EntryKind::Body { len, .. } = &entry.kind {
                taken += u64::from(*len);
            }
        }
    }

    /// Returns whether [`Exchange::catch_up`] could take more in.
    fn could_catch_up(&self) -> bool {
        !self.arrival.waiting.is_empty()
            && !self.arrival.is_elsewhere()
            && Arc::strong_count(&self.inspection) == 1
    }

    /// Returns what another thread is to be asked for, once, as the task of this number.
    fn take_task(&mut self, number: u64) -> Option<Task> {
        match std::mem::replace(&mut self.arrival.elsewhere, Elsewhere::Runs(number)) {
            Elsewhere::Wanted(task) => Some(task),
            other => {
                self.arrival.elsewhere = other;
                None
            }
        }
    }

    /// Takes in an entry; returns whether no other thread reads or has the exchange.
    fn take(&mut self, entry: &Entry) -> bool {
        if self.arrival.is_elsewhere() {
            return false;
        }
        let Some(inspection) = Arc::get_mut(&mut self.inspection) else { return false };
        if inspection.cost(entry) >= work::MUCH {
            self.arrival.elsewhere = Elsewhere::Wanted(Task::Copy(Arc::clone(&self.inspection)));
            return false;
        }
        if inspection.wire_len() < work::AT_ONCE {
            inspection.push(entry);
        } else if inspection.push_but_judge(entry) {
            self.arrival.elsewhere = Elsewhere::Wanted(Task::Views(Arc::clone(&self.inspection)));
        }
        self.last = entry.at.or(self.last);
        self.over_now();
        true
    }

    /// Takes in what another thread has done, if nothing else reads the exchange.
    fn take_returned(&mut self) {
        let elsewhere = std::mem::take(&mut self.arrival.elsewhere);
        let Elsewhere::Returned(returned) = elsewhere else {
            self.arrival.elsewhere = elsewhere;
            return;
        };
        let Some(inspection) = Arc::get_mut(&mut self.inspection) else {
            self.arrival.elsewhere = Elsewhere::Returned(returned);
            return;
        };
        self.arrival.elsewhere = match returned {
            TaskResult::Copy(copy) => self.go(copy),
            TaskResult::TakenIn(inspection, ends) => self.come_back(inspection, ends),
            TaskResult::Views(views) => {
                let judges = inspection.take_judges(views);
                Elsewhere::Wanted(Task::Judge(Arc::clone(&self.inspection), judges))
            }
            TaskResult::Judged(judges) => {
                inspection.return_judges(judges);
                Elsewhere::No
            }
        };
        self.over_now();
    }

    /// The exchange goes to another thread, and its copy is shown.
    fn go(&mut self, copy: Box<Inspection>) -> Elsewhere {
        match Arc::try_unwrap(std::mem::replace(&mut self.inspection, Arc::from(copy))) {
            Ok(inspection) => {
                Elsewhere::Wanted(Task::TakeIn(Box::new(inspection), self.arrival.batch()))
            }
            // Cannot happen: nothing else holds a reference.
            Err(inspection) => {
                self.inspection = inspection;
                Elsewhere::No
            }
        }
    }

    /// The exchange is back, with everything in it that had waited by then.
    fn come_back(&mut self, inspection: Box<Inspection>, ends: bool) -> Elsewhere {
        let copy = std::mem::replace(&mut self.inspection, Arc::from(inspection));
        // Freeing the copy takes as long as a drawing. If no thread can be started, it is freed here.
        let _ = work::aside("free", move || drop(copy));
        let newest = self.inspection.reads().last().and_then(|read| read.at);
        self.last = self.inspection.timing.end.or(newest).max(self.last);
        match ends {
            true => Elsewhere::Wanted(Task::Views(Arc::clone(&self.inspection))),
            false => Elsewhere::No,
        }
    }
}

impl Model {
    /// Takes in what waited for other threads, and hands out what another thread is to do.
    pub(super) fn catch_up(&mut self) {
        for exchange in &mut self.exchanges {
            exchange.catch_up();
            if let Some(task) = exchange.take_task(self.tasks) {
                self.commands.push(ScreenCommand::Work(Job::Exchange(self.tasks, task)));
                self.tasks += 1;
            }
        }
    }

    /// Another thread has done a task for an exchange, if that still waits for it.
    pub(in crate::tui) fn returned(&mut self, task: u64, returned: TaskResult) {
        let waits = |e: &Exchange| matches!(e.arrival.elsewhere, Elsewhere::Runs(n) if n == task);
        if let Some(exchange) = self.exchanges.iter_mut().rfind(|e| waits(e)) {
            exchange.arrival.elsewhere = Elsewhere::Returned(returned);
        }
    }

    /// Returns the time until entries that waited are taken in; `None` if none could be.
    pub(in crate::tui) fn arrivals_wake_in(&self) -> Option<Micros> {
        self.exchanges.iter().any(Exchange::could_catch_up).then_some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_sim;
    use crate::inspect::{InspectOptions, Simulate};
    use crate::journal::{EndCause, Head, Request};

    fn options() -> Arc<InspectOptions> {
        let simulate = Some(Simulate(client_sim::views));
        Arc::new(InspectOptions { simulate, ..InspectOptions::default() })
    }

    fn chunk(text: &str) -> String {
        format!(
            "{{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":\
             [{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":null}}]}}"
        )
    }

    /// An exchange whose body arrives in reads of so many bytes, and a note behind its end.
    fn entries(kind: &str, body: &[u8], read: usize) -> Vec<Entry> {
        entries_of(200, &[("content-type", kind)], body, read)
    }

    fn entries_of(status: u16, headers: &[(&str, &str)], body: &[u8], read: usize) -> Vec<Entry> {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let head = Head { status, version: "HTTP/1.1".into(), headers, ..Head::default() };
        let request =
            Request { method: "POST".into(), dialect: "auto".into(), ..Request::default() };
        let mut kinds = vec![EntryKind::Request(Box::new(request)), EntryKind::Head(head)];
        kinds.extend(body.chunks(read).map(|bytes| EntryKind::Body {
            len: bytes.len() as u32,
            bytes: bytes::Bytes::copy_from_slice(bytes),
            masked: Vec::new(),
        }));
        kinds.push(EntryKind::End { cause: EndCause::Complete, detail: String::new() });
        kinds.push(EntryKind::note(crate::rule::Code::SaveFailed, "the disk is full"));
        let at = |(n, kind)| Entry { exchange: 0, at: Some(n as Micros * 100), kind };
        kinds.into_iter().enumerate().map(at).collect()
    }

    fn facts(i: &Inspection) -> String {
        let (answer, findings) = (i.answer(), i.findings());
        let deltas = answer.deltas();
        let of = (i.frames(), i.reads().len(), i.shape().rows(), i.clients(), i.tally());
        format!("{findings:#?} {deltas:?} {of:?} {:?} {}", i.timing, i.verdict())
    }

    /// Takes entries in as the screen does, with other threads that answer after so many entries; returns the
    /// exchange and how often it was elsewhere.
    fn taken(entries: &[Entry], late: usize) -> (Exchange, usize) {
        let mut exchange = Exchange::new(0, Inspection::new(options()), true);
        let (mut task, mut since, mut tasks) = (None, 0, 0);
        let mut step = |exchange: &mut Exchange, wait: usize| {
            exchange.catch_up();
            if let Some(wanted) = exchange.take_task(0) {
                (task, since) = (Some(wanted), 0);
                tasks += 1;
            }
            since += 1;
            if since > wait
                && let Some(task) = task.take()
            {
                exchange.arrival.elsewhere = Elsewhere::Returned(task.run());
            }
        };
        for entry in entries {
            exchange.push(entry);
            step(&mut exchange, late);
        }
        while exchange.arrival.is_behind() {
            step(&mut exchange, 0);
        }
        (exchange, tasks)
    }

    #[track_caller]
    fn is_the_same_elsewhere(kind: &str, body: &[u8], elsewhere: bool) {
        are_the_same_elsewhere(&entries(kind, body, 64 << 10), elsewhere);
    }

    #[track_caller]
    fn are_the_same_elsewhere(entries: &[Entry], elsewhere: bool) {
        let mut here = Inspection::new(options());
        entries.iter().for_each(|entry| here.push(entry));
        for late in [0, 3, 1000] {
            let (exchange, tasks) = taken(entries, late);
            assert!(exchange.is_over());
            // For a long body a copy and the reading; for the end, the views and the judgment.
            assert!(tasks >= if elsewhere { 4 } else { 2 }, "{tasks}");
            assert_eq!(exchange.last, entries.last().and_then(|e| e.at));
            let (there, here) = (facts(&exchange.inspection), facts(&here));
            assert!(there == here, "{late}: {there:.2000}\n{here:.2000}");
        }
    }

    #[test]
    fn a_long_frame_is_read_elsewhere_with_the_same_result() {
        let long = "x".repeat(5 << 20);
        let small = |n: usize| (0..n).map(|i| format!("data: {}\n\n", chunk(&i.to_string())));
        let sse: String = small(300)
            .chain([format!("data: {}\n\n", chunk(&long))])
            .chain(small(300))
            .chain(["data: [DONE]\n\n".to_owned()])
            .collect();
        is_the_same_elsewhere("text/event-stream", sse.as_bytes(), true);
        is_the_same_elsewhere("text/event-stream", &sse.as_bytes()[..5 << 20], true);
        is_the_same_elsewhere("application/json", chunk(&long).as_bytes(), true);
        is_the_same_elsewhere("text/plain", long.as_bytes(), true);
        let line = format!("{}\n{}\n{}\n", chunk("a"), chunk(&long), chunk("b"));
        is_the_same_elsewhere("application/x-ndjson", line.as_bytes(), true);
    }

    #[test]
    fn a_read_that_may_decode_to_megabytes_is_decoded_elsewhere() {
        use std::io::Write as _;
        let body = format!("data: {}\n\n", chunk(&"x".repeat(5 << 20)));
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(body.as_bytes()).unwrap();
        let body = encoder.finish().unwrap();
        assert!(body.len() < 64 << 10, "one read");
        let headers = [("content-type", "text/event-stream"), ("content-encoding", "gzip")];
        are_the_same_elsewhere(&entries_of(200, &headers, &body, 64 << 10), true);
    }

    /// A message of a server, as a frame of the protocol.
    fn message(first: u8, payload: &[u8]) -> Vec<u8> {
        [&[first, 127], &(payload.len() as u64).to_be_bytes()[..], payload].concat()
    }

    #[test]
    fn a_long_message_of_a_web_socket_is_read_elsewhere() {
        let event = |text: &str| {
            format!("{{\"type\":\"response.output_text.delta\",\"delta\":\"{text}\"}}")
        };
        let long = event(&"x".repeat(5 << 20));
        let all = [event("a"), long.clone(), event("b")].map(|e| message(0x81, e.as_bytes()));
        let headers = [("upgrade", "websocket"), ("connection", "upgrade")];
        are_the_same_elsewhere(&entries_of(101, &headers, &all.concat(), 64 << 10), true);
        // A message that never ends, and one that a single read inflates to.
        let cut = &all.concat()[..(5 << 20) - 1];
        are_the_same_elsewhere(&entries_of(101, &headers, cut, 64 << 10), true);
        let mut deflated = Vec::new();
        let mut deflate = flate2::Compress::new(flate2::Compression::fast(), false);
        deflated.reserve(1 << 20);
        deflate.compress_vec(long.as_bytes(), &mut deflated, flate2::FlushCompress::Sync).unwrap();
        let body = message(0xc1, deflated.strip_suffix(&[0, 0, 0xff, 0xff]).unwrap());
        assert!(body.len() < 64 << 10, "one read");
        let extensions = ("sec-websocket-extensions", "permessage-deflate");
        let headers = [headers[0], headers[1], extensions];
        are_the_same_elsewhere(&entries_of(101, &headers, &body, 64 << 10), true);
    }

    #[test]
    fn many_short_frames_are_read_here_and_their_end_is_judged_elsewhere() {
        let sse: String =
            (0..5000).map(|i| format!("data: {}\n\n", chunk(&i.to_string()))).collect();
        is_the_same_elsewhere("text/event-stream", sse.as_bytes(), false);
    }

    #[test]
    fn while_it_is_elsewhere_the_last_state_is_shown() {
        let body = format!("data: {}\n\ndata: {}\n\n", chunk("a"), chunk(&"x".repeat(5 << 20)));
        let mut exchange = Exchange::new(0, Inspection::new(options()), true);
        for entry in entries("text/event-stream", body.as_bytes(), 64 << 10) {
            exchange.push(&entry);
        }
        let wanted = exchange.take_task(0).unwrap();
        exchange.arrival.elsewhere = Elsewhere::Returned(wanted.run());
        exchange.catch_up();
        let wanted = exchange.take_task(0).unwrap();
        assert!(matches!(wanted, Task::TakeIn(..)));
        assert_eq!(exchange.inspection.frames().len(), 1);
        assert_eq!(exchange.text(crate::dialect::Channel::Content), "a");
        assert!(exchange.is_running() && exchange.inspection.wire_len() >= 5 << 20);
        // It is unknown whether the server is silent.
        assert!(exchange.silence(Micros::MAX / 2).is_none());
    }
}
