#!/usr/bin/env python3
"""serve.py FOLDER : serves FOLDER/NAME.sse as the answer to every POST whose body asks for the model
NAME, and prints the address. For dialects that the lab is not asked for, and for bodies whose damage
only clients tell apart, so that no scenario is made of them."""
import http.server
import json
import pathlib
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)))
        body = (pathlib.Path(sys.argv[1]) / f"{asked['model']}.sse").read_bytes()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
