#!/usr/bin/env python3
"""genai.py UPSTREAM : a gateway that reads its upstream's Gemini stream with google-genai, and writes the
text as Chat Completions. It prints its address, and serves until it is ended. `compare --prove` convicts
before it what google-genai cannot read (`tests/it/prove.rs`)."""
import http.server
import json
import sys

from google import genai

client = genai.Client(api_key="x", vertexai=False, http_options={"base_url": sys.argv[1]})


def chunk(delta, finish=None):
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


class Gateway(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.say(chunk({"role": "assistant", "content": ""}))
        try:
            for part in client.models.generate_content_stream(model="m", contents="hi"):
                if part.text:
                    self.say(chunk({"content": part.text}))
        except Exception:  # as gateways do: what was read until then is the answer
            pass
        self.say(chunk({}, "stop"))
        self.wfile.write(b"data: [DONE]\n\n")

    def say(self, data):
        self.wfile.write(b"data: " + json.dumps(data).encode() + b"\n\n")

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
