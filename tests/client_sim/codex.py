#!/usr/bin/env python3
"""codex.py CODEX FOLDER MODEL... : has Codex (the program at CODEX) take a turn against each body
FOLDER/MODEL.sse, and prints, one JSON object a line, what the turn completed, as client.py does. Where
the answer calls tools, the calls are those that Codex sends back with its next request, which is answered
with the body `responses/hello`. The first line names the version that was run."""
import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

PATIENCE = 60  # seconds for a turn
program, folder, *models = sys.argv[1:]
now = {}


class Provider(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = self.rfile.read(int(self.headers.get("content-length") or 0))
        body, kind = b"{}", "application/json"
        if self.path.endswith("/responses"):
            now["requests"] += 1
            body, kind = now["body"] if now["requests"] == 1 else now["hello"], "text/event-stream"
            if now["requests"] == 2:
                now["second"] = json.loads(asked)
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.send_response(404)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def turn(model, base):
    body = pathlib.Path(folder, f"{model}.sse").read_bytes()
    hello = pathlib.Path(__file__).parent.joinpath("responses/hello.sse").read_bytes()
    now.update(body=body, hello=hello, requests=0, second=None)
    with tempfile.TemporaryDirectory() as home:
        home = pathlib.Path(home)
        config = home / ".codex"
        config.mkdir()
        config.joinpath("config.toml").write_text(
            f'model = "gpt-5"\nmodel_provider = "lab"\n[model_providers.lab]\nname = "lab"\nbase_url = "{base}/v1"\n'
            'env_key = "LAB_KEY"\nwire_api = "responses"\nrequest_max_retries = 0\nstream_max_retries = 0\n')
        env = {**os.environ, "HOME": str(home), "CODEX_HOME": str(config), "LAB_KEY": "lab"}
        command = [program, "exec", "--skip-git-repo-check", "--sandbox", "read-only", "--json", "hi"]
        try:
            done = subprocess.run(command, cwd=home, env=env, capture_output=True, text=True, timeout=PATIENCE,
                                  stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            return {"error": {"class": "(waits)", "message": ""}}
    texts, thoughts, given = [], [], {"finish": {}, "tools": [], "error": None}
    for line in done.stdout.splitlines():
        event = json.loads(line)
        item = event.get("item") or {}
        if event.get("type") == "item.completed" and item.get("type") == "agent_message":
            texts.append(item["text"])
        if event.get("type") == "item.completed" and item.get("type") == "reasoning":
            thoughts.append(item["text"])
        if event.get("type") == "turn.completed":
            given["finish"] = {"0": "completed"}
        if event.get("type") == "turn.failed":
            given["error"] = {"class": "turn.failed", "message": (event.get("error") or {}).get("message") or ""}
    if now["second"]:
        calls = [i for i in now["second"]["input"] if i.get("type") in ("function_call", "custom_tool_call")]
        given["tools"] = [{"name": c.get("name"), "arguments": c.get("arguments") or c.get("input")} for c in calls]
        texts = texts[:-1]  # the second answer's
    text, thought = "".join(texts), "".join(thoughts)
    return {**given, "content": {"0": text} if text else {}, "reasoning": {"0": thought} if thought else {}}


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
threading.Thread(target=server.serve_forever, daemon=True).start()
version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
print(json.dumps({"client": "codex", "version": version}), flush=True)
for model in models:
    given = turn(model, f"http://127.0.0.1:{server.server_port}")
    print(json.dumps({"model": model, "content": {}, "reasoning": {}, "finish": {}, "tools": [], "chunks": 0, "odd": 0,
                      "error": None, **given}), flush=True)
