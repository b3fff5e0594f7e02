#!/usr/bin/env python3
"""What the LiteLLM proxy makes of every scenario of the lab, as sselens finds it.

Writes `assets/docs/litellm.md`. Needs a built sselens, Python 3.10 or later, and pip once, to install the proxies;
says so and writes nothing where it can't. With --keep DIR the sessions stay there.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import proxy

TOP = """<!-- Written by `python3 tests/gateway/table.py`; don't edit. -->
# What the LiteLLM proxy changes

Every scenario of the lab was asked for twice at the same time: directly, and through a LiteLLM proxy with its own
settings (no `drop_params`), but without retries. Both labs have one seed, so that they say the same to the byte. Each
line is one

```
sselens compare http://LAB/v1/chat/completions http://PROXY/v1/chat/completions -m lab/NAME --same
```

*Differences* has the codes of the differences, the gravest first, fatal ones and errors in bold; `sselens explain
CODE` says what each means, who breaks on it and what to do. What is only information stands where nothing graver does,
and the small print that nearly every stream through the proxy has ({small}) where there is nothing else.

"""
# Above `info`, a row keeps only these.
GRAVE = ("fatal", "error", "warn")
SMALL = ["gw-id-rewritten", "gw-model-rewritten", "gw-key-order", "gw-null-stripped", "gw-rechunked"]


def compare(program, model, needs, direct, through, session):
    """The last line of `sselens compare -o json`, and the two summaries."""
    line = [program, "--no-autosave", "--env-file", "/dev/null", "--color", "never", "-q", "compare"]
    if direct is None:
        return read(line + [f"{session}#0", f"{session}#1", "--same", "-o", "json"], model)
    command = line
    command += [f"{direct}/chat/completions", f"{through}/chat/completions", "--same", "-o", "json"]
    command += ["--idle-timeout", "10", "--total-timeout", "45", "-H", "Authorization: Bearer x", "--save", session]
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": True} | json.loads(needs or "{}")
    return read([*command, "-b", "-"], model, json.dumps(body))


def read(command, model, body=""):
    done = subprocess.run(command, input=body, capture_output=True, text=True, timeout=120, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    if len(lines) != 3:
        raise RuntimeError(f"{model}: {done.stderr or done.stdout}")
    # The summaries come as the calls end.
    return sorted(lines[:2], key=lambda line: line["x"]) + lines[2:]


def session_of(folder, scenario):
    return folder / (scenario["model"].removeprefix("lab/") + ".jsonl")


def cell(text):
    return text.replace("|", "\\|")


def codes(differences):
    grave = [d for d in differences if d["severity"] in GRAVE]
    shown = grave or [d for d in differences if d["code"] not in SMALL] or differences
    return ", ".join(f"**{d['code']}**" if d["severity"] in GRAVE[:2] else d["code"] for d in shown) or "none"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    proxy.arguments(parser)
    parser.add_argument("--out", default=proxy.ROOT / "assets/docs/litellm.md", type=Path)
    parser.add_argument("--keep", type=Path, help="keep the sessions in this folder")
    parser.add_argument("--again", action="store_true", help="ask nothing: compare the sessions that --keep kept")
    parser.add_argument("--drop", action="store_true", help="drop_params: true")
    parser.add_argument("--only", nargs="*", help="only these scenarios")
    args = parser.parse_args()
    listed = subprocess.run([args.sselens, "lab", "--list", "--json"], capture_output=True, text=True, check=True)
    scenarios = [json.loads(line) for line in listed.stdout.splitlines()]
    scenarios = [s for s in scenarios if "openai-chat" in s["dialects"]]
    if args.only:
        scenarios = [s for s in scenarios if s["model"].removeprefix("lab/") in args.only]
    columns = []
    with tempfile.TemporaryDirectory() as scratch:
        for version in proxy.VERSIONS:
            command = proxy.install(version, args.venvs)
            if command is None:
                sys.exit("nothing is written: both versions are wanted")
            folder = (args.keep or Path(scratch)) / version
            folder.mkdir(parents=True, exist_ok=True)
            if args.again:
                rows = [compare(args.sselens, s["model"], None, None, None, session_of(folder, s)) for s in scenarios]
                columns.append((proxy.installed(command), rows))
                continue
            upstream = proxy.free_port()
            rows = []
            with proxy.litellm(command, f"http://127.0.0.1:{upstream}/v1", drop=args.drop) as through:
                for s in [{"model": "lab/hello", "needs": None}, *scenarios]:
                    session = session_of(folder, s)
                    session.unlink(missing_ok=True)
                    # Two labs that were never asked, with one seed, say the same to the byte.
                    with proxy.lab(args.sselens) as direct, proxy.lab(args.sselens, port=upstream):
                        rows.append(compare(args.sselens, s["model"], s["needs"], direct, through, session))
            # The first request loads half of the proxy, and counts for nothing.
            columns.append((proxy.installed(command), rows[1:]))
            print(f"LiteLLM {columns[-1][0]}: {len(scenarios)} scenarios", file=sys.stderr)
    if args.drop or args.only:
        for name, rows in columns:
            for s, (_, _, c) in zip(scenarios, rows):
                print(name, s["model"], c["verdict"], [d["code"] for d in c["differences"]], sep="\t")
        return
    names = [name for name, _ in columns]
    text = TOP.replace("{small}", ", ".join(f"`{c}`" for c in SMALL))
    text += "| scenario | direct | " + " | ".join(f"differences, {n}" for n in names) + " |\n"
    text += "|---|---|" + "---|" * len(names) + "\n"
    for i, s in enumerate(scenarios):
        rows = [column[i] for _, column in columns]
        cells = [f"`{s['model']}`", rows[0][0]["verdict"]] + [codes(r[2]["differences"]) for r in rows]
        text += "| " + " | ".join(cell(c) for c in cells) + " |\n"
    for (name, rows) in columns:
        text += f"\n## The verdicts, LiteLLM {name}\n\n| scenario | through the proxy | verdict |\n|---|---|---|\n"
        for s, (_, b, c) in zip(scenarios, rows):
            text += f"| `{s['model']}` | {cell(b['verdict'])} | {cell(c['verdict'])} |\n"
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text)


main()
