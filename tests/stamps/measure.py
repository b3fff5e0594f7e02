#!/usr/bin/env python3
"""How near the tap's times are to the sender's clock, beside a packet capture of the same bytes.

A server sends frames that carry the time at which each was written, at several rates; `sselens tap` records them, and
tcpdump (AF_PACKET, nanoseconds) captures the same connection. For both the distance to the sender's clock is worked
out, and what the tap's is in terms of the capture's. Once without a screen, once with the screen drawing. Needs
tcpdump and the right to capture on lo (root); says so and ends where it hasn't. Prints Markdown.

    python3 tests/stamps/measure.py [--seconds 10] [--sselens PROGRAM]
"""

import argparse
import json
import os
import pty
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RATES = (50, 1_000, 20_000)
STAMP = re.compile(rb'"at":(\d{19})')
SIZE = 200


def frame(now):
    text = b'data: {"at":%019d,"choices":[{"index":0,"delta":{"content":"' % now
    text += b"a" * (SIZE - len(text) - 6) + b'"}}]}\n\n'
    return b"%x\r\n%s\r\n" % (len(text), text)


def serve(listener, rate, seconds):
    """Answers one request with frames at this rate."""
    stream, _ = listener.accept()
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    got = b""
    while not got.endswith(b"{}"):
        got += stream.recv(4096)
    stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    began, gap = time.monotonic(), 1 / rate
    for n in range(rate * seconds):
        due = began + n * gap
        while (wait := due - time.monotonic()) > 0:
            if wait > 0.0002:
                time.sleep(wait - 0.0001)
        # The last thing before the system call is the clock.
        stream.send(frame(time.time_ns()))
    stream.sendall(b"0\r\n\r\n")
    stream.close()


def ask(port):
    """Reads a stream to its end."""
    with socket.create_connection(("127.0.0.1", port)) as stream:
        stream.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        tail = b""
        while True:
            got = stream.recv(1 << 16)
            tail = (tail + got)[-7:]
            if not got or tail == b"\r\n0\r\n\r\n":
                return


def start_tap(program, upstream, session, drawing):
    """A tap, in a terminal of its own where it draws; returns the process and its port."""
    port = free_port()
    line = [program, "tap", "--listen", f"127.0.0.1:{port}", "--to", f"http://127.0.0.1:{upstream}", "--save", session,
            "--no-autosave"]
    if drawing:
        outer, inner = pty.openpty()
        import fcntl
        import termios
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 45, 160, 0, 0))
        process = subprocess.Popen(line, stdin=inner, stdout=inner, stderr=inner, start_new_session=True,
                                   env=os.environ | {"TERM": "xterm-256color"})
        os.close(inner)
        threading.Thread(target=drain, args=(outer,), daemon=True).start()
    else:
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            time.sleep(0.05)
    return process, port


def drain(terminal):
    try:
        while os.read(terminal, 1 << 16):
            pass
    except OSError:
        pass


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def captured(path):
    """For each frame that tcpdump saw, the distance from the sender's clock, in µs."""
    data, found = path.read_bytes(), {}
    order = "<" if data[:4] == b"\x4d\x3c\xb2\xa1" else ">"
    at = 24
    while at + 16 <= len(data):
        seconds, nanos, length, _ = struct.unpack(order + "IIII", data[at:at + 16])
        packet = data[at + 16:at + 16 + length]
        at += 16 + length
        for match in STAMP.finditer(packet):
            sent = int(match[1])
            # A segment that was sent twice counts once.
            found.setdefault(sent, (seconds * 10**9 + nanos - sent) / 1e3)
    return found


def recorded(path):
    """For each frame that the tap recorded, the distance, and whether its read had no other frame."""
    alone, shared = {}, {}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    created = lines[0]["created"].replace("Z", "+00:00")
    # Python's dates have microseconds, and so does the header.
    base, _, rest = created.partition(".")
    micros = rest.partition("+")[0].ljust(6, "0") if rest else "0"
    epoch = int(datetime.fromisoformat(base if "+" in base else base + "+00:00").timestamp()) * 10**9 + int(micros) * 1000
    reads = {}
    for line in lines[1:]:
        if line["type"] == "body":
            text = line.get("text")
            body = text.encode() if text is not None else b""
            reads.setdefault(line["at"], []).extend(int(m[1]) for m in STAMP.finditer(body))
    for at, frames in reads.items():
        stamp = epoch + round(at * 1e6) * 1000
        into = alone if len(frames) == 1 else shared
        for sent in frames:
            into[sent] = (stamp - sent) / 1e3
    return alone, shared


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))] if values else float("nan")


def measure(program, rate, seconds, drawing, folder):
    session, capture = folder / "session.jsonl", folder / "capture.pcap"
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    tcpdump = subprocess.Popen(
        ["tcpdump", "-i", "lo", "-U", "-B", "65536", "-s", "400", "--time-stamp-precision=nano", "-w", capture,
         f"tcp src port {port} and greater 150"], stderr=subprocess.PIPE, text=True)
    # It says when it listens.
    while "listening" not in tcpdump.stderr.readline():
        if tcpdump.poll() is not None:
            sys.exit("skipped: tcpdump may not capture on lo")
    tap, tapped = start_tap(program, port, session, drawing)
    # The interpreter's own lock would have the receiver wait for the sender.
    sender = os.fork()
    if sender == 0:
        serve(listener, rate, seconds)
        os._exit(0)
    listener.close()
    ask(tapped)
    os.waitpid(sender, 0)
    time.sleep(1)
    tap.send_signal(signal.SIGTERM)
    tap.wait(120)
    tcpdump.send_signal(signal.SIGINT)
    tcpdump.wait(20)
    seen, (alone, shared) = captured(capture), recorded(session)
    session.unlink()
    both = [sent for sent in alone if sent in seen]
    wire, tapped = [seen[s] for s in both], [alone[s] for s in both]
    cells = [f"{rate:,}", "yes" if drawing else "no"]
    for q in (0.5, 0.99):
        a, b = quantile(wire, q), quantile(tapped, q)
        cells += [f"{a:.1f}", f"{b:.1f}", f"{b / a:.2f}×"]
    total = len(alone) + len(shared)
    cells += [f"{total:,} of {rate * seconds:,}", f"{len(shared):,}"]
    print("| " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sselens", type=Path, default=ROOT / "target/release/sselens")
    parser.add_argument("--seconds", type=int, default=10)
    arguments = parser.parse_args()
    if not shutil.which("tcpdump") or os.geteuid() != 0:
        sys.exit("skipped: needs tcpdump and the right to capture on lo")
    print("| frames/s | drawing | capture p50 | tap p50 | | capture p99 | tap p99 | | recorded | sharing a stamp |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for drawing in (False, True):
            for rate in RATES:
                measure(arguments.sselens, rate, arguments.seconds, drawing, Path(folder))


if __name__ == "__main__":
    main()
