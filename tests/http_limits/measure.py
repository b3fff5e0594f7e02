#!/usr/bin/env python3
"""Measures what HTTP stacks accept of a response, and prints the table of assets/docs/limits.md.

    python3 -m venv V && V/bin/pip install httpx requests aiohttp
    cargo build && V/bin/python tests/http_limits/measure.py target/debug/sselens

Everything is on loopback; `node` and `curl` are asked where they are installed. One server writes the
response of each case as it is; a stack accepts a size if it returns the whole body. The largest size that is
accepted is found by halving."""

import asyncio, http.client, json, os, shutil, socket, subprocess, sys, tempfile, threading

BODY = b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
LENGTH = HEAD + b"Content-Length: %d\r\n" % len(BODY)


def chunk(extension=b""):
    return b"%x%s\r\n%s\r\n" % (len(BODY), extension, BODY)


def fields(count, size=1):
    return b"".join(b"X-%d: %s\r\n" % (i, b"y" * size) for i in range(count))


def line(size):
    return b"X: " + b"y" * (size - 3) + b"\r\n"


def head(size):
    """A head of this many bytes, in lines of 4,000, so that no bound of lines or of fields is met."""
    lines, rest = divmod(size - len(LENGTH) - 2, 4000)
    return LENGTH + b"".join(b"X-%02d: " % (i % 100) + b"y" * 3992 + b"\r\n" for i in range(lines)) + (line(rest - 2) if rest > 6 else b"") + b"\r\n"


# What is measured: its name, the response for a size, the least that fits, and the largest size that is tried. A line is
# counted without its end, a head with all of it.
CASES = [
    ("Header fields", lambda n: LENGTH + fields(n - 2) + b"\r\n" + BODY, 2, 20_000),
    ("One header line, bytes", lambda n: LENGTH + line(n) + b"\r\n" + BODY, 4, 1_000_000),
    ("Headers in all, bytes", lambda n: head(n) + BODY, 200, 380_000),
    ("Trailer fields", lambda n: CHUNKED + chunk() + b"0\r\n" + fields(n) + b"\r\n", 1, 20_000),
    ("One trailer line, bytes", lambda n: CHUNKED + chunk() + b"0\r\n" + line(n) + b"\r\n", 4, 1_000_000),
    ("Chunk extension, bytes", lambda n: CHUNKED + chunk(b";" + b"e" * (n - 1)) + b"0\r\n\r\n", 1, 1_000_000),
]

# Yes or no.
ODD = [
    ("`103 Early Hints` first", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + LENGTH + b"\r\n" + BODY),
    ("`100 Continue` that was not asked for", b"HTTP/1.1 100 Continue\r\n\r\n" + LENGTH + b"\r\n" + BODY),
    ("Folded header line", LENGTH + b"X: a\r\n  b\r\n\r\n" + BODY),
    ("Line without a colon", LENGTH + b"nonsense\r\n\r\n" + BODY),
    ("Space before the colon", HEAD + b"X : a\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY),
    ("Control character in a value", LENGTH + b"X: a\x1bb\r\n\r\n" + BODY),
    ("Line feeds alone", (LENGTH + b"\r\n").replace(b"\r\n", b"\n") + BODY),
    ("Chunked under HTTP/1.0", CHUNKED.replace(b"1.1", b"1.0", 1) + chunk() + b"0\r\n\r\n"),
    ("`Content-Length` twice, the same", LENGTH + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY),
    ("`Content-Length` and chunked", LENGTH + b"Transfer-Encoding: chunked\r\n\r\n" + chunk() + b"0\r\n\r\n"),
]

answer = b""


def serve(listener):
    while True:
        peer, _ = listener.accept()
        try:
            peer.settimeout(5)
            while b"\r\n\r\n" not in peer.recv(65536):
                pass
            peer.sendall(answer)
            peer.shutdown(socket.SHUT_WR)
            while peer.recv(65536):
                pass
        except OSError:
            pass
        peer.close()


def by_httpx(url):
    import httpx

    with httpx.Client(trust_env=False) as client, client.stream("GET", url) as response:
        return b"".join(response.iter_raw()) if response.status_code == 200 else b""


def by_httpx2(url):
    import httpx2

    with httpx2.Client(trust_env=False) as client, client.stream("GET", url) as response:
        return b"".join(response.iter_raw()) if response.status_code == 200 else b""


def by_requests(url):
    import requests

    session = requests.Session()
    session.trust_env = False
    response = session.get(url, timeout=5)
    return response.content if response.status_code == 200 else b""


def by_aiohttp(url):
    import aiohttp

    async def get():
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return await response.read() if response.status == 200 else b""

    return asyncio.run(get())


# One process answers for all cases: it reads addresses and prints the length of what it received.
NODE = r"""
const get = {
  async fetch(url) { const r = await fetch(url); return r.status === 200 ? Buffer.from(await r.arrayBuffer()) : ''; },
  http: (url) => new Promise((resolve, reject) => {
    const request = require('node:http').get(url, { agent: false }, (r) => {
      const parts = []; r.on('data', (d) => parts.push(d)); r.on('error', reject);
      r.on('end', () => resolve(r.complete && r.statusCode === 200 ? Buffer.concat(parts) : ''));
    });
    request.on('error', reject);
  }),
}[process.argv[1]];
(async () => {
  for await (const url of require('node:readline').createInterface({ input: process.stdin })) {
    let length = 0;
    try { length = (await get(url)).length; } catch {}
    console.log(length);
  }
})();
"""


def by_node(how):
    process = subprocess.Popen(
        ["node", "-e", NODE, how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def get(url):
        process.stdin.write(url + "\n")
        process.stdin.flush()
        return BODY if int(process.stdout.readline()) == len(BODY) else b""

    return get


def by_curl(url):
    return subprocess.run(["curl", "-s", "--noproxy", "*", url], capture_output=True).stdout


def by_sselens(program):
    def get(url):
        with tempfile.TemporaryDirectory() as home:
            command = [program, "send", "--url", url, "-o", "raw", "-m", "m", "hi"]
            env = {"HOME": home, "PATH": os.environ["PATH"]}
            return subprocess.run(command, env=env, capture_output=True, stdin=subprocess.DEVNULL).stdout

    return get


def main():
    global answer
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    url = "http://127.0.0.1:%d/" % listener.getsockname()[1]
    stacks = {}
    for name, get in [("httpx", by_httpx), ("httpx2", by_httpx2), ("requests", by_requests), ("aiohttp", by_aiohttp)]:
        try:
            version = __import__(name).__version__
            stacks[f"{name} {version}"] = get
        except ImportError:
            print(f"left out: {name}", file=sys.stderr)
    if shutil.which("node"):
        node = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip("v\n")
        stacks[f"Node {node} fetch"] = by_node("fetch")
        stacks[f"Node {node} http"] = by_node("http")
    if shutil.which("curl"):
        curl = subprocess.run(["curl", "--version"], capture_output=True, text=True).stdout.split()[1]
        stacks[f"curl {curl}"] = by_curl
    stacks["sselens"] = by_sselens(os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "target/debug/sselens"))

    def accepts(get, response):
        global answer
        answer = response
        try:
            return get(url) == BODY
        except Exception:
            return False

    def largest(get, make, least, most):
        if accepts(get, make(most)):
            return f"≥ {most:,}"
        good, bad = least, most
        while bad - good > 1:
            middle = (good + bad) // 2
            good, bad = (middle, bad) if accepts(get, make(middle)) else (good, middle)
        return f"{good:,}"

    print("| | " + " | ".join(stacks) + " |")
    print("|---" * (len(stacks) + 1) + "|")
    for name, make, least, most in CASES:
        print(f"| {name} | " + " | ".join(largest(get, make, least, most) for get in stacks.values()) + " |", flush=True)
    for name, response in ODD:
        row = ("yes" if accepts(get, response) else "**no**" for get in stacks.values())
        print(f"| {name} | " + " | ".join(row) + " |", flush=True)


main()
