#!/usr/bin/env python3
"""collect.py FOLDER : puts what the clients gave (FOLDER/CLIENT.jsonl) together as expected.json has
it: for each scenario the distinct outcomes, each with the clients that gave it. What is empty is left
out, and so are texts that the lab makes anew each time."""
import json
import pathlib
import sys

WORDS = 200  # of an error, in characters
LONGEST = 5000  # of a text that is compared
# Those that pass every payload on as a chunk, so that their number tells what was read.
COUNTED = {"openai-python", "openai-node", "anthropic-python"}

versions, scenarios = {}, {}
for file in sorted(pathlib.Path(sys.argv[1]).glob("*.jsonl")):
    for line in map(json.loads, file.read_text().splitlines()):
        if "client" in line:
            versions[file.stem] = line["version"]
            continue
        given = {name: line[name] for name in ("content", "reasoning", "finish", "tools") if line[name]}
        if any(len(text) > LONGEST for text in line["content"].values()):
            given["content"] = None
        if file.stem in COUNTED and given.get("content", 0) is not None:
            given["chunks"] = line["chunks"]
        if line["error"]:
            given["error"] = {"class": line["error"]["class"], "message": line["error"]["message"][:WORDS]}
        outcomes = scenarios.setdefault(line["model"].removeprefix("lab/"), [])
        same = next((o for o in outcomes if o["given"] == given), None)
        if same:
            same["clients"].append(file.stem)
        else:
            outcomes.append({"clients": [file.stem], "given": given})
json.dump({"versions": versions, "scenarios": dict(sorted(scenarios.items()))}, sys.stdout, indent=1, ensure_ascii=True)
print()
