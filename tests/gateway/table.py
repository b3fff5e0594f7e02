#!/usr/bin/env python3
"""What the LiteLLM proxy makes of every scenario of the lab, as sselens finds it.

Writes `assets/docs/litellm.md`. Needs a built sselens, Python 3.10 or later, and pip once, to install the proxies;
says so and writes nothing where it can't. With --keep DIR the sessions stay there, and --again reads them anew.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from concurrent import futures
from pathlib import Path

import proxy

TOP = """<!-- Written by `python3 tests/gateway/table.py`; don't edit. -->
# What the LiteLLM proxy changes

Every scenario of the lab was asked for twice at the same time: directly, and through a LiteLLM proxy with its own
settings (no `drop_params`), but without retries. Both labs have one seed, so that they say the same to the byte. What
a busy machine might have done (`gw-buffered`, a timeout) had to show twice.

*Differences* has the codes of the differences, the gravest first, fatal ones and errors in bold; `sselens explain
CODE` says what each means, who breaks on it and what to do. What is only information stands where nothing graver does,
and the small print that nearly every stream through the proxy has ({small}) where there is nothing else. The verdicts,
further down, leave out what differs by no more than that.

"""
CHAT = """## Chat Completions, {n} scenarios

```
sselens compare http://LAB/v1/chat/completions http://PROXY/v1/chat/completions -m lab/NAME --same
```

"""
DIALECTS = """## The other dialects, {n} scenarios

What the lab does not play in Chat, and beside it four scenarios that it does, to judge by. The proxy asks the lab in
the lab's dialect (its models `anthropic/*`, `gemini/*` and so on), and is itself asked at the given path: in the same
dialect, or in Chat, into which it translates. A model that it was not told of (*not announced*) it holds for unable to
stream Responses.
{missing}
```
[providers.lab-gemini]                  # places.toml
dialect = "gemini"
base_url = "http://LAB/v1beta"
[providers.litellm-openai-chat]
dialect = "openai-chat"
base_url = "http://PROXY/v1"

sselens compare --config places.toml lab-gemini litellm-openai-chat -m gemini/NAME -b body.json --same
```

"""
# Above `info`, a row keeps only these.
GRAVE = ("fatal", "error", "warn")
SMALL = ["gw-id-rewritten", "gw-model-rewritten", "gw-key-order", "gw-null-stripped", "gw-rechunked", "gw-delayed"]

HI = [{"role": "user", "content": "hi"}]
PARTS = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
# How the lab is asked: by dialect the rest of its base URL, and the shortest body.
LAB = {
    "openai-chat": ("/v1", {"stream": True, "messages": HI}),
    "anthropic": ("/v1", {"stream": True, "max_tokens": 99, "messages": HI}),
    "openai-responses": ("/v1", {"stream": True, "input": HI}),
    "gemini": ("/v1beta", PARTS),
    "gemini-array": ("/v1beta", PARTS),
    "ollama": ("", {"stream": True, "messages": HI}),
    "bedrock-converse": ("", {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}),
}
# The dialect of the lab, how the proxy's name of the model begins, and at which path, in which dialect it is asked.
ROUTES = [
    ("anthropic", "anthropic", "/v1", "/messages", "anthropic"),
    ("anthropic", "anthropic", "/v1", "/chat/completions", "openai-chat"),
    ("openai-responses", "responses", "/v1", "/responses", "openai-responses"),
    ("openai-responses", "responses", "/v1", "/chat/completions", "openai-chat"),
    ("openai-responses", "unknown", "/v1", "/responses", "openai-responses"),
    ("gemini", "gemini", "/v1beta", "/models", "gemini"),
    ("gemini", "gemini", "/gemini/v1beta", "/models", "gemini"),
    ("gemini", "gemini", "/v1", "/chat/completions", "openai-chat"),
    ("gemini-array", "gemini", "/gemini/v1beta", "/models", "gemini-array"),
    ("ollama", "ollama", "/v1", "/chat/completions", "openai-chat"),
    ("bedrock-converse", "bedrock", "/bedrock", "/model", "bedrock-converse"),
    ("bedrock-converse", "bedrock", "/v1", "/chat/completions", "openai-chat"),
]
# To judge the others by: what becomes of a sound stream, of thoughts, of calls, of a cut.
BESIDE = ["hello", "reasoning-content", "tool-calls", "truncated-chunked"]
# What LiteLLM was not told of is for this alone.
UNKNOWN = ["answer"]


class Row:
    """One comparison: a scenario, by a route; `None` is Chat on both sides."""

    def __init__(self, scenario, route=None):
        self.name = scenario["model"].removeprefix("lab/")
        self.route = route
        self.needs = json.loads(scenario["needs"] or "{}")

    def session(self, folder):
        path = "" if self.route is None else "-".join([self.route[0], *self.route[2:]]).replace("/", "_")
        return folder / f"{self.name}{path and '-' + path}.jsonl"

    def first(self):
        """The cells that say which row it is."""
        if self.route is None:
            return [f"`lab/{self.name}`"]
        lab, prefix, base, path, _ = self.route
        unknown = ", not announced" if prefix == "unknown" else ""
        return [f"`lab/{self.name}`", f"`{lab}`", f"`{base}{path}`{unknown}"]

    def command(self, direct, through, folder):
        """Its arguments, and the body."""
        if self.route is None:
            places = [f"{at}/v1/chat/completions" for at in (direct, through)]
            model, lab = f"lab/{self.name}", "openai-chat"
        else:
            lab, prefix, base, _, spoken = self.route
            places = [f"lab-{lab}", f"litellm-{spoken}"]
            model = f"{prefix}/{self.name}"
            config = folder / "places.toml"
            urls = zip(places, (lab, spoken), (direct + LAB[lab][0], through + base))
            config.write_text("".join(f'[providers.{n}]\ndialect = "{d}"\nbase_url = "{u}"\n' for n, d, u in urls))
            places += ["--config", config]
        return [*places, "-m", model, "-b", "-"], json.dumps(LAB[lab][1] | self.needs)


def rows_of(scenarios, only):
    """The rows of the two tables."""
    chat = [Row(s) for s in scenarios if "openai-chat" in s["dialects"]]
    rows = []
    for route in ROUTES:
        spoken = [s for s in scenarios if route[0] in s["dialects"]]
        own = [s for s in spoken if "openai-chat" not in s["dialects"]]
        beside = [s for name in BESIDE for s in spoken if s["model"] == f"lab/{name}"]
        told = [s for s in spoken if s["model"].removeprefix("lab/") in UNKNOWN]
        rows += [Row(s, route) for s in (told if route[1] == "unknown" else own + beside)]
    return [[r for r in table if not only or r.name in only] for table in (chat, rows)]


def compare(args, row, session, direct=None, through=None):
    """The last line of `sselens compare -o json`, and the two summaries."""
    line = [args.sselens, "--no-autosave", "--env-file", "/dev/null", "--color", "never", "-q", "compare", "--same"]
    line += ["-o", "json"]
    body = ""
    if direct is None:
        line += [f"{session}#0", f"{session}#1"]
    else:
        session.unlink(missing_ok=True)
        asked, body = row.command(direct, through, session.parent)
        # One goes on for ever; of 20,000 deltas a proxy takes a minute to send them, and many seconds to end.
        idle, total = ("60", "300") if row.name == "long" else ("10", "30")
        line += [*asked, "--idle-timeout", idle, "--total-timeout", total, "--save", session]
        line += ["-H", "Authorization: Bearer x"]
    done = subprocess.run(line, input=body, capture_output=True, text=True, timeout=400, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    if len(lines) != 3:
        raise RuntimeError(f"{session}: {done.stderr or done.stdout}")
    # The summaries come as the calls end.
    return sorted(lines[:2], key=lambda line: line["x"]) + lines[2:]


def measure(args, command, folder, rows, models):
    """Asks for all rows, through one proxy with these models."""
    if args.again:
        return [compare(args, row, row.session(folder)) for row in rows]
    upstream, done = f"http://127.0.0.1:{(port := proxy.free_port())}", []
    with proxy.litellm(command, upstream, models(upstream), drop=args.drop) as through:
        def ask(row):
            # Two labs that were never asked, with one seed, say the same to the byte.
            with proxy.lab(args.sselens) as direct, proxy.lab(args.sselens, port=port):
                return compare(args, row, row.session(folder), direct, through)

        # The first request loads half of the proxy, and counts for nothing.
        for row in [*rows[:1], *rows]:
            found = ask(row)
            done.append(ask(row) if hasty(found) else found)
    return done[1:]


def hasty(found):
    """Whether a difference may be that of a busy machine: then only what it finds the second time counts."""
    a, b, last = found
    late = b["reason"] == "timeout" and a["reason"] != "timeout"
    return late or any(d["code"] == "gw-buffered" for d in last["differences"])


def cell(text):
    # The proxy's traceback names this machine's folders.
    return proxy.nameless(text).replace("|", "\\|")


def codes(differences):
    grave = [d for d in differences if d["severity"] in GRAVE]
    shown = grave or [d for d in differences if d["code"] not in SMALL] or differences
    return ", ".join(f"**{d['code']}**" if d["severity"] in GRAVE[:2] else d["code"] for d in shown) or "none"


def table(head, lines):
    text = f"| {' | '.join(head)} |\n{'|---' * len(head)}|\n"
    return text + "".join(f"| {' | '.join(cell(c) for c in line)} |\n" for line in lines)


def tables(rows, columns, names):
    """The differences of these rows, and the sentences that say them."""
    head = ["scenario", "the lab speaks", "the proxy is asked at"][:len(rows[0].first())]
    direct = [column[0]["verdict"] for column in columns[0]]
    found = zip(rows, direct, *[[codes(c[2]["differences"]) for c in column] for column in columns])
    head_of_all = [*head, "direct", *[f"differences, {n}" for n in names]]
    text = table(head_of_all, [r.first() + list(rest) for r, *rest in found])
    for name, column in zip(names, columns):
        told = [(r, b, c) for r, (_, b, c) in zip(rows, column) if {d["code"] for d in c["differences"]} - set(SMALL)]
        said = [r.first() + [b["verdict"], c["verdict"]] for r, b, c in told]
        text += f"\n### The verdicts, LiteLLM {name}\n\n" + table([*head, "through the proxy", "verdict"], said)
    return text + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    proxy.arguments(parser)
    parser.add_argument("--out", default=proxy.ROOT / "assets/docs/litellm.md", type=Path)
    parser.add_argument("--keep", type=Path, help="keep the sessions in this folder")
    parser.add_argument("--again", action="store_true", help="ask nothing: compare the sessions that --keep kept")
    parser.add_argument("--drop", action="store_true", help="drop_params: true; prints, and writes nothing")
    parser.add_argument("--only", nargs="*", help="only these scenarios; prints, and writes nothing")
    args = parser.parse_args()
    listed = subprocess.run([args.sselens, "lab", "--list", "--json"], capture_output=True, text=True, check=True)
    scenarios = [json.loads(line) for line in listed.stdout.splitlines()]
    chat, others = rows_of(scenarios, args.only)
    known = {row.name for row in others if row.route[1] == "responses"}
    if args.again:
        kept = [folder.name for folder in args.keep.iterdir() if folder.is_dir()] if args.keep else []
        if len(kept) != len(proxy.VERSIONS):
            sys.exit("nothing is written: --again reads what --keep DIR kept of both versions")
        names = sorted(kept, key=lambda name: [int(part) for part in name.split(".")])
        commands = [None] * len(names)
    else:
        commands = [proxy.install(version, args.venvs) for version in proxy.VERSIONS]
        if None in commands:
            sys.exit("nothing is written: both versions are wanted")
        names = [proxy.installed(command) for command in commands]
    with tempfile.TemporaryDirectory() as scratch, futures.ThreadPoolExecutor(2) as pool:
        jobs = []
        for rows, models in [(chat, proxy.chat), (others, lambda up: proxy.dialects(up, known))]:
            for command, name in zip(commands, names):
                folder = (args.keep or Path(scratch)) / name
                folder.mkdir(parents=True, exist_ok=True)
                # Each has a proxy and labs of its own.
                jobs.append(pool.submit(measure, args, command, folder, rows, models))
        done = [job.result() for job in jobs]
    in_chat, in_others = done[:len(names)], done[len(names):]
    if args.drop or args.only:
        for name, *columns in zip(names, in_chat, in_others):
            for row, (_, _, c) in zip(chat + others, columns[0] + columns[1]):
                print(name, *row.first(), c["verdict"], [d["code"] for d in c["differences"]], sep="\t")
        return
    reached = {row.name for row in chat + others}
    missing = [s["model"] for s in scenarios if s["model"].removeprefix("lab/") not in reached]
    missing = f"No route of LiteLLM reaches {', '.join(missing)}.\n" if missing else ""
    text = TOP.replace("{small}", ", ".join(f"`{c}`" for c in SMALL))
    text += CHAT.format(n=len(chat)) + tables(chat, in_chat, names)
    own = {row.name for row in others} - {row.name for row in chat}
    text += DIALECTS.format(n=len(own), missing=missing) + tables(others, in_others, names)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text)


main()
