#!/usr/bin/env python3
"""turn.py AGENT : reads the summaries of what an agent received, and says whether it completed a turn: an answer with
a tool call, later one in text, and none that failed."""
import json
import sys

answers = [json.loads(line) for line in sys.stdin if line.strip()]
answers = [answer for answer in answers if "outcome" in answer]
called = [i for i, answer in enumerate(answers) if answer["tools"]]
failed = [answer["verdict"] for answer in answers if answer["outcome"] == "failed"]
said = [i for i, answer in enumerate(answers) if answer["content"] and called and i > called[0]]
names = ", ".join(tool["name"] for i in called for tool in answers[i]["tools"])
complete = bool(called and said and not failed)
words = "completes a turn" if complete else "does not complete a turn"
print(f"{sys.argv[1]}: {words}: {len(answers)} answers, calls {names or 'nothing'}", *failed, sep="; ")
sys.exit(not complete)
