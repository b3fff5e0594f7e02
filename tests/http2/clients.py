"""Clients of HTTP/2 against the lab, through nghttpx and the tap; the recording says what happened.

    clients.py SSELENS [FOLDER]

SSELENS is the program, FOLDER keeps the clients from run to run. Needs nghttpx (nghttp2-proxy of Debian), curl with
HTTP/2, node and npm, and installs httpx and the Bedrock client. Prints a line for each client; the exit status is 1
where one did not complete its turn, or the tap did not record it.
"""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import venv

HERE = pathlib.Path(__file__).parent
BODY = '{"model":"lab/answer","stream":true,"messages":[{"role":"user","content":"hello"}]}'
HTTPX = """
import httpx, sys
with httpx.Client(http1=False, http2=True, verify=sys.argv[2] if len(sys.argv) > 2 else True) as client:
    for _ in range(2):
        with client.stream("POST", sys.argv[1] + "/v1/chat/completions", content=sys.stdin.read() or BODY) as answer:
            text = "".join(answer.iter_text())
            assert answer.http_version == "HTTP/2" and "[DONE]" in text, (answer, text)
""".replace("BODY", repr(BODY))

program = str(pathlib.Path(sys.argv[1]).resolve())
work = pathlib.Path(tempfile.mkdtemp())
kept = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else work / "clients").resolve()
running = []


def start(command, **more):
    running.append(subprocess.Popen(command, cwd=work, **more))
    return running[-1]


def said(process, pattern):
    """The address in what a server says when it is ready."""
    for line in process.stdout or process.stderr:
        if found := re.search(pattern, line):
            return found.group(1)
    sys.exit("a server ended before it said where it is")


def free():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def await_port(port):
    for _ in range(100):
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
    sys.exit("nghttpx does not listen")


def install():
    kept.mkdir(parents=True, exist_ok=True)
    if not (kept / "v/bin/httpx").exists():
        venv.create(kept / "v", with_pip=True)
        subprocess.run([kept / "v/bin/pip", "-q", "install", "httpx[http2,cli]"], check=True)
    if not (kept / "node_modules/@aws-sdk").exists():
        for command in (["npm", "init", "-y"], ["npm", "install", "--no-fund", "@aws-sdk/client-bedrock-runtime"]):
            subprocess.run(command, cwd=kept, check=True, stdout=subprocess.DEVNULL)


def tap(arguments, run):
    """Runs clients through a tap, and returns the summaries of what was recorded."""
    shutil.rmtree(work / "s.jsonl", ignore_errors=True)
    (work / "s.jsonl").unlink(missing_ok=True)
    process = start(
        [program, "tap", "--listen", "127.0.0.1:0", "--save", "s.jsonl", *arguments], stderr=subprocess.PIPE, text=True
    )
    run(said(process, r"(http://127[^ ,]*)"))
    time.sleep(0.5)
    process.send_signal(2)
    process.stderr.read()
    process.wait()
    out = subprocess.run([program, "show", "s.jsonl", "-o", "ndjson"], cwd=work, capture_output=True, text=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def report(name, lines, calls):
    """Says whether these calls were recorded, over HTTP/2, and are sound."""
    ends = [line for line in lines if line["type"] == "summary"]
    versions = {line["version"] for line in lines if line["type"] == "head"}
    sound = len(ends) == calls and all(end["outcome"] == "ok" for end in ends) and versions == {"HTTP/2.0"}
    kinds = sorted({end.get("dialect") or "?" for end in ends})
    print(f"{name:34} {'ok' if sound else 'FAILED'}: {len(ends)} calls, {', '.join(versions)}, {', '.join(kinds)}")
    if not sound:
        print(json.dumps([[end["outcome"], end.get("verdict")] for end in ends]))
    return sound


def clients(address, upstream):
    """Runs each client through a tap to this upstream."""
    curl = ["curl", "-sSN", "--fail", "--http2-prior-knowledge", "-d", BODY]

    def run_curl(at):
        text = subprocess.run([*curl, at + "/v1/chat/completions"], capture_output=True, text=True, check=True).stdout
        assert "[DONE]" in text

    def run_httpx(at):
        subprocess.run([kept / "v/bin/python", "-c", HTTPX, at], check=True, stdin=subprocess.DEVNULL)

    def run_bedrock(at):
        out = subprocess.run(
            ["node", HERE / "bedrock.mjs", at],
            env=os.environ | {"CLIENTS": str(kept)},
            capture_output=True,
            text=True,
        )
        turns = [json.loads(line) for line in out.stdout.splitlines()]
        assert len(turns) == 2 and turns[0]["stop"] == "tool_use" and turns[1]["text"], out

    sound = True
    for name, run, calls in (
        ("curl --http2-prior-knowledge", run_curl, 1),
        ("httpx[http2]", run_httpx, 2),
        ("client-bedrock-runtime (JavaScript)", run_bedrock, 2),
    ):
        sound &= report(name, tap(["--to", upstream], run), calls)
    return sound


def intercepted(port, certificate):
    """Clients whose address is that of the provider, through `tap --intercept`: httpx, which speaks HTTP/2 whatever TLS agrees
    on, and Node, which offers nothing else."""
    (work / "c.toml").write_text(
        f'[providers.mine]\nbase_url = "https://localhost:{port}/v1"\ndialect = "openai-chat"\n'
    )
    script = f"""{kept}/v/bin/python -c "$SCRIPT" https://localhost:{port} "$SSL_CERT_FILE" &&
        node {HERE.resolve()}/alpn.mjs {port} '{BODY}'"""
    command = [program, "tap", "--intercept", "--ca-cert", certificate, "--config", "c.toml", "--save", "i.jsonl"]
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    subprocess.run(
        [*command, "--", "sh", "-c", script],
        cwd=work,
        env=environment | {"SCRIPT": HTTPX},
        stdin=subprocess.DEVNULL,
        check=True,
    )
    out = subprocess.run([program, "show", "i.jsonl", "-o", "ndjson"], cwd=work, capture_output=True, text=True).stdout
    return report("httpx and node, --intercept", [json.loads(line) for line in out.splitlines()], 3)


def main():
    install()
    lab = start([program, "lab", "--listen", "127.0.0.1:0", "--pace", "0.1"], stdout=subprocess.PIPE, text=True)
    backend = said(lab, r"http://(127[^ ,/]*)").replace(":", ",")
    key, certificate = work / "key.pem", work / "provider.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate]
        + ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        + ["-addext", "basicConstraints=critical,CA:FALSE"],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    clear, tls = free(), free()
    listen = [f"-f127.0.0.1,{clear};no-tls", f"-f127.0.0.1,{tls}", f"-b{backend}", "--workers=1"]
    start(["nghttpx", "--conf=/dev/null", *listen, key, certificate], stderr=subprocess.DEVNULL)
    await_port(clear)
    sound = clients(clear, f"http://127.0.0.1:{clear}")
    sound &= intercepted(tls, certificate)
    return 0 if sound else 1


try:
    status = main()
finally:
    for one in running:
        one.terminate()
    shutil.rmtree(work, ignore_errors=True)
sys.exit(status)
