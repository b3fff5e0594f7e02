#!/usr/bin/env python3
"""Whether `sselens tap --around` finds, for each call of a client, the calls that a real LiteLLM proxy made for it.

Puts two versions of LiteLLM between two taps, with the lab behind, asks in twenty ways (retries, fallbacks, dropped
parameters, errors, several clients at once), and writes `assets/docs/litellm-around.md`. Which calls belong together is
known from a word that every request carries and that the tap does not look at; the pairs are held against that. Needs
what table.py needs. Exit status 1 where a pair is wrong.
"""

import argparse
import concurrent.futures
import contextlib
import itertools
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import proxy

OUT = proxy.ROOT / "assets/docs/litellm-around.md"
TOP = """<!-- Written by `python3 tests/gateway/around.py`; don't edit. -->
# Both sides of LiteLLM, call by call

`sselens tap --around` with real LiteLLM proxies ({versions}; `drop_params: true`) between its two sides and the lab
behind: twenty scenarios. *Upstream* has the status of each call that the proxy made for the client's (`–`: no response);
*by* is what tied them together; *right* says whether exactly the calls that carry the client's own mark were found.
A is the call upstream, B the client's.

```
sselens tap --around http://127.0.0.1:PROXY --to http://127.0.0.1:LAB -o ndjson --save session.jsonl
```

"""


def body(model, mark, **more):
    """A request whose prompt carries the mark."""
    return {"model": model, "stream": True, "messages": [{"role": "user", "content": f"Say hello to {mark}"}]} | more


TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]

# name, path, requests that are sent at the same time; each a function of its mark.
CHAT = "/v1/chat/completions"


def one(make, path=CHAT):
    return path, [make]


def scenarios():
    """The name of each scenario, its path, and the requests that are sent at once."""
    def plain(model, **more):
        return lambda mark: body(model, mark, **more)

    def alike(n):
        # One prompt for all: only another field tells them apart.
        return lambda mark: body("lab/answer", "everybody", max_tokens=100 + n, stop=[mark])

    return {
        "passed on": one(plain("lab/answer")),
        "not streamed": one(plain("lab/hello", stream=False)),
        "a parameter dropped (`drop_params`)": one(plain("anthropic/hello", frequency_penalty=0.5, seed=7)),
        "a parameter dropped by its name": one(plain("dropping", user="somebody", seed=7)),
        "422 for `tool_choice`, swallowed": one(plain("lab/http-422-tool-choice", tools=TOOLS, tool_choice="auto")),
        "500, retried twice": one(plain("retried/http-500")),
        "429 without Retry-After, retried": one(plain("retried/http-429-bare")),
        "closed before the headers, retried": one(plain("retried/closed-before-head")),
        "400, not retried": one(plain("retried/http-400-param")),
        "fallback to another model": one(plain("falls-back")),
        "two fallbacks, the second answers": one(plain("falls-back-twice")),
        "every fallback fails": one(plain("falls-in-vain")),
        "a stream that breaks": one(plain("lab/truncated-chunked")),
        "an error inside the stream": one(plain("lab/error-object")),
        "an empty stream": one(plain("lab/empty-stream")),
        "Messages to Messages": one(plain("anthropic/answer", max_tokens=64), "/v1/messages"),
        "Messages translated to Chat": one(plain("lab/answer", max_tokens=64), "/v1/messages"),
        "Chat translated to Gemini": one(plain("gemini/answer")),
        "five clients at once, two of which are retried": (
            CHAT,
            [plain("lab/answer"), plain("retried/http-500"), plain("falls-back"), plain("anthropic/answer"),
             plain("retried/http-500")],
        ),
        "four clients at once with one prompt": (CHAT, [alike(n) for n in range(4)]),
    }


def models(upstream):
    """The proxy's models, and its fallbacks."""
    here = {"api_key": "x"}
    chat = proxy.v1(upstream)
    rows = {
        "lab/*": {"model": "openai/lab/*"} | chat,
        "dropping": {"model": "openai/lab/hello", "additional_drop_params": ["user", "seed"]} | chat,
        "anthropic/*": {"model": "anthropic/lab/*", "api_base": upstream} | here,
        "gemini/*": {"model": "gemini/lab/*", "api_base": f"{upstream}/v1beta"} | here,
        "falls-back": {"model": "openai/lab/http-500"} | chat,
        "falls-back-twice": {"model": "openai/lab/http-529"} | chat,
        "falls-in-vain": {"model": "openai/lab/http-500"} | chat,
        "second": {"model": "openai/lab/hello"} | chat,
        "second-broken": {"model": "openai/lab/http-5xx-html"} | chat,
    }
    rows |= {f"retried/{name}": {"model": f"openai/lab/{name}", "num_retries": 2} | chat
             for name in ("http-500", "http-429-bare", "closed-before-head", "http-400-param")}
    fallbacks = [
        {"falls-back": ["second"]},
        {"falls-back-twice": ["second-broken", "second"]},
        {"falls-in-vain": ["second-broken"]},
    ]
    return [{"model_name": name, "litellm_params": row} for name, row in rows.items()], fallbacks


def ask(url, path, request):
    """Sends one request; returns the status, whatever becomes of the stream."""
    call = urllib.request.Request(url + path, json.dumps(request).encode(), {"content-type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(call, timeout=60) as answer:
            status = answer.status
            with contextlib.suppress(Exception):
                answer.read()
            return str(status)
    except urllib.error.HTTPError as error:
        with contextlib.suppress(Exception):
            error.read()
        return str(error.code)
    except OSError as error:
        return type(error).__name__


@contextlib.contextmanager
def tap(program, gateway, upstream, folder):
    """The taps on both sides; gives their addresses and the function that ends them and returns the lines."""
    out, err = (folder / "tap.ndjson").open("w+"), (folder / "tap.err").open("w+")
    line = [program, "tap", "--listen", "127.0.0.1:0", "--around", gateway, "--to", upstream, "-o", "ndjson",
            "--save", folder / "session.jsonl", "--no-autosave"]
    process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
    try:
        for _ in range(300):
            told = Path(err.name).read_text()
            if "for the gateway on" in told:
                break
            time.sleep(0.1)
        else:
            raise RuntimeError(f"the tap does not start: {told}")
        clients = re.search(r"for clients on (\S+)", told).group(1)
        providers = re.search(r"for the gateway on (\S+)", told).group(1)

        def stop():
            process.send_signal(signal.SIGINT)
            process.wait(30)
            return [json.loads(line) for line in Path(out.name).read_text().splitlines()]

        yield clients, providers, stop
    finally:
        if process.poll() is None:
            process.kill()
        out.close()
        err.close()


def calls_of(session):
    """Of each exchange of a session: its side and the text of its request."""
    calls = {}
    for line in session.read_text().splitlines():
        entry = json.loads(line)
        if entry.get("type") == "request" and entry.get("side"):
            calls[entry["x"]] = (entry["side"], entry.get("text") or json.dumps(entry.get("pieces")))
    return calls


def run(program, command, lab, folder):
    """Plays all scenarios through one proxy; returns a row for each and how many pairs are wrong."""
    port = proxy.free_port()
    rows, marks = [], {}
    with tap(program, f"http://127.0.0.1:{port}", lab, folder) as (clients, providers, stop):
        listed, fallbacks = models(providers)
        with proxy.litellm(command, providers, listed, drop=True, port=port, fallbacks=fallbacks):
            for n, (name, (path, makes)) in enumerate(scenarios().items()):
                mark = [f"mark-{n:02}-{i}-" + "abcdefgh"[i] * 6 for i in range(len(makes))]
                with concurrent.futures.ThreadPoolExecutor(len(makes)) as pool:
                    sent = [pool.submit(ask, clients, path, make(m)) for make, m in zip(makes, mark)]
                    marks[name] = list(zip(mark, (s.result() for s in sent)))
            time.sleep(1.5)
            lines = stop()
    calls = calls_of(folder / "session.jsonl")
    pairs = {line["client"]: line for line in lines if line["type"] == "pair"}
    status = {line["x"]: line["status"] for line in lines if line["type"] == "head" and not line.get("interim")}
    codes = {}
    for line in lines:
        if line["type"] == "comparison":
            found = [d["code"] for d in line["differences"] if d["severity"] != "info"]
            codes.setdefault(line["b"], found)
    for name, sent in marks.items():
        for i, (mark, answered) in enumerate(sent):
            own = [x for x, (side, text) in calls.items() if mark in text and side == "client"]
            truth = [x for x, (side, text) in calls.items() if mark in text and side == "upstream"]
            pair = pairs.get(own[0]) if len(own) == 1 else None
            found = pair["upstream"] if pair else None
            rows.append({
                "name": name if i == 0 else "″",
                "status": answered,
                "upstream": [str(status.get(x, "–")) for x in truth],
                "by": pair["by"] if pair else "–",
                "right": found is not None and sorted(found) == sorted(truth),
                "verdict": pair["verdict"] if pair else "no pair",
                "codes": codes.get(own[0], []) if own else [],
            })
    return rows


def table(rows):
    """The rows as Markdown."""
    out = ["| scenario | client got | upstream | by | right | verdict |", "|---|---|---|---|---|---|"]
    for row in rows:
        verdict = proxy.nameless(row["verdict"]).replace("|", "\\|")
        verdict = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", verdict)
        verdict = verdict if len(verdict) <= 170 else verdict[:169] + "…"
        codes = ", ".join(f"`{code}`" for code in row["codes"][:4])
        counted = [(status, len(list(same))) for status, same in itertools.groupby(row["upstream"])]
        upstream = ", ".join(status if n == 1 else f"{status} × {n}" for status, n in counted) or "none"
        right = "yes" if row["right"] else "**no**"
        out.append(f"| {row['name']} | {row['status']} | {upstream} | {row['by']} | {right} "
                   f"| {verdict}{' · ' + codes if codes else ''} |")
    return "\n".join(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    proxy.arguments(parser)
    parser.add_argument("--keep", type=Path, help="keep the sessions in this folder")
    arguments = parser.parse_args()
    sections, versions, wrong, pairs = [], [], 0, 0
    for version in proxy.VERSIONS:
        command = proxy.install(version, arguments.venvs)
        if command is None:
            return
        versions.append(proxy.installed(command))
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            if arguments.keep:
                folder = arguments.keep / version
                folder.mkdir(parents=True, exist_ok=True)
            lab = stack.enter_context(proxy.lab(arguments.sselens, pace=0))
            rows = run(arguments.sselens, command, lab, folder)
        wrong += sum(not row["right"] for row in rows)
        pairs += len(rows)
        right = sum(row["right"] for row in rows)
        sections.append(f"## LiteLLM {versions[-1]}: {right} of {len(rows)} pairs right\n\n{table(rows)}\n")
    OUT.write_text(TOP.format(versions=" and ".join(versions)) + "\n".join(sections))
    print(f"{pairs - wrong} of {pairs} pairs right", file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
