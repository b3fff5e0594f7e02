#!/usr/bin/env python3
"""The evidence matrix of a bug report, rebuilt: one command line a row, from the lab and a LiteLLM proxy.

The report (LITELLM-NULL-STREAM-BUG.md in b3nw/LLM-API-Key-Proxy, 2026-01-30) said: direct calls work, small calls
through the proxy work, large ones fail now and then with a NoneType error, other models work with the large ones. It
blamed size and memory. Writes `assets/docs/evidence-matrix.md`, and beside it `evidence-report.md`: the deciding
comparison as `sselens export --to markdown` gives it. Needs what table.py beside it needs. With --keep DIR the bodies
and the sessions stay there.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import proxy

TIMES = "--repeat 20 --parallel 4"
SIZES = "--sizes 1k,8k,56k"
CHOICE = "-m lab/http-422-tool-choice"
FAILS = "-m lab/large-request-fails"

# What the report says, what was asked, and by which command.
ROWS = [
    ("direct calls work", f"$DIRECT -b small.json {CHOICE} {TIMES}"),
    ("the proxy works with small requests", f"$PROXY -b small.json {CHOICE} {TIMES}"),
    ("the proxy fails with large ones", f"$PROXY -b large.json {CHOICE} {TIMES}"),
    ("another model works with the large one", f"$PROXY -b large.json -m lab/hello {TIMES}"),
    ("*not tried:* the large one directly", f"$DIRECT -b large.json {CHOICE} {TIMES}"),
    ("*not tried:* the large one without `tool_choice`", f"$PROXY -b large-without.json {CHOICE} {TIMES}"),
    ("*not tried:* the small one grown", f"$PROXY -b small.json {CHOICE} {TIMES} {SIZES}"),
    ("*not tried:* the same with `tool_choice`", f"$PROXY -b small-with.json {CHOICE} {TIMES} {SIZES}"),
]
BISECT = f"sselens send --url {{}} -b small.json {FAILS} {TIMES} {SIZES} --bisect --save sizes.jsonl"
COMPARE = f"sselens compare $DIRECT $PROXY -b large.json {CHOICE} --same {TIMES} --save both.jsonl"
EXPORT = "sselens export both.jsonl --to markdown"

TOP = """<!-- Written by `python3 tests/gateway/matrix.py`; don't edit. -->
# An evidence matrix, rebuilt

A bug report from January 2026 (b3nw/LLM-API-Key-Proxy, LITELLM-NULL-STREAM-BUG.md): a rotating proxy upon LiteLLM
1.81.5 with `drop_params: true` gets `'NoneType' object has no attribute '__aiter__'` for a stream, *now and then*, with
requests of 56 KB; small ones work, direct calls work, other models work. It blames size, memory and races.

Here the provider is the lab's `lab/http-422-tool-choice`, which does what the real one did: it answers 422 when
`tool_choice` is the string `"auto"`. Each line of the table is one command (run with `-o json --save FILE` besides; the
cells are the tally at its end). The intervals are Wilson's, of 95 %.

| | |
|---|---|
| `$DIRECT` | `http://127.0.0.1:9100/v1/chat/completions` of `sselens lab --pace 0.05 --seed 1` |
| `$PROXY` | the same path of a LiteLLM proxy in front of it: `model_name: lab/*`, `model: openai/lab/*`, `drop_params: true`, no retries |
| `small.json` | says hi, in {small} bytes |
| `small-with.json` | the same with `tools` and `tool_choice: "auto"` |
| `large.json` | an agent's request of {large} bytes, with `tools` and `tool_choice: "auto"` |
| `large-without.json` | the same without `tool_choice` |

`python3 tests/gateway/matrix.py --keep DIR` starts all that, and leaves the bodies and every session in DIR.

"""

WORDS = """
The size explains nothing: the small request fails at every size as soon as it has `tool_choice: "auto"`, without it
it works at every size, and the large one fails directly too, with a 422 that says why. What is large and what has
tools were one and the same request, so that "now and then" were the turns with tools. Behind `drop_params: true`
LiteLLM sends the refused request again, gets the second 422 and has nothing to return: the `NoneType` error is all that
is left of the provider's words.

"""

LARGE = """## What a fault of size looks like

`lab/large-request-fails` does fail by size: of the bodies above 50,000 bytes a third get a 502 or an answer cut in the
middle. One command finds that, and between which sizes it begins. What LiteLLM 1.81.5 hands on looks rarer than it is:
the answers that were cut get an invented finish, and what is left to be seen is the 502.

"""

PAIR = """## The comparison that decides

"""

REPORT = """<!-- Written by `python3 tests/gateway/matrix.py`; don't edit. What follows is what
`{compare}`
and then `{export}` gave, with LiteLLM {version}. -->
"""


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


class Shell:
    """Runs a line as it stands in the document."""

    def __init__(self, program, folder, places):
        self.folder, self.places = folder, places
        path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
        nowhere = {"XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
        self.environment = os.environ | places | nowhere | {"PATH": path}

    def run(self, line):
        done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=300, check=False,
                              cwd=self.folder, env=self.environment)
        if not done.stdout:
            raise RuntimeError(f"{line}: {done.stderr}")
        text = proxy.nameless(done.stdout)
        for name, place in self.places.items():
            text = text.replace(place, f"${name}")
        return text

    def block(self, line):
        """A command and what it printed."""
        told = "\n".join(text.rstrip() for text in self.run(line).rstrip().splitlines())
        return f"```console\n$ {line}\n{told}\n```\n"


def percent(part):
    return f"{part * 100:.0f}"


def outcome(kind, n):
    """One outcome of a tally's group, as a cell says it."""
    what = "ok" if kind["outcome"] == "ok" else f"{kind['outcome']}, `{kind['code']}`"
    return f"{kind['count']} of {n} {what} ({percent(kind['low'])}–{percent(kind['high'])} %)"


def told(lines):
    """The cell of a row, and of each outcome in it what the first exchange came to, in a sentence."""
    tally, summaries = lines[-1], {line["x"]: line for line in lines[:-1] if line["type"] == "summary"}
    cells, words = [], {}
    for group in tally["groups"]:
        size = f"{group['size']:,} bytes: " if group["size"] else ""
        for kind in group["outcomes"]:
            cells.append(size + outcome(kind, group["n"]))
            summary = summaries[kind["examples"][0]]
            words.setdefault(f"`{kind['code']}`, status {summary['status']}", summary["verdict"])
    return "<br>".join(cells), words


def column(shell, name):
    """The outcomes of all rows, and what the codes in them mean."""
    cells, words = [], {}
    for number, (_, arguments) in enumerate(ROWS, 1):
        line = f"sselens send --url {arguments} -o json --save {name}-row-{number}.jsonl"
        cell, new = told([json.loads(text) for text in shell.run(line).splitlines()])
        cells.append(cell)
        words = new | words
    return cells, {k: v for k, v in words.items() if "None" not in k.split(",")[0]}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    proxy.arguments(parser)
    parser.add_argument("--report", default=proxy.ROOT / "assets/docs/evidence-report.md", type=Path)
    parser.add_argument("--out", default=proxy.ROOT / "assets/docs/evidence-matrix.md", type=Path)
    parser.add_argument("--keep", type=Path, help="keep the bodies and the sessions in this folder")
    args = parser.parse_args()
    commands = [proxy.install(version, args.venvs) for version in proxy.VERSIONS]
    if None in commands:
        sys.exit("nothing is written: both versions are wanted")
    names, columns, words, sized, pairs = [], [], {}, "", ""
    with tempfile.TemporaryDirectory() as scratch:
        folder = (args.keep or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        bodies(folder)
        for command in commands:
            name, program, port = proxy.installed(command), args.sselens.resolve(), proxy.free_port()
            direct = f"http://127.0.0.1:{port}"
            with proxy.litellm(command, direct, proxy.chat(direct), drop=True) as through:
                places = {"DIRECT": direct, "PROXY": through}
                shell = Shell(program, folder, {k: f"{v}/v1/chat/completions" for k, v in places.items()})
                with proxy.lab(program, port):
                    shell.run("sselens send --url $PROXY -b small.json -m lab/hello")  # loads half of the proxy
                    cells, new = column(shell, name)
                    pair = COMPARE.replace("both", f"both-{name}")
                    pairs += f"LiteLLM {name}:\n\n" + shell.block(pair) + "\n"
                words = words | {f"LiteLLM {name}, {k}" if "swallowed" in k else k: v for k, v in new.items()}
                # A lab of its own each, so that all throw the same dice.
                for told_as, place in [("Directly", "$DIRECT"), (f"Through LiteLLM {name}", "$PROXY")][bool(names):]:
                    with proxy.lab(program, port):
                        line = BISECT.format(place).replace("sizes.jsonl", f"sizes-{name}-{place[1:].lower()}.jsonl")
                        sized += f"{told_as}:\n\n" + shell.block(line) + "\n"
                if not names:
                    # One is enough: the other version says the same in other words.
                    top = REPORT.format(compare=COMPARE, export=EXPORT, version=name)
                    args.report.write_text(top + shell.run(EXPORT.replace("both", f"both-{name}")))
            names.append(name)
            columns.append(cells)
            print(f"LiteLLM {name}: {len(ROWS)} rows", file=sys.stderr)
        sizes = {n: f"{(folder / f'{n}.json').stat().st_size:,}" for n in ("small", "large")}
    text = TOP.format(**sizes)
    text += "| the report says | `sselens send --url` … | " + " | ".join(f"LiteLLM {n}" for n in names) + " |\n"
    text += "|---|---|" + "---|" * len(names) + "\n"
    for (says, arguments), *cells in zip(ROWS, *columns):
        text += f"| {says} | `sselens send --url {arguments}` | " + " | ".join(cells) + " |\n"
    text += "\nIn the program's words:\n\n" + "".join(f"* {code}: {said}\n" for code, said in words.items())
    text += WORDS + PAIR + pairs
    text += "The session of it, exported for an issue: [evidence-report.md](evidence-report.md).\n\n" + LARGE + sized
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text)


main()
