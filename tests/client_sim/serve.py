#!/usr/bin/env python3
"""serve.py FOLDER... : serves FOLDER/NAME.sse (or .bin, .ndjson, .json) as the answer to every POST that
asks for the model NAME, in its body or its path (below /in/PART/ for the model PART/NAME), and prints the address. For dialects that the lab is
not asked for, and for bodies whose damage only clients tell apart, so that no scenario is made of them. What answers.json has of
that name is sent as it is written there, and the connection ends as it says."""
import http.server
import io
import json
import pathlib
import re
import socket
import struct
import sys
import time
import urllib.parse

TYPES = {".sse": "text/event-stream", ".bin": "application/vnd.amazon.eventstream",
         ".ndjson": "application/x-ndjson", ".json": "application/json"}
ANSWERS = json.loads((pathlib.Path(__file__).parent / "answers.json").read_text())
PAUSE = 0.1  # seconds from what is sent to what follows, so that it is read before


def find(model):
    for folder in map(pathlib.Path, sys.argv[1:]):
        for suffix in TYPES:
            file = folder / f"{model}{suffix}"
            if file.exists():
                return file
    raise FileNotFoundError(model)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)))
        path = urllib.parse.unquote(self.path)
        named = re.search(r"/models?/(.+?)(:|/converse-stream|/invoke)", path) or re.search(r"/(.+?):", path)
        part = re.match(r"/in/(\w+)/", path)
        model = (f"{part[1]}/" if part else "") + (asked.get("model") or named[1])
        if model in ANSWERS:
            return self.answer(**ANSWERS[model])
        file = find(model)
        body = file.read_bytes()
        self.send_response(200)
        self.send_header("content-type", TYPES[file.suffix])
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer(self, wire, later, end):
        self.close_connection = end != "stay"
        self.wfile.write(wire.encode("latin-1"))
        if later:
            time.sleep(PAUSE)
            self.wfile.write(later.encode("latin-1"))
        if end == "reset":
            time.sleep(PAUSE)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # All that hold the socket close it: it is reset only then, and nothing else ends it before.
            for file in (self.wfile, self.rfile, self.connection):
                file.close()
            self.wfile, self.rfile = io.BytesIO(), io.BytesIO()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
