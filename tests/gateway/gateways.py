#!/usr/bin/env python3
"""What ordinary reverse proxies make of the lab's streams, as sselens finds it.

Writes `assets/docs/gateways.md`. Needs a built sselens, Python 3.10 or later, and the proxies of servers.py; says so
and writes nothing where one of them is missing. With --keep DIR the sessions stay there with the proxies' versions, and
--again reads them anew: it needs no proxy then.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from concurrent import futures
from pathlib import Path

import proxy
import servers

TOP = """<!-- Written by `python3 tests/gateway/gateways.py`; don't edit. -->
# What ordinary reverse proxies change

Each of these stood between sselens and the lab, and every scenario was requested twice at the same time: directly (A)
and through the proxy (B). Both labs have one seed, so that they send the same bytes.

```
sselens compare http://LAB/v1/chat/completions http://PROXY/v1/chat/completions -m lab/NAME --same
```

"""
MATRIX = """
## What differs

The codes of the differences, the worst first, fatal ones and errors in bold; what is only information where nothing
worse is. `–` is no difference. `sselens explain CODE` says what a code means, who breaks on it, and what to do.

"""
VERDICTS = """
## The verdicts

Where nothing differs, the verdict is "No difference: the bodies are equal, byte for byte", or names the fault that both
have; those are left out.

"""
GRAVE = ("fatal", "error", "warn")
KB, MB = 1000, 1000 * 1000


class Row:
    """A scenario, and how it is asked for."""

    def __init__(self, name, pace=1.0, size=None, idle=10, total=30):
        self.name, self.pace, self.size, self.idle, self.total = name, pace, size, idle, total

    def title(self):
        size = "" if self.size is None else f", {self.size / 1e6:g} MB" if self.size >= MB else f", {self.size // KB} kB"
        return f"`lab/{self.name}`{size}"

    def session(self, folder):
        return folder / f"{self.name}{self.size or ''}.jsonl"

    def body(self):
        """The request; of so many bytes, if that was asked for."""
        ask = lambda text: json.dumps({"model": f"lab/{self.name}", "stream": True, "messages": [
            {"role": "user", "content": text}]} | NEEDS.get(self.name, {}))
        return ask("hi") if self.size is None else ask("x" * (self.size - len(ask(""))))


NEEDS = {}
QUICK = 0.3
ROWS = [
    # Healthy answers, at all speeds.
    Row("hello"), Row("answer", QUICK), Row("reasoning-delta", QUICK), Row("tool-calls", QUICK), Row("one-write"),
    Row("utf8-split", QUICK), Row("hello", size=56 * KB), Row("hello", size=1_500 * KB), Row("slow"), Row("long"),
    Row("keep-alive"), Row("slow-first-byte", idle=20, total=40), Row("headers-late"), Row("ttfb-ttft-gap"), Row("pause"),
    Row("buffered-16k"), Row("burst-delivery"), Row("no-anti-buffering-headers"), Row("gzip-sse", QUICK), Row("eof-delimited", QUICK),
    Row("content-length-on-stream", QUICK),
    # Silence.
    Row("idle-stall", idle=6), Row("keepalive-warm-stall", total=9), Row("no-answer", QUICK), Row("empty-stream", QUICK),
    # Bytes that are legal, and unusual.
    Row("crlf", QUICK), Row("cr-only", QUICK), Row("bom", QUICK), Row("sse-no-space", QUICK), Row("sse-id-retry", QUICK),
    # Errors.
    *[Row(name, QUICK) for name in """http-400-param http-413 http-422 http-429 http-500 http-529 http-5xx-html
    error-object error-200-first-frame sse-event-error json-error-200 html-200 no-content-204 redirected""".split()],
    # Cuts.
    *[Row(name, QUICK) for name in """truncated-chunked truncated-chunked-conn-close truncated-mid-frame
    connection-reset closed-before-head closed-inside-head bad-chunk-size content-length-short bytes-after-end
    finish-missing missing-done""".split()],
]


def compare(args, name, row, session, direct=None, through=None):
    """The last line of `sselens compare -o json`, and the two summaries."""
    line = [args.sselens, "--no-autosave", "--env-file", "/dev/null", "--color", "never", "-q", "compare", "--same"]
    line += ["-o", "json"]
    if direct is None:
        line += [f"{session}#0", f"{session}#1"]
    else:
        session.unlink(missing_ok=True)
        line += [f"{at}/v1/chat/completions" for at in (direct, through)]
        line += ["-b", "-", "--idle-timeout", str(row.idle), "--total-timeout", str(row.total), "--save", session]
        line += ["-H", "Authorization: Bearer x"]
        # To its own client a proxy compresses only what that says it can read.
        line += ["-H", "Accept-Encoding: gzip"] if servers.SERVERS[name][1] else []
    done = subprocess.run(line, input=row.body(), capture_output=True, text=True, timeout=200, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    if len(lines) != 3:
        raise RuntimeError(f"{session}: {done.stderr or done.stdout}")
    # The summaries come as the calls end.
    return sorted(lines[:2], key=lambda line: line["x"]) + lines[2:]


def measure(args, name, folder, rows):
    """Asks for all rows through one proxy."""
    if args.again:
        return [compare(args, name, row, row.session(folder)) for row in rows]
    upstream = f"http://127.0.0.1:{(port := proxy.free_port())}"
    with servers.serving(name, upstream, proxy.lab(args.sselens, port=port)) as through:
        def ask(row):
            # Two labs that were never asked, with one seed, say the same to the byte.
            with proxy.lab(args.sselens, pace=row.pace) as direct:
                with proxy.lab(args.sselens, port=port, pace=row.pace):
                    return compare(args, name, row, row.session(folder), direct, through)

        def sure(row):
            # What a busy machine may have done has to show twice.
            found = ask(row)
            return ask(row) if hasty(found) else found

        return [sure(row) for row in rows]


def hasty(found):
    timing = ("gw-buffered", "gw-delayed", "gw-timeout", "gw-compressed")
    return any(d["code"] in timing for d in found[2]["differences"])


def cell(text):
    return proxy.nameless(text).replace("|", "\\|").replace("\n", " ")


def codes(differences):
    grave = [d for d in differences if d["severity"] in GRAVE]
    return ", ".join(f"**{d['code']}**" if d["severity"] in GRAVE[:2] else d["code"] for d in grave or differences) or "–"


def table(head, lines):
    text = f"| {' | '.join(head)} |\n{'|---' * len(head)}|\n"
    return text + "".join(f"| {' | '.join(cell(c) for c in line)} |\n" for line in lines)


def page(versions, rows, columns):
    """The whole page."""
    names = list(versions)
    about = [[n, version, servers.SERVERS[n][0]] for n, version in versions.items()]
    text = TOP + table(["proxy", "version", "configuration"], about) + MATRIX
    lines = [[row.title(), *[codes(column[i][2]["differences"]) for column in columns]] for i, row in enumerate(rows)]
    text += table(["scenario", *names], lines) + VERDICTS
    for name, column in zip(names, columns):
        told = [(row, a, c) for row, (a, _, c) in zip(rows, column) if c["differences"]]
        text += f"### {name}\n\n" + table(
            ["scenario", "direct", "the comparison"],
            [[row.title(), a["verdict"], c["verdict"]] for row, a, c in told],
        ) + "\n"
    return text.rstrip() + "\n"


def versions_of(args):
    """The versions of the proxies that are here, or of those whose sessions were kept."""
    kept = args.keep and args.keep / "versions.json"
    if args.again:
        if not kept or not kept.exists():
            sys.exit("nothing is written: --again reads what --keep DIR kept")
        return json.loads(kept.read_text())
    versions = {name: servers.version(name) for name in servers.find(args)}
    if kept:
        args.keep.mkdir(parents=True, exist_ok=True)
        # A run of some proxies leaves what it knows of the others.
        earlier = json.loads(kept.read_text()) if kept.exists() else {}
        known = earlier | versions
        kept.write_text(json.dumps({name: known[name] for name in servers.SERVERS if name in known}, indent=1))
    return versions


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sselens", default=proxy.ROOT / "target/debug/sselens", type=Path, help="the program")
    servers.arguments(parser)
    parser.add_argument("--out", default=proxy.ROOT / "assets/docs/gateways.md", type=Path)
    parser.add_argument("--keep", type=Path, help="keep the sessions in this folder")
    parser.add_argument("--again", action="store_true", help="ask nothing: compare the sessions that --keep kept")
    parser.add_argument("--proxies", nargs="*", help="only these; prints, and writes nothing")
    parser.add_argument("--only", nargs="*", help="only these scenarios; prints, and writes nothing")
    args = parser.parse_args()
    listed = subprocess.run([args.sselens, "lab", "--list", "--json"], capture_output=True, text=True, check=True)
    scenarios = [json.loads(line) for line in listed.stdout.splitlines()]
    NEEDS.update({s["model"].removeprefix("lab/"): json.loads(s["needs"] or "{}") for s in scenarios})
    versions = versions_of(args)
    there = list(versions)
    names = [name for name in there if not args.proxies or name in args.proxies]
    rows = [row for row in ROWS if not args.only or row.name in args.only]
    partial = bool(args.only or args.proxies)
    if len(there) < len(servers.SERVERS) and not partial:
        sys.exit("nothing is written: all of them are wanted")
    with tempfile.TemporaryDirectory() as scratch, futures.ThreadPoolExecutor(4) as pool:
        jobs = []
        for name in names:
            folder = (args.keep or Path(scratch)) / name.replace(", ", "-").replace(" ", "-")
            folder.mkdir(parents=True, exist_ok=True)
            jobs.append(pool.submit(measure, args, name, folder, rows))
        columns = [job.result() for job in jobs]
    if partial:
        for name, column in zip(names, columns):
            for row, (a, b, c) in zip(rows, column):
                found = [f"{d['severity']} {d['code']}" for d in c["differences"]]
                print(f"{name}\t{row.title()}\n  A {a['verdict']}\n  B {b['verdict']}\n  {found}\n  = {c['verdict']}")
        return
    args.out.write_text(page(versions, rows, columns))


main()
