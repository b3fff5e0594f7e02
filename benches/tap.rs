//! What the tap costs: the latency that it adds to each frame with recording on, against that of a plain TCP tee
//! in the same run; whether a thousand streams arrive whole; and whether its memory stays flat.
//!
//! `cargo bench --bench tap`. Sender, receiver, tee and tap share this machine, so only ratios within one run count.
//! SSELENS_TAP_MINUTES=10 lets the last part, about memory, run ten minutes instead of half a minute. The tee is this very binary,
//! called with `tee`.

#![expect(clippy::expect_used, reason = "a benchmark that fails has to stop")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The bytes of a frame, as a chunk's content.
const FRAME: usize = 200;
/// How often each way is measured, in turns.
const ROUNDS: usize = 3;
/// The most that the tap may add, in terms of what the tee adds.
const GOAL: f64 = 1.25;

/// How much is sent.
#[derive(Debug, Clone, Copy)]
struct Load {
    streams: usize,
    /// Frames per second of each stream.
    rate: u32,
    /// Frames of each stream.
    frames: u32,
}

/// What arrived.
#[derive(Debug, Default)]
struct Arrived {
    /// Of each frame, from before it was written until it was read, in nanoseconds.
    delays: Vec<u64>,
    /// How many streams ended with their last chunk.
    whole: usize,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [what, upstream, file] = &args[..]
        && what == "tee"
    {
        return tee(upstream.parse().expect("an address"), Path::new(file));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Instant::now();
    println!("latency that is added to a frame of {FRAME} bytes, recording on; µs");
    for load in [
        Load { streams: 1, rate: 1_000, frames: 4_000 },
        Load { streams: 200, rate: 50, frames: 200 },
    ] {
        latency(load, folder.path(), clock);
    }
    completeness(folder.path(), clock);
    memory(folder.path(), clock);
}

/// A way to the server.
struct Way {
    name: &'static str,
    process: Option<Child>,
    at: SocketAddr,
}

impl Way {
    fn direct(server: SocketAddr) -> Self {
        Self { name: "direct", process: None, at: server }
    }

    fn tee(server: SocketAddr, file: &Path) -> Self {
        let this = std::env::current_exe().expect("this program");
        let mut process = Command::new(this)
            .args(["tee", &server.to_string()])
            .arg(file)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the tee");
        let mut line = String::new();
        let out = process.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut line).expect("its address");
        Self { name: "tee", process: Some(process), at: line.trim().parse().expect("an address") }
    }

    fn tap(server: SocketAddr, file: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_sselens"))
            .args(["tap", "--listen", "127.0.0.1:0", "--to", &format!("http://{server}")])
            .arg("--save")
            .arg(file)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the tap");
        let mut err = BufReader::new(process.stderr.take().expect("its messages"));
        let mut line = String::new();
        err.read_line(&mut line).expect("its address");
        let at = line.split("http://").nth(1).and_then(|rest| rest.split_whitespace().next());
        let at = at.expect("its address").parse().expect("an address");
        thread::spawn(move || std::io::copy(&mut err, &mut std::io::sink()));
        Self { name: "tap", process: Some(process), at }
    }

    /// Kilobytes of memory that it has.
    fn resident(&self) -> Option<u64> {
        let id = self.process.as_ref()?.id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let line = status.lines().find(|l| l.starts_with("VmRSS:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    /// Asks it to end, and waits until it has.
    fn end(mut self) {
        let Some(process) = &mut self.process else { return };
        let id = process.id().to_string();
        let _ = Command::new("kill").args(["-INT", &id]).status();
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until && process.try_wait().ok().flatten().is_none() {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = process.kill();
        let _ = process.wait();
    }
}

/// Measures one load on all three ways, in turns.
fn latency(load: Load, folder: &Path, clock: Instant) {
    let server = Server::start(load, clock);
    let ways = [
        Way::direct(server.at),
        Way::tee(server.at, &folder.join("tee.bin")),
        Way::tap(server.at, &folder.join("tap.jsonl")),
    ];
    let mut all: [Vec<u64>; 3] = Default::default();
    for round in 0..=ROUNDS {
        for (way, delays) in ways.iter().zip(&mut all) {
            let arrived = receive(way.at, load, clock);
            assert_eq!(arrived.whole, load.streams, "{}", way.name);
            // The first round warms up.
            if round > 0 {
                delays.extend(arrived.delays);
            }
        }
    }
    ways.into_iter().for_each(Way::end);
    println!("\n{} × {} frames a second", load.streams, load.rate);
    println!("{:>8} {:>9} {:>9} {:>9}", "", "p50", "p90", "p99");
    let figures = all.map(|mut delays| {
        delays.sort_unstable();
        [50, 90, 99].map(|p| delays[(delays.len() - 1) * p / 100] as f64 / 1e3)
    });
    for (name, [a, b, c]) in ["direct", "tee", "tap"].iter().zip(&figures) {
        println!("{name:>8} {a:>9.1} {b:>9.1} {c:>9.1}");
    }
    let [direct, tee, tap] = figures;
    let ratios: Vec<f64> =
        (0..3).map(|i| (tap[i] - direct[i]) / (tee[i] - direct[i]).max(0.1)).collect();
    let text = if ratios[0] <= GOAL { "met" } else { "MISSED" };
    println!(
        "   added: {:>8.2}× {:>8.2}× {:>8.2}× of the tee (goal {GOAL}× at p50: {text})",
        ratios[0], ratios[1], ratios[2]
    );
}

/// A thousand streams through the tap: each frame arrives, and is in the recording.
fn completeness(folder: &Path, clock: Instant) {
    let load = Load { streams: 1_000, rate: 50, frames: 500 };
    let server = Server::start(load, clock);
    let file = folder.join("thousand.jsonl");
    let way = Way::tap(server.at, &file);
    let began = Instant::now();
    let arrived = receive(way.at, load, clock);
    let took = began.elapsed().as_secs_f64();
    way.end();
    let sent = load.streams * load.frames as usize;
    let recorded = recorded_bytes(&file);
    println!(
        "\n{} × {} frames a second for {} s",
        load.streams,
        load.rate,
        load.frames / load.rate
    );
    println!(
        "   {} of {sent} frames and {} of {} ends arrived in {took:.1} s; {recorded} of {} bytes are recorded",
        arrived.delays.len(),
        arrived.whole,
        load.streams,
        sent * FRAME
    );
    assert_eq!((arrived.delays.len(), arrived.whole, recorded), (sent, load.streams, sent * FRAME));
}

/// The bytes of all bodies of a session.
fn recorded_bytes(file: &Path) -> usize {
    let text = std::fs::read(file).expect("a session");
    let session = sselens::journal::file::read(&text[..]).expect("a session");
    let of = |entry: &sselens::journal::Entry| match &entry.kind {
        sselens::journal::EntryKind::Body { bytes, .. } => bytes.len(),
        _ => 0,
    };
    session.entries.iter().map(of).sum()
}

/// Streams of four seconds, one after the other on 200 connections at a time: what is over takes no memory.
fn memory(folder: &Path, clock: Instant) {
    let minutes = std::env::var("SSELENS_TAP_MINUTES").ok().and_then(|m| m.parse::<f64>().ok());
    let length = Duration::from_secs_f64(minutes.map_or(30.0, |m| m * 60.0));
    let load = Load { streams: 200, rate: 50, frames: 200 };
    let server = Server::start(load, clock);
    let way = Way::tap(server.at, &folder.join("memory.jsonl"));
    let began = Instant::now();
    let mut samples = Vec::new();
    while began.elapsed() < length {
        let arrived = receive(way.at, load, clock);
        assert_eq!(arrived.whole, load.streams);
        samples.push(way.resident());
    }
    way.end();
    let Some(samples) = samples.into_iter().collect::<Option<Vec<u64>>>() else {
        return println!("\nmemory: not known on this system");
    };
    let third = samples.len() / 3;
    let mean = |of: &[u64]| of.iter().sum::<u64>() as f64 / of.len().max(1) as f64 / 1e3;
    println!(
        "\nmemory over {:.1} min, 200 × 50 frames a second, streams of 4 s: {:.1} MB in the second third, {:.1} MB in the last",
        length.as_secs_f64() / 60.0,
        mean(&samples[third..2 * third]),
        mean(&samples[2 * third..])
    );
}

/// A server that answers each request with a stream of frames, each with the time at which it was written.
struct Server {
    at: SocketAddr,
    stop: Arc<AtomicBool>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Server {
    fn start(load: Load, clock: Instant) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("an address");
        let (begin, begun) = mpsc::channel::<TcpStream>();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let begin = begin.clone();
                if read_request(&stream).is_some() && begin.send(stream).is_err() {
                    return;
                }
            }
        });
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        thread::spawn(move || send(load, &begun, clock, &stopped));
        Self { at, stop }
    }
}

fn read_request(mut stream: &TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 1024];
    while !bytes.ends_with(b"{\"stream\":true}") {
        let n = stream.read(&mut buffer).ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&buffer[..n]);
    }
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        .ok()
}

/// Writes frames to all streams in turn as soon as as many are there as the load has.
fn send(load: Load, begun: &mpsc::Receiver<TcpStream>, clock: Instant, stop: &AtomicBool) {
    loop {
        let mut streams = Vec::with_capacity(load.streams);
        while streams.len() < load.streams {
            match begun.recv_timeout(Duration::from_millis(200)) {
                Ok(stream) => streams.push(stream),
                Err(_) if stop.load(Ordering::Relaxed) => return,
                Err(_) => {}
            }
        }
        let gap = Duration::from_secs(1) / (load.rate * load.streams as u32);
        let began = Instant::now();
        let mut due = Duration::ZERO;
        for _ in 0..load.frames {
            for stream in &mut streams {
                if let Some(wait) = due.checked_sub(began.elapsed()) {
                    thread::sleep(wait);
                }
                due += gap;
                // A receiver that has disconnected is counted on its own side.
                let _ = stream.write_all(&frame(clock));
            }
        }
        for mut stream in streams {
            let _ = stream.write_all(b"0\r\n\r\n");
        }
    }
}

/// A chunk with one frame that says when it was made.
fn frame(clock: Instant) -> Vec<u8> {
    let now = clock.elapsed().as_nanos();
    let start =
        format!("data: {{\"at\":{now:020},\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"");
    let end = "\"}}]}\n\n";
    let fill = "a".repeat(FRAME - start.len() - end.len());
    format!("{FRAME:x}\r\n{start}{fill}{end}\r\n").into_bytes()
}

/// Asks for all streams at once, and reads each to its end.
fn receive(at: SocketAddr, load: Load, clock: Instant) -> Arrived {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let arrived = Arc::new(Mutex::new(Arrived::default()));
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..load.streams {
            let arrived = Arc::clone(&arrived);
            tasks.spawn(async move { read(at, clock, &arrived).await.expect("a stream") });
        }
        tasks.join_all().await;
    });
    Arc::into_inner(arrived).expect("all tasks are over").into_inner().expect("no panic")
}

async fn read(at: SocketAddr, clock: Instant, arrived: &Mutex<Arrived>) -> std::io::Result<()> {
    let mut stream = tokio::net::TcpStream::connect(at).await?;
    stream.set_nodelay(true)?;
    let body = "{\"stream\":true}";
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: {at}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let (mut rest, mut buffer) = (Vec::new(), vec![0; 16 << 10]);
    loop {
        let n = stream.read(&mut buffer).await?;
        let now = clock.elapsed().as_nanos() as u64;
        rest.extend_from_slice(&buffer[..n]);
        let mut from = 0;
        while let Some(i) = memchr::memmem::find(&rest[from..], b"\"at\":")
            && let Some(stamp) = rest.get(from + i + 5..from + i + 25)
        {
            let sent: u64 = std::str::from_utf8(stamp).expect("digits").parse().expect("a number");
            arrived.lock().expect("no panic").delays.push(now.saturating_sub(sent));
            from += i + 25;
        }
        let ends = rest.ends_with(b"\r\n0\r\n\r\n");
        // Keep what may be the beginning of a stamp.
        rest.drain(..from.max(rest.len().saturating_sub(32)));
        if ends {
            arrived.lock().expect("no panic").whole += 1;
            return Ok(());
        }
        if n == 0 {
            return Ok(());
        }
    }
}

/// Forwards every connection and writes what the server sends to a file: the least that a recording proxy does.
fn tee(upstream: SocketAddr, file: &Path) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (copies, copied) = mpsc::channel::<Vec<u8>>();
    let file = PathBuf::from(file);
    thread::spawn(move || {
        let mut out = std::fs::File::create(file).expect("a file");
        for bytes in copied {
            out.write_all(&bytes).expect("room on the disk");
        }
    });
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("{}", listener.local_addr().expect("an address"));
        loop {
            let Ok((client, _)) = listener.accept().await else { continue };
            let copies = copies.clone();
            tokio::spawn(async move {
                let Ok(server) = tokio::net::TcpStream::connect(upstream).await else { return };
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let up = pass(from_client, to_server, None);
                let down = pass(from_server, to_client, Some(copies));
                tokio::join!(up, down);
            });
        }
    });
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    copies: Option<mpsc::Sender<Vec<u8>>>,
) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        if let Some(copies) = &copies {
            let _ = copies.send(buffer[..n].to_vec());
        }
        if to.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
