#!/usr/bin/env python3
"""The evidence matrix of a bug report, rebuilt: one command line a row, from the lab and a LiteLLM proxy.

The report (LITELLM-NULL-STREAM-BUG.md in b3nw/LLM-API-Key-Proxy, 2026-01-30) said: direct calls work, small calls
through the proxy work, large ones fail now and then with a NoneType error, other models work with the large ones. It
blamed size and memory. Writes `assets/docs/evidence-matrix.md`, and beside it `evidence-report.md`: the report on the
deciding pair as `sselens export --to markdown` gives it. Needs what table.py beside it needs.
"""

import argparse
import collections
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import proxy

TOP = """<!-- Written by `python3 tests/gateway/matrix.py`; don't edit. -->
# An evidence matrix, rebuilt

A bug report from January 2026 (b3nw/LLM-API-Key-Proxy, LITELLM-NULL-STREAM-BUG.md): a rotating proxy upon LiteLLM
1.81.5 with `drop_params: true` gets `'NoneType' object has no attribute '__aiter__'` for a stream, *now and then*, with
requests of 56 KB; small ones work, direct calls work, other models work. It blames size, memory and races.

Here the provider is the lab's `lab/http-422-tool-choice`, which does what the real one did: it answers 422 when
`tool_choice` is the string `"auto"`. `large.json` is an agent's request ({size} bytes, `tools`, `tool_choice: "auto"`),
`large-without.json` the same without `tool_choice`, `small.json` says hi in {small} bytes, and `small-with.json` has
the tools and the `tool_choice`. `DIRECT` is the lab's address, `PROXY` that of LiteLLM, both with
`/v1/chat/completions` behind them.

"""

REPORT = """<!-- Written by `python3 tests/gateway/matrix.py`; don't edit. What follows is what
`sselens compare DIRECT PROXY -b large.json -m lab/http-422-tool-choice --save both.jsonl` and then
`sselens export both.jsonl --to markdown` gave, with LiteLLM 1.81.5. -->
"""

ROWS = [
    ("direct calls work (a small one was tried)", "DIRECT", "small.json", "lab/http-422-tool-choice"),
    ("the proxy works with small requests", "PROXY", "small.json", "lab/http-422-tool-choice"),
    ("the proxy fails with large ones", "PROXY", "large.json", "lab/http-422-tool-choice"),
    ("another model works with the large one", "PROXY", "large.json", "lab/hello"),
    ("*not tried:* the large one directly", "DIRECT", "large.json", "lab/http-422-tool-choice"),
    ("*not tried:* large, without `tool_choice`", "PROXY", "large-without.json", "lab/http-422-tool-choice"),
    ("*not tried:* small, with `tool_choice`", "PROXY", "small-with.json", "lab/http-422-tool-choice"),
    ("a provider that does fail by size, now and then", "PROXY", "large.json", "lab/large-request-fails"),
    ("the same, directly", "DIRECT", "large.json", "lab/large-request-fails"),
    ("the same, small", "PROXY", "small.json", "lab/large-request-fails"),
]
TIMES = 10


def bodies(folder):
    tool = {"type": "function", "function": {"name": "read_file", "parameters": {
        "type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}}}
    hi = [{"role": "user", "content": "hi"}]
    log = "\n".join(f"{n:05} the build went on as it had before, and nothing of note was said" for n in range(784))
    agent = [{"role": "system", "content": "You are a coding agent."}, {"role": "user", "content": log}]
    small = {"model": "m", "messages": hi, "max_tokens": 5, "stream": True}
    large = {"model": "m", "messages": agent, "max_tokens": 64000, "stream": True,
             "stream_options": {"include_usage": True}, "tools": [tool]}
    choice = {"tool_choice": "auto"}
    for name, body in [("small", small), ("large", large | choice), ("large-without", large),
                       ("small-with", small | {"tools": [tool]} | choice)]:
        (folder / f"{name}.json").write_text(json.dumps(body))


def run(args, command, folder):
    base = [args.sselens, "--no-autosave", "--env-file", "/dev/null", "--color", "never", "-q", *command]
    return subprocess.run(base, capture_output=True, text=True, timeout=120, check=False, cwd=folder).stdout


def send(args, folder, at, body, model):
    command = ["send", "--url", f"{at}/chat/completions", "-b", body, "-m", model, "-o", "json"]
    return json.loads(run(args, command + ["-H", "Authorization: Bearer x"], folder))


def outcome(summary):
    grave = [f["code"] for f in summary["findings"] if f["severity"] in ("fatal", "error")]
    return "ok" if not grave else f"{summary['outcome']}: {summary['status']} {grave[0]}"


def matrix(args, folder, places):
    text = "| the report says | command | outcome | in one sentence |\n|---|---|---|---|\n"
    for says, at, body, model in ROWS:
        done = [send(args, folder, places[at], body, model) for _ in range(TIMES)]
        counts = collections.Counter(outcome(d) for d in done)
        told = "<br>".join(f"{n}× {what}" for what, n in counts.most_common())
        worst = next((d for d in done if d["outcome"] == "failed"), done[0])
        verdict = worst["verdict"].replace("|", "\\|")
        text += f"| {says} | `sselens send --url {at} -b {body} -m {model}` | {told} | {verdict} |\n"
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    proxy.arguments(parser)
    parser.add_argument("--report", default=proxy.ROOT / "assets/docs/evidence-report.md", type=Path)
    parser.add_argument("--out", default=proxy.ROOT / "assets/docs/evidence-matrix.md", type=Path)
    args = parser.parse_args()
    args.sselens = args.sselens.resolve()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        bodies(folder)
        size, small = ((folder / f"{n}.json").stat().st_size for n in ("large", "small"))
        text = TOP.replace("{size}", f"{size:,}").replace("{small}", str(small))
        for version in proxy.VERSIONS:
            command = proxy.install(version, args.venvs)
            if command is None:
                sys.exit("nothing is written: both versions are wanted")
            name = proxy.installed(command)
            with proxy.lab(args.sselens) as direct, proxy.litellm(command, direct, drop=True) as through:
                places = {"DIRECT": direct, "PROXY": through}
                send(args, folder, through, "small.json", "lab/hello")  # loads half of the proxy
                text += f"## LiteLLM {name}, drop_params: true\n\nEach line was sent {TIMES} times.\n\n"
                text += matrix(args, folder, places)
                compare = ["compare", f"{direct}/chat/completions", f"{through}/chat/completions", "-b", "large.json"]
                compare += ["-m", "lab/http-422-tool-choice", "--same", "-H", "Authorization: Bearer x"]
                saved = f"{name}.jsonl"
                report = run(args, [*compare, "--save", saved], folder)
                issue = run(args, ["export", saved, "--to", "markdown"], folder)
                # The proxy's traceback names this machine's folders.
                issue = re.sub(r'[^\s"]*/site-packages/', "site-packages/", issue)
                for shown, at in places.items():
                    report = report.replace(at, shown)
                    issue = issue.replace(at, shown)
                # One is enough: the other version says the same in other words.
                args.report.write_text(REPORT + issue) if version == proxy.VERSIONS[0] else None
                text += "\n`sselens compare DIRECT PROXY -b large.json -m lab/http-422-tool-choice --same`:\n\n"
                text += f"```\n{report.rstrip()}\n```\n\n"
            print(f"LiteLLM {name}: {len(ROWS)} rows", file=sys.stderr)
        text += """## What it says

The size explains nothing: the small request fails as soon as it has `tool_choice: "auto"`, the large one works without
it, and the large one fails directly too, with a 422 that says why. What is large and what has tools were one and the
same request, so that "now and then" were the turns with tools. Behind `drop_params: true` LiteLLM sends the refused
request again, gets the second 422 and has nothing to return: the `NoneType` error is all that is left of the
provider's words.
"""
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(text)


main()
