#!/usr/bin/env python3
"""answers.py : writes answers.json, the answers that are more than a body: refusals, other content types, codings, and
connections that end too early. Each has the bytes that are sent, as Latin-1, and how the connection ends then: closed, reset, or left open for the next request."""
import gzip
import json
import pathlib
import struct

HERE = pathlib.Path(__file__).parent
HTML = "<html>\r\n<head><title>Sorry</title></head>\r\n<body>\r\n<h1>The gateway said no</h1>\r\n</body>\r\n</html>\r\n"
SSE, JSON, PAGE, AWS = "text/event-stream", "application/json", "text/html; charset=utf-8", "application/vnd.amazon.eventstream"
REASONS = {200: "OK", 204: "No Content", 205: "Reset Content", 400: "Bad Request", 401: "Unauthorized", 402: "Payment Required",
           403: "Forbidden", 404: "Not Found", 408: "Request Timeout", 409: "Conflict", 413: "Payload Too Large",
           422: "Unprocessable Entity", 429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway",
           503: "Service Unavailable", 504: "Gateway Timeout", 529: "Site is overloaded"}
WORDS = "It was refused: see the manual"
USAGE = {"input_tokens": 1, "output_tokens": 2}
# An error in the provider's own words, its headers, and the whole answer of a request that did not ask for a stream.
DIALECTS = {
    "anthropic": ({"type": "error", "error": {"type": "some_error", "message": WORDS}, "request_id": "req_1"}, [], {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": [{"type": "text", "text": "Hello there"}],
        "stop_reason": "end_turn", "stop_sequence": None, "usage": USAGE}),
    "responses": ({"error": {"message": WORDS, "type": "some_error", "param": None, "code": "some_code"}}, [], {
        "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "error": None, "incomplete_details": None,
        "instructions": None, "model": "gpt-5", "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
        "output": [{"id": "msg_1", "type": "message", "status": "completed", "role": "assistant",
                    "content": [{"type": "output_text", "text": "Hello there", "annotations": []}]}],
        "usage": {**USAGE, "total_tokens": 3, "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}}),
    "gemini": ({"error": {"code": 400, "message": WORDS, "status": "SOME_STATUS"}}, [], {
        "candidates": [{"content": {"parts": [{"text": "Hello there"}], "role": "model"}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2, "totalTokenCount": 3}, "modelVersion": "gemini-2.5-flash"}),
    "bedrock": ({"message": WORDS}, ["x-amzn-errortype: SomeException:http://internal.amazon.com/coral/"], {
        "output": {"message": {"role": "assistant", "content": [{"text": "Hello there"}]}}, "stopReason": "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}, "metrics": {"latencyMs": 5}}),
    "cohere": ({"id": "e1", "message": WORDS}, [], {
        "id": "c1", "finish_reason": "COMPLETE", "message": {"role": "assistant", "content": [{"type": "text", "text": "Hello there"}]},
        "usage": {"billed_units": USAGE, "tokens": USAGE}}),
    "mistral": ({"object": "error", "message": WORDS, "type": "some_error", "param": None, "code": "1300"}, [], {
        "id": "m1", "object": "chat.completion", "created": 1, "model": "mistral-small",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello there"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "total_tokens": 3, "completion_tokens": 2}}),
}
# Errors as others write them.
SHAPES = {"string": {"error": WORDS}, "object": {"error": {"message": WORDS}}, "message": {"message": WORDS}, "detail": {"detail": WORDS},
          "details": {"detail": [{"loc": ["body", "model"], "msg": WORDS, "type": "missing"}]}, "list": [WORDS], "null": None}
answers = {}


def head(status, *headers):
    return "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status} {REASONS[status]}", *headers, "")).encode()


def complete(status, kind, body, *headers):
    """An answer whose length is announced, and that is all there."""
    body = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    kind = [f"content-type: {kind}"] if kind else []
    return head(status, *kind, f"content-length: {len(body)}", *headers) + body


def chunks(pieces):
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


def events(folder):
    """The events of the answer that begins each cut."""
    if folder != "bedrock":
        body = (HERE / folder / "hello.sse").read_bytes()
        end = b"\r\n\r\n" if b"\r\n" in body else b"\n\n"
        return [event + end for event in body.split(end) if event]
    body, all = (HERE / folder / "hello.bin").read_bytes(), []
    while body:
        length = struct.unpack("!I", body[:4])[0]
        all.append(body[:length])
        body = body[length:]
    return all


for folder, (error, marks, answer) in DIALECTS.items():
    def whole(name, *answer):
        add(name, complete(*answer), "stay")

    def add(name, wire, end="close", later=b""):
        answers[f"{folder}/{name}"] = {"wire": wire.decode("latin-1"), "later": later.decode("latin-1"), "end": end}

    kind = AWS if folder == "bedrock" else SSE
    for status in (400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529):
        later = ["retry-after: 20"] if status == 429 else []
        whole(f"http-{status}", status, JSON, error, *marks, *later)
    for status in (403, 413, 429, 502, 503, 504):
        whole(f"http-{status}-html", status, PAGE, HTML)
    for status in (429, 500):
        whole(f"http-{status}-empty", status, None, b"")
    whole("http-400-text", 400, "text/plain", WORDS)
    whole("http-400-kind-alone", 400, JSON, error)
    if folder == "anthropic":
        # LiteLLM knows some of its errors by their words.
        own = {"http-529-overloaded": (529, "overloaded_error", "Overloaded"),
               "http-400-long": (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
               "http-401-key": (401, "authentication_error", "invalid x-api-key")}
        for name, (status, named, words) in own.items():
            whole(name, status, JSON, {"type": "error", "error": {"type": named, "message": words}})
    if folder == "bedrock":
        # The class that its SDK raises is named by a header or by the body.
        whole("http-429-named", 429, JSON, {"message": WORDS}, "x-amzn-errortype: ThrottlingException:http://internal.amazon.com/coral/")
        whole("http-400-type", 400, JSON, {"__type": "com.amazon.coral#ValidationException", "Message": WORDS})
        whole("http-400-code", 400, JSON, {"code": "AccessDeniedException", "message": WORDS})
    for shape, body in SHAPES.items():
        whole(f"http-400-{shape}", 400, JSON, body)

    said, stream = events(folder), f"content-type: {kind}"
    body = b"".join(said)
    whole("ok-error", 200, JSON, error, *marks)
    whole("ok-error-as-stream", 200, kind, error)
    whole("ok-html", 200, PAGE, HTML)
    whole("ok-html-as-stream", 200, kind, HTML)
    whole("ok-answer", 200, JSON, answer)
    whole("ok-answer-as-stream", 200, kind, answer)
    whole("ok-empty", 200, kind, b"")
    add("ok-204", head(204), "stay")
    add("ok-205", head(205, "content-length: 0"), "stay")
    for name, other in (("text", "text/plain"), ("json", JSON), ("octets", "application/octet-stream"), ("none", None)):
        whole(f"ok-type-{name}", 200, other, body)
    whole("ok-gzip", 200, kind, gzip.compress(body, mtime=0), "content-encoding: gzip")
    whole("ok-gzip-bad", 200, kind, body, "content-encoding: gzip")
    whole("ok-gzip-cut", 200, kind, gzip.compress(body, mtime=0)[:-40], "content-encoding: gzip")
    whole("ok-coding-unknown", 200, kind, body, "content-encoding: moon")

    # `text` is the event that begins the words: a cut inside it is one inside a frame.
    text = next(at for at, event in enumerate(said) if b"Hello" in event or b"A frame" in event)
    half, last = said[:text + 1], said[:-1]
    inside = [*said[:text], said[text][:len(said[text]) // 2]]
    chunked = head(200, stream, "transfer-encoding: chunked")
    closing = head(200, stream, "transfer-encoding: chunked", "connection: close")
    ended = head(200, stream, "connection: close")
    length = head(200, stream, f"content-length: {len(body)}")
    longer = head(200, stream, f"content-length: {len(body) + 10}")
    add("closed-before-head", b"")
    add("closed-inside-head", chunked[:len(chunked) // 2])
    for name, pieces in (("first", []), ("inside", inside), ("half", half), ("last", last), ("after", said)):
        add(f"cut-{name}", chunked + chunks(pieces))
        add(f"closing-{name}", closing + chunks(pieces))
        add(f"length-{name}", (longer if name == "after" else length) + b"".join(pieces))
        add(f"eof-{name}", ended + b"".join(pieces))
        add(f"reset-{name}", chunked + chunks(pieces), "reset")
    add("cut-chunk", chunked + chunks(half) + chunks([said[text + 1]])[:-len(said[text + 1]) // 2])
    add("reset-before-head", b"", "reset")
    # Some clients make something else of it where it comes with the headers in one read.
    add("size-bad", chunked + chunks(half), later=b"zz\r\n" + said[text + 1] + b"\r\n0\r\n\r\n")

(HERE / "answers.json").write_text(json.dumps(answers, indent=0) + "\n")
