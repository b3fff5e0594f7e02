#!/usr/bin/env python3
"""bedrock.py : writes bedrock/NAME.bin, the bodies of Bedrock's Converse: binary, so that nobody writes them by hand."""
import json
import pathlib
import struct
import zlib

FOLDER = pathlib.Path(__file__).parent / "bedrock"


def message(headers, payload, crc=0, prelude_crc=0):
    """A message of AWS's event stream; the numbers are added to its checksums."""
    head = b"".join(struct.pack("!B", len(k)) + k.encode() + b"\x07" + struct.pack("!H", len(v)) + v.encode() for k, v in headers)
    start = struct.pack("!II", 16 + len(head) + len(payload), len(head))
    start += struct.pack("!I", zlib.crc32(start) + prelude_crc & 0xFFFFFFFF)
    return start + head + payload + struct.pack("!I", zlib.crc32(start + head + payload) + crc & 0xFFFFFFFF)


def event(kind, fields, **more):
    payload = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    headers = [(":event-type", kind), (":content-type", "application/json"), (":message-type", "event")]
    return message(headers, payload, **more)


def exception(kind, fields):
    headers = [(":exception-type", kind), (":content-type", "application/json"), (":message-type", "exception")]
    return message(headers, json.dumps(fields).encode())


def failure(code, words):
    return message([(":error-code", code), (":error-message", words), (":message-type", "error")], b"")


def block(**fields):
    return {"contentBlockIndex": 0, **fields}


def delta(at=0, **fields):
    return event("contentBlockDelta", {"contentBlockIndex": at, "delta": fields})


def text(words, at=0):
    return delta(at, text=words)


def call(at=0, name="f1", key="t1"):
    return event("contentBlockStart", {"contentBlockIndex": at, "start": {"toolUse": {"toolUseId": key, "name": name}}})


def piece(words, at=0):
    return delta(at, toolUse={"input": words})


def stop(at=0):
    return event("contentBlockStop", {"contentBlockIndex": at})


def end(reason="end_turn"):
    usage = {"usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}, "metrics": {"latencyMs": 5}}
    return event("messageStop", {"stopReason": reason}) + event("metadata", usage)


START = event("messageStart", {"role": "assistant"})
SAID = text("Hello") + text(" there")
HELLO = START + SAID + stop() + end()
TOOL = call() + piece('{"a":') + piece("1}") + stop()
THOUGHT = delta(reasoningContent={"text": "Hm"}) + delta(reasoningContent={"signature": "c2ln"}) + stop()
BODIES = {
    "hello": HELLO,
    "thinking": START + THOUGHT + text("Hello", 1) + stop(1) + end(),
    "thinking-redacted": START + delta(reasoningContent={"redactedContent": "AAEC"}) + stop() + text("Hello", 1) + stop(1) + end(),
    "tool": START + TOOL + end("tool_use"),
    "two-tools": START + TOOL + call(1, "f2", "t2") + piece("{}", 1) + stop(1) + end("tool_use"),
    "tools-interleaved": START + call() + call(1, "f2", "t2") + piece('{"a":1}') + piece('{"b":2}', 1) + stop() + stop(1) + end("tool_use"),
    "tool-empty": START + call() + stop() + end("tool_use"),
    "tool-truncated": START + call() + piece('{"a":') + stop() + end("max_tokens"),
    "tool-unclosed": START + call() + piece('{"a":1}') + end("tool_use"),
    "tool-unopened": START + piece('{"a":1}') + stop() + end("tool_use"),
    "tool-index-reused": START + TOOL + call(0, "f2", "t2") + piece('{"b":2}') + stop() + end("tool_use"),
    "tool-input-object": START + call() + delta(toolUse={"input": {"a": 1}}) + stop() + end("tool_use"),
    "tool-name-missing": START + event("contentBlockStart", block(start={"toolUse": {"toolUseId": "t1"}})) + piece("{}") + stop() + end("tool_use"),
    "text-started": START + event("contentBlockStart", block(start={})) + SAID + stop() + end(),
    "text-null": START + delta(text=None) + SAID + stop() + end(),
    "text-number": START + delta(text=5) + SAID + stop() + end(),
    "text-and-thought": START + delta(text="Hello", reasoningContent={"text": "Hm"}) + stop() + end(),
    "citation": START + text("Hello") + delta(citation={"title": "a", "sourceContent": [{"text": "b"}]}) + stop() + end(),
    "delta-missing": START + event("contentBlockDelta", block()) + SAID + stop() + end(),
    "delta-null": START + event("contentBlockDelta", block(delta=None)) + SAID + stop() + end(),
    "delta-list": START + event("contentBlockDelta", block(delta=[1])) + SAID + stop() + end(),
    "delta-unknown": START + delta(hologram={"x": 1}) + SAID + stop() + end(),
    "delta-after-stop": START + text("Hello") + stop() + text(" there") + end(),
    "index-missing": START + event("contentBlockDelta", {"delta": {"text": "Hello"}}) + end(),
    "index-string": START + event("contentBlockDelta", {"contentBlockIndex": "0", "delta": {"text": "Hello"}}) + end(),
    "stop-missing": START + SAID + end(),
    "start-missing": SAID + stop() + end(),
    "start-twice": START + START + SAID + stop() + end(),
    "message-stop-missing": START + SAID + stop(),
    "metadata-missing": START + SAID + stop() + event("messageStop", {"stopReason": "end_turn"}),
    "reason-missing": START + SAID + stop() + event("messageStop", {}),
    "reason-unknown": START + SAID + stop() + end("bored"),
    "reason-guardrail": START + SAID + stop() + end("guardrail_intervened"),
    "after-end": HELLO + text(" late"),
    "exception": START + text("Hello") + exception("modelStreamErrorException", {"message": "boom", "originalStatusCode": 500}),
    "exception-first": exception("throttlingException", {"message": "Too many requests"}),
    "exception-unknown": START + text("Hello") + exception("moonException", {"message": "boom"}),
    "exception-without-words": START + text("Hello") + exception("internalServerException", {}),
    "exception-capital": START + text("Hello") + exception("validationException", {"Message": "bad"}),
    "exception-list": START + text("Hello") + message(
        [(":exception-type", "validationException"), (":content-type", "application/json"), (":message-type", "exception")], b"[1]"),
    "error": START + text("Hello") + failure("InternalFailure", "boom"),
    "error-without-words": START + text("Hello") + message([(":message-type", "error")], b""),
    "event-unknown": START + event("hologram", {"x": 1}) + SAID + stop() + end(),
    "event-unnamed": START + message([(":content-type", "application/json"), (":message-type", "event")], b'{"x":1}') + SAID + stop() + end(),
    "message-type-missing": START + message([(":event-type", "contentBlockDelta")], json.dumps(block(delta={"text": "Hello"})).encode()) + stop() + end(),
    "message-type-unknown": START + message([(":event-type", "contentBlockDelta"), (":message-type", "moon")], json.dumps(block(delta={"text": "Hello"})).encode()) + stop() + end(),
    "headers-none": START + message([], b"{}") + SAID + stop() + end(),
    "content-type-text": START + message([(":event-type", "contentBlockDelta"), (":content-type", "text/plain"), (":message-type", "event")],
                                         json.dumps(block(delta={"text": "Hello"})).encode()) + stop() + end(),
    "payload-empty": START + event("contentBlockDelta", b"") + SAID + stop() + end(),
    "payload-list": START + event("contentBlockDelta", b"[1]") + SAID + stop() + end(),
    "payload-null": START + event("contentBlockDelta", b"null") + SAID + stop() + end(),
    "payload-string": START + event("contentBlockDelta", b'"ok"') + SAID + stop() + end(),
    "json-malformed": START + text("Hello") + event("contentBlockDelta", b"{oops") + stop() + end(),
    "json-nan": START + event("contentBlockDelta", b'{"contentBlockIndex":NaN,"delta":{"text":"Hello"}}') + stop() + end(),
    "json-duplicate-key": START + event("contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":"He","text":"Hello"}}') + stop() + end(),
    "utf8-invalid": START + event("contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":"caf\xe9"}}') + stop() + end(),
    "surrogate": START + event("contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":"\\ud83d\\ude00"}}') + stop() + end(),
    "crc-message": START + text("Hello") + event("contentBlockDelta", block(delta={"text": " there"}), crc=1) + stop() + end(),
    "crc-prelude": START + text("Hello") + event("contentBlockDelta", block(delta={"text": " there"}), prelude_crc=1) + stop() + end(),
    "cut": START + text("Hello") + text(" there")[:-9],
    "cut-in-prelude": START + text("Hello") + text(" there")[:7],
    "cut-at-boundary": START + text("Hello"),
    "empty": b"",
    "html": b"<!doctype html><html><body>502 Bad Gateway, said the proxy in between</body></html>\n",
    "html-mid": START + text("Hello") + b"<html><body>502 Bad Gateway</body></html>\n",
    "json": b'{"message":"The security token included in the request is invalid"}',
}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, body in BODIES.items():
        (FOLDER / f"{name}.bin").write_bytes(body)
