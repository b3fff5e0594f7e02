#!/usr/bin/env python3
"""collect.py FOLDER [EARLIER] : puts what the clients gave (FOLDER/CLIENT.jsonl) together as
expected.json has it: for each scenario the distinct outcomes, each with the clients that gave it. What
is empty is left out, and texts that the lab makes anew each time are null. Of the recording EARLIER,
what the same versions of these clients gave for the same scenarios stays too, where it is otherwise, and
everything about clients that were not asked this time."""
import json
import pathlib
import re
import sys

WORDS = 200  # of an error, in characters
LONGEST = 5000  # of a text that is compared
# Those that pass every payload on as a chunk, so that their number tells what was read.
COUNTED = {"openai-python", "openai-node", "anthropic-python", "anthropic-typescript", "google-genai",
           "botocore", "cohere", "mistralai"}
SCENARIOS = pathlib.Path(__file__).parents[2] / "assets/scenarios"

versions, scenarios = {}, {}


def made_anew(name):
    file = SCENARIOS / f"{name}.toml"
    return file.exists() and "{ generate =" in file.read_text()


def nameless(given):
    """The same without the answers' ids, which are others each time."""
    return re.sub(r"chatcmpl-lab[0-9a-f]+", "", json.dumps(given, sort_keys=True))


def add(name, client, given):
    outcomes = scenarios.setdefault(name, [])
    if any(client in o["clients"] and nameless(o["given"]) == nameless(given) for o in outcomes):
        return
    same = next((o for o in outcomes if o["given"] == given), None)
    if same:
        same["clients"].append(client)
    else:
        outcomes.append({"clients": [client], "given": given})


for file in sorted(pathlib.Path(sys.argv[1]).glob("*.jsonl")):
    # Node leaves U+2028 in a string as it is.
    for line in map(json.loads, filter(None, file.read_text().split("\n"))):
        if "client" in line:
            versions[file.stem] = line["version"]
            continue
        name = line["model"].removeprefix("lab/")
        given = {member: line[member] for member in ("content", "reasoning", "finish", "tools") if line[member]}
        if line["content"] and (made_anew(name) or any(len(text) > LONGEST for text in line["content"].values())):
            given["content"] = None
        if file.stem in COUNTED and given.get("content", 0) is not None:
            given["chunks"] = line["chunks"]
        if line["error"]:
            given["error"] = {"class": line["error"]["class"], "message": line["error"]["message"][:WORDS]}
        add(name, file.stem, given)
if len(sys.argv) > 2:
    earlier = json.loads(pathlib.Path(sys.argv[2]).read_text())
    asked = set(versions)
    for name in earlier["scenarios"]:
        for outcome in earlier["scenarios"][name]:
            for client in outcome["clients"]:
                if client not in asked or (name in scenarios and versions[client] == earlier["versions"][client]):
                    versions[client] = earlier["versions"][client]
                    add(name, client, outcome["given"])
for outcomes in scenarios.values():
    for outcome in outcomes:
        outcome["clients"].sort()
    outcomes.sort(key=lambda outcome: outcome["clients"])
json.dump({"versions": dict(sorted(versions.items())), "scenarios": dict(sorted(scenarios.items()))}, sys.stdout, indent=1, ensure_ascii=True)
print()
