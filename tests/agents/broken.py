#!/usr/bin/env python3
"""broken.py CLAUDE FOLDER NAME... : what Claude Code (the program at CLAUDE) prints for each stream
FOLDER/NAME.sse of Anthropic, as rows of the table in `assets/docs/agents.md`. A request that does not ask
for a stream gets a whole answer, "whole", so that asking again without streaming can be seen; a request
with a tool's result gets the stream `hello`. Retries are off."""
import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

PATIENCE = 60  # seconds for a turn
program, folder, *names = sys.argv[1:]
WHOLE = {"id": "msg_w", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
         "content": [{"type": "text", "text": "whole"}], "stop_reason": "end_turn", "stop_sequence": None,
         "usage": {"input_tokens": 1, "output_tokens": 1}}
now = {}


class Provider(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
        body, kind = b'{"input_tokens": 1}', "application/json"
        if self.path.split("?")[0].endswith("/messages"):
            if not asked.get("stream"):
                now["whole"] += 1
                body = json.dumps(WHOLE).encode()
            else:
                now["streams"] += 1
                body, kind = now["body"] if now["streams"] == 1 else now["hello"], "text/event-stream"
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.send_response(404)
        self.send_header("content-length", "0")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


def turn(name, base):
    hello = pathlib.Path(folder, "hello.sse").read_bytes()
    now.update(body=pathlib.Path(folder, f"{name}.sse").read_bytes(), hello=hello, streams=0, whole=0)
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "HOME": home, "XDG_CONFIG_HOME": home + "/.config", "ANTHROPIC_BASE_URL": base,
               "ANTHROPIC_API_KEY": "lab", "ANTHROPIC_MODEL": "claude-sonnet-4-5", "DISABLE_AUTOUPDATER": "1",
               "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "CLAUDE_CODE_MAX_RETRIES": "0"}
        try:
            done = subprocess.run([program, "-p", "hi", "--output-format", "json"], cwd=home, env=env,
                                  capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
            said = json.loads(done.stdout)
            result = ("error: " if said.get("is_error") else "") + str(said.get("result"))
        except subprocess.TimeoutExpired:
            result = "does not end"
        except ValueError:
            result = "nothing"
    again = "without streaming" if now["whole"] else "with another stream" if now["streams"] > 1 else "no"
    return f"| `{name}` | {result[:110].replace('|', '/')} | {again} |"


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
threading.Thread(target=server.serve_forever, daemon=True).start()
version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
print(f"{version}\n\n| stream | prints | asks again |\n|---|---|---|", flush=True)
for name in names:
    print(turn(name, f"http://127.0.0.1:{server.server_port}"), flush=True)
