#!/usr/bin/env python3
"""clients.py CLIENTS [OUT [CLIENT...]] : asks the clients of the client views (all, or those named) for healthy
streams whose HTTP is unusual or large, and writes what they returned to OUT, in the form of clients.json: of each
client and dialect the cases in which it did not return the stream whole. `src/client_sim/http.rs` is held against it.

CLIENTS is the folder in which tests/client_sim/run.sh installed them. Everything is on loopback. The response is
written in two steps, headers and then the rest, as a server that streams does."""

import concurrent.futures, json, os, pathlib, re, socket, subprocess, sys, tempfile, threading, time, urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
SIM = HERE.parent / "client_sim"
TYPES = {".sse": "text/event-stream", ".bin": "application/vnd.amazon.eventstream"}
CHAT = b"".join(
    b"data: " + json.dumps({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [
        {"index": 0, "delta": delta, "finish_reason": finish}]}).encode() + b"\n\n"
    for delta, finish in [({"role": "assistant", "content": "Hello"}, None), ({}, "stop")]) + b"data: [DONE]\n\n"

# Sizes to either side of every bound that a stack was seen to have. What is sized: fields of a head, bytes of one
# line of it (without its end), of a whole head; the same of trailers; bytes of a chunk's extension.
SIZES = {
    "fields": [98, 99, 100, 101, 128, 129, 200, 20_000],
    "line": [8_186, 8_189, 8_192, 8_200, 16_400, 65_534, 65_536, 200_000],
    "head": [16_000, 16_200, 16_800, 100_000, 180_000, 350_000],
    "trailers": [98, 99, 100, 101, 128, 129, 200, 20_000],
    "trailer": [8_186, 8_189, 8_192, 8_200, 16_400, 65_534, 65_536, 200_000],
    "extension": [1_000, 15_000, 17_000, 65_000, 65_600, 200_000],
}
ODD = ["early-hints", "continue", "folded", "no-colon", "space-before-colon", "control", "line-feeds", "http-1.0-chunked",
       "length-twice", "length-and-chunked"]
CASES = ["plain", *(f"{what}-{size}" for what, sizes in SIZES.items() for size in sizes), *ODD]


def many(count):
    return b"".join(b"x-%d: y\r\n" % i for i in range(count))


def response(body, kind, case):
    """The headers and the rest of a response."""
    what, _, size = case.rpartition("-")
    start = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\n" % kind.encode()
    length = b"content-length: %d\r\n" % len(body)
    chunked = b"transfer-encoding: chunked\r\n"
    chunks = lambda extension=b"", trailers=b"": b"%x%s\r\n%s\r\n0\r\n%s\r\n" % (len(body), extension, body, trailers)
    line = lambda n: b"x: " + b"y" * (n - 3) + b"\r\n"
    if what in SIZES and size.isdigit():
        n = int(size)
        if what == "fields":
            return start + length + many(n - 2) + b"\r\n", body
        if what == "line":
            return start + length + line(n) + b"\r\n", body
        if what == "head":
            fixed = len(start + length) + 2
            lines, rest = divmod(n - fixed, 4000)
            parts = [b"x-%02d: " % i + b"y" * 3992 + b"\r\n" for i in range(lines)]
            return start + length + b"".join(parts) + line(max(rest - 2, 4)) + b"\r\n", body
        if what == "trailers":
            return start + chunked + b"\r\n", chunks(trailers=many(n))
        if what == "trailer":
            return start + chunked + b"\r\n", chunks(trailers=line(n))
        return start + chunked + b"\r\n", chunks(extension=b";" + b"e" * (n - 1))
    head = start + length
    return {
        "plain": (head + b"\r\n", body),
        "early-hints": (b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + head + b"\r\n", body),
        "continue": (b"HTTP/1.1 100 Continue\r\n\r\n" + head + b"\r\n", body),
        "folded": (head + b"x: a\r\n  b\r\n\r\n", body),
        "no-colon": (head + b"nonsense\r\n\r\n", body),
        "space-before-colon": (head + b"x : a\r\n\r\n", body),
        "control": (head + b"x: a\x1bb\r\n\r\n", body),
        "line-feeds": ((head + b"\r\n").replace(b"\r\n", b"\n"), body),
        "http-1.0-chunked": (start.replace(b"1.1", b"1.0", 1) + chunked + b"\r\n", chunks()),
        "length-twice": (head + length + b"\r\n", body),
        "length-and-chunked": (head + chunked + b"\r\n", chunks()),
    }[case]


def body_of(folder):
    if folder == "chat":
        return CHAT, TYPES[".sse"]
    file = next(SIM.joinpath(folder).glob("hello.*"))
    return file.read_bytes(), TYPES[file.suffix]


def serve(listener):
    while True:
        peer, _ = listener.accept()
        threading.Thread(target=answer, args=(peer,), daemon=True).start()


def answer(peer):
    """Answers requests, each as the model in its body or path says."""
    try:
        peer.settimeout(20)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while one(peer):
            pass
    except OSError:
        pass
    finally:
        peer.close()


def one(peer):
    """Answers one request; returns whether another may follow."""
    read = b""
    while b"\r\n\r\n" not in read:
        more = peer.recv(65536)
        if not more:
            return False
        read += more
    head, _, body = read.partition(b"\r\n\r\n")
    path = urllib.parse.unquote(head.split(b" ")[1].decode())
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    if re.search(rb"(?i)expect: *100", head):
        peer.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    while len(body) < int(length[1] if length else 0):
        body += peer.recv(65536)
    if not head.startswith(b"POST"):
        peer.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        return False
    asked = json.loads(body) if body.startswith(b"{") else {}
    named = re.search(r"/models?/(.+?)(:|/converse-stream|/invoke)", path) or re.search(r"/(.+?):", path)
    part = re.match(r"/in/(\w+)/", path)
    at = re.match(r"/codex/([^/]+)/", path)
    name = f"responses/{at[1]}" if at else (f"{part[1]}/" if part else "") + (asked.get("model") or named[1])
    folder, case = name.split("/")
    first, rest = response(*body_of(folder), case)
    peer.sendall(first)
    time.sleep(0.02)
    peer.sendall(rest)
    return True


def by_codex(program, base, cases):
    """What `codex exec` makes of each case."""
    for case in cases:
        with tempfile.TemporaryDirectory() as home:
            config = pathlib.Path(home, ".codex")
            config.mkdir()
            config.joinpath("config.toml").write_text(
                f'model = "gpt-5"\nmodel_provider = "lab"\n[model_providers.lab]\nname = "lab"\nbase_url = "{base}/codex/{case}/v1"\n'
                'env_key = "LAB_KEY"\nwire_api = "responses"\nrequest_max_retries = 0\nstream_max_retries = 0\n')
            env = {**os.environ, "HOME": home, "CODEX_HOME": str(config), "LAB_KEY": "lab"}
            try:
                done = subprocess.run([program, "exec", "--skip-git-repo-check", "--sandbox", "read-only", "--json", "hi"], cwd=home,
                                      env=env, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
            except subprocess.TimeoutExpired:
                yield {"model": f"responses/{case}", "error": {"class": "(waits)", "message": ""}}
                continue
        given = {"model": f"responses/{case}", "content": {}, "error": None}
        for event in map(json.loads, done.stdout.splitlines()):
            item = event.get("item") or {}
            if event.get("type") == "item.completed" and item.get("type") == "agent_message":
                given["content"] = {"0": item["text"]}
            if event.get("type") == "turn.failed":
                given["error"] = {"class": "turn.failed", "message": (event.get("error") or {}).get("message") or ""}
        yield given


# Where each is installed, and the dialects that it is asked in.
PYTHON = {
    "openai-python": ("sdks", ["chat", "responses"]), "openai-python.stream": ("sdks", ["chat", "responses"]),
    "anthropic-python": ("sdks", ["anthropic"]), "anthropic-python.stream": ("sdks", ["anthropic"]),
    "google-genai": ("google", ["gemini"]), "google-genai.chat": ("google", ["gemini"]),
    "botocore": ("boto3", ["bedrock"]), "cohere": ("cohere", ["cohere"]), "mistralai": ("mistralai", ["mistral"]),
    "langchain-openai": ("langchain", ["chat"]),
    "litellm": ("litellm", ["chat", "responses", "anthropic"]), "litellm+drop_params": ("litellm", ["chat"]),
    "litellm-1.81.5": ("litellm-1.81.5", ["chat"]), "litellm-1.81.5+drop_params": ("litellm-1.81.5", ["chat"]),
}
NODE = {
    "openai-node": ["chat", "responses"], "openai-node.stream": ["chat", "responses"],
    "anthropic-typescript": ["anthropic"], "anthropic-typescript.stream": ["anthropic"],
    "ai": ["chat", "responses", "anthropic", "gemini"],
}


def asked(command, base, folder, cases):
    # The first is asked twice: some clients take seconds to begin.
    names = [f"{folder}/{case}" for case in [cases[0], *cases]]
    env = {**os.environ, "NO_PROXY": "*"}
    done = subprocess.run([*command, base, *names], capture_output=True, text=True, env=env)
    lines = [json.loads(line) for line in done.stdout.split("\n") if line]
    if len(lines) != len(names) + 1:
        print(f"{command}: {len(lines)} lines: {done.stderr[-300:]}", file=sys.stderr)
    return lines[2:]


def outcomes(given):
    """The cases in which the stream was not returned whole, with what was."""
    whole = next(g for g in given if g["model"].endswith("/plain"))
    assert whole["content"] and not whole["error"], whole
    out = {}
    for g in given:
        if g["error"] or g["content"] != whole["content"]:
            case = g["model"].split("/")[1]
            error = g["error"] or {"class": "(nothing)", "message": ""}
            # Addresses, ports and temporary names are others each time.
            words = re.sub(r"127\.0\.0\.1:\d+(/codex/[^/]*)?", "127.0.0.1", error["message"])
            out[case] = {"class": error["class"], "message": words[:200], "has_text": bool(g["content"])}
    return out


def main():
    clients = pathlib.Path(sys.argv[1]).resolve()
    out = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else HERE / "clients.json"
    only = sys.argv[3:]
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    base = "http://127.0.0.1:%d" % listener.getsockname()[1]
    recorded = json.loads(out.read_text())["failed"] if out.exists() and only else {}
    (clients / "node/client.mjs").write_text((SIM / "client.mjs").read_text())
    work, lock = {}, threading.Lock()
    for name, (where, folders) in PYTHON.items():
        work |= {(name, folder): [clients / where / "bin/python", SIM / "client.py", name] for folder in folders}
    for name, folders in NODE.items():
        work |= {(name, folder): ["node", clients / "node/client.mjs", name] for folder in folders}
    work["codex", "responses"] = None

    def ask(of):
        (name, folder), command = of
        codex = clients / "codex/node_modules/.bin/codex"
        given = asked(command, base, folder, CASES) if command else list(by_codex(codex, base, CASES))
        recorded[f"{name} {folder}"] = outcomes(given)
        with lock:
            out.write_text(json.dumps({"cases": CASES, "failed": dict(sorted(recorded.items()))}, indent=1) + "\n")
        print(name, folder, len(recorded[f"{name} {folder}"]), file=sys.stderr)

    with concurrent.futures.ThreadPoolExecutor(3) as lanes:
        list(lanes.map(ask, [of for of in work.items() if not only or of[0][0] in only]))


main()
