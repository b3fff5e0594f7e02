#!/usr/bin/env python3
"""compare.py SSELENS SESSIONS RESULTS : holds `sselens show --lens all` on the recordings
SESSIONS/NAME.jsonl against what the real clients gave, RESULTS/CLIENT.jsonl. Prints each difference
and a count for each client; the exit status is 1 if one is not listed in EXPLAINED."""
import json
import pathlib
import subprocess
import sys

# Differences that are known, and why.
EXPLAINED = json.loads((pathlib.Path(__file__).parent / "explained.json").read_text())
# Texts that the lab makes anew for each connection: their length alone would differ.
GENERATED = {"long", "sse-giant-frame"}


def normal(tools):
    """Tool calls as (name, arguments), the arguments as a value where they are one."""
    out = []
    for tool in tools:
        try:
            arguments = json.dumps(json.loads(tool["arguments"]), sort_keys=True)
        except ValueError:
            arguments = tool["arguments"]
        out.append([tool["name"], arguments])
    return out


def differences(scenario, real, lens):
    """The members in which the lens differs from the real client."""
    if lens["elsewhere"]:
        return None
    real_waits = bool(real["error"]) and real["error"]["class"] == "(waits)"
    if real_waits or lens["waits"]:
        pairs = {"waits": (real_waits, lens["waits"])}
    else:
        pairs = {"error": (real["error"], lens["error"])}
        if real["error"] and lens["error"] and real["error"]["class"] == lens["error"]["class"] \
                and real["error"]["message"].startswith(lens["error"]["message"]):
            pairs = {}
    for name in ("reasoning", "finish") if scenario in GENERATED else ("content", "reasoning", "finish"):
        pairs[name] = (real[name], lens[name])
    pairs["tools"] = (normal(real["tools"]), normal(lens["tools"]))
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def main(program, sessions, results):
    real = {}
    for file in sorted(pathlib.Path(results).glob("*.jsonl")):
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        real[file.stem] = {line["model"].removeprefix("lab/"): line for line in lines if "model" in line}
    counts = {name: [0, 0, 0, 0] for name in real}
    for session in sorted(pathlib.Path(sessions).glob("*.jsonl")):
        scenario = session.stem
        out = subprocess.run([program, "show", "-q", "-o", "json", "--lens", "all", str(session)],
                             stdout=subprocess.PIPE, check=False)
        for lens in json.loads(out.stdout)["lenses"]:
            given = real.get(lens["client"], {}).get(scenario)
            if given is None:
                continue
            differs = differences(scenario, given, lens)
            count = counts[lens["client"]]
            known = EXPLAINED.get(scenario, {})
            why = known.get(lens["client"], known.get("*"))
            kind = 3 if differs is None else 0 if not differs else 1 if why else 2
            count[kind] += 1
            if kind in (1, 2):
                print(f"{lens['client']:<26} {scenario:<28} {'explained: ' + why if why else ''}")
                for name, (a, b) in differs.items() if kind == 2 else ():
                    print(f"    {name}: client {json.dumps(a)[:300]}\n    {' ' * len(name)}  lens   {json.dumps(b)[:300]}")
    print(f"\n{'client':<26} {'agree':>6} {'explained':>10} {'differ':>7} {'undecidable':>12}")
    for name, count in counts.items():
        print(f"{name:<26} {count[0]:>6} {count[1]:>10} {count[2]:>7} {count[3]:>12}")
    return any(count[2] for count in counts.values())


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
