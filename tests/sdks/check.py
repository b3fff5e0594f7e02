#!/usr/bin/env python3
"""The official SDKs stream from the lab, and understand what the program understands.

    python3 tests/sdks/check.py target/debug/sselens [DIRECTORY]

Installs the SDKs of requirements.txt into an environment in DIRECTORY (by default one in the
temporary directory), where it finds them the next time. Exits with 77 if that cannot be done: no
network is no fault of the lab. Any error that an SDK raises is one, and any difference.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
SKIPPED = 77
INSTALL_TIME = 240  # s
SCENARIOS = [
    "hello", "reasoning-content", "reasoning-delta", "tool-calls", "length-truncated", "answer",
]
PROMPT = "Say hello"
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "unit": {"type": "string"}},
    "required": ["city"],
}
TOOL = ("get_weather", "The weather of a city.", CITY)
FUNCTION = {
    "type": "function",
    "function": {"name": TOOL[0], "description": TOOL[1], "parameters": CITY},
}


# The environment ---------------------------------------------------------------------------------


def skip(why):
    print(f"SKIPPED: {why}")
    sys.exit(SKIPPED)


def environment(directory):
    """The interpreter of an environment with the SDKs, made if it isn't there."""
    with open(os.path.join(HERE, "requirements.txt"), "rb") as file:
        mark = hashlib.sha256(file.read() + sys.version.encode()).hexdigest()[:12]
    home = os.path.join(directory, f"sselens-sdks-{mark}")
    python = os.path.join(home, "bin", "python")
    done = os.path.join(home, "complete")
    if os.path.exists(done):
        return python
    # Short waits: without a network this is over soon.
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    install += ["--timeout", "10", "--retries", "1", "-r", os.path.join(HERE, "requirements.txt")]
    for command in [[sys.executable, "-m", "venv", "--clear", home], install]:
        try:
            told = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIME)
        except (OSError, subprocess.TimeoutExpired) as error:
            skip(f"the SDKs cannot be installed: {error}")
        if told.returncode != 0:
            skip("the SDKs cannot be installed: " + (told.stderr or told.stdout).strip()[-400:])
    open(done, "w").close()
    return python


# What is compared --------------------------------------------------------------------------------


class Said:
    """What one answer said, in no dialect."""

    def __init__(self):
        self.content = ""
        self.reasoning = ""
        self.tools = []
        self.finish = None
        # Output tokens, as the dialect counts them. (Those of the prompt depend on how a client
        # writes its request.)
        self.output = None

    def tool(self, name, arguments):
        if isinstance(arguments, str):
            arguments = json.loads(arguments or "{}")
        self.tools.append((name, dict(arguments or {})))

    def form(self):
        finish = getattr(self.finish, "value", self.finish)
        return {
            "content": self.content,
            "reasoning": self.reasoning,
            "tools": self.tools,
            "finish": finish,
            "output": None if self.output is None else int(self.output),
        }


class Calls:
    """Calls of tools in increments."""

    def __init__(self):
        self.calls = {}

    def add(self, index, name, arguments):
        call = self.calls.setdefault(index, ["", ""])
        call[0] += name or ""
        call[1] += arguments or ""

    def tell(self, said):
        for _, (name, arguments) in sorted(self.calls.items()):
            said.tool(name, arguments)


# The SDKs ----------------------------------------------------------------------------------------


def openai_client(at):
    import openai

    return openai.OpenAI(base_url=f"{at}/v1", api_key="lab", max_retries=0)


def openai_chat(at, model, tools):
    more = {"tools": [FUNCTION]} if tools else {}
    stream = openai_client(at).chat.completions.create(
        model=model, messages=[{"role": "user", "content": PROMPT}], stream=True,
        stream_options={"include_usage": True}, **more,
    )
    said, calls = Said(), Calls()
    for chunk in stream:
        if chunk.usage:
            said.output = chunk.usage.completion_tokens
        for choice in chunk.choices:
            delta = choice.delta
            said.content += delta.content or ""
            extra = delta.model_extra or {}
            said.reasoning += extra.get("reasoning_content") or extra.get("reasoning") or ""
            for call in delta.tool_calls or []:
                calls.add(call.index, call.function.name, call.function.arguments)
            said.finish = choice.finish_reason or said.finish
    calls.tell(said)
    return said


def openai_chat_whole(at, model):
    whole = openai_client(at).chat.completions.create(
        model=model, messages=[{"role": "user", "content": PROMPT}]
    )
    return whole.choices[0].message.content


def openai_completions(at, model, tools):
    said = Said()
    stream = openai_client(at).completions.create(
        model=model, prompt=PROMPT, stream=True, stream_options={"include_usage": True}
    )
    for chunk in stream:
        if chunk.usage:
            said.output = chunk.usage.completion_tokens
        for choice in chunk.choices:
            said.content += choice.text
            said.finish = choice.finish_reason or said.finish
    return said


def openai_completions_whole(at, model):
    return openai_client(at).completions.create(model=model, prompt=PROMPT).choices[0].text


def openai_responses(at, model, tools):
    more = {}
    if tools:
        name, about, parameters = TOOL
        more["tools"] = [{
            "type": "function", "name": name, "description": about, "parameters": parameters,
            "strict": False,
        }]
    thoughts = ("response.reasoning_summary_text.delta", "response.reasoning_text.delta")
    said = Said()
    with openai_client(at).responses.stream(model=model, input=PROMPT, **more) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                said.content += event.delta
            elif event.type in thoughts:
                said.reasoning += event.delta
            elif event.type == "response.output_item.done" and event.item.type == "function_call":
                said.tool(event.item.name, event.item.arguments)
            elif event.type in ("response.completed", "response.incomplete"):
                whole = event.response
                said.output = whole.usage.output_tokens
                said.finish = whole.status
    assert whole.output_text == said.content, "the SDK's own sum differs"
    return said


def openai_responses_whole(at, model):
    return openai_client(at).responses.create(model=model, input=PROMPT).output_text


def anthropic_client(at):
    import anthropic

    return anthropic.Anthropic(base_url=at, api_key="lab", max_retries=0)


def anthropic(at, model, tools):
    more = {}
    if tools:
        name, about, parameters = TOOL
        more["tools"] = [{"name": name, "description": about, "input_schema": parameters}]
    said = Said()
    with anthropic_client(at).messages.stream(
        model=model, max_tokens=4096, messages=[{"role": "user", "content": PROMPT}], **more
    ) as stream:
        for event in stream:
            if event.type == "text":
                said.content += event.text
            elif event.type == "thinking":
                said.reasoning += event.thinking
        message = stream.get_final_message()
    for block in message.content:
        if block.type == "tool_use":
            said.tool(block.name, block.input)
    said.finish, said.output = message.stop_reason, message.usage.output_tokens
    return said


def anthropic_whole(at, model):
    return anthropic_client(at).messages.create(
        model=model, max_tokens=4096, messages=[{"role": "user", "content": PROMPT}]
    ).content[0].text


def gemini_client(at):
    from google import genai

    return genai.Client(
        api_key="lab", vertexai=False, http_options=genai.types.HttpOptions(base_url=at)
    )


def gemini(at, model, tools):
    from google.genai import types

    config = {}
    if tools:
        name, about, parameters = TOOL
        function = types.FunctionDeclaration(
            name=name, description=about, parameters_json_schema=parameters
        )
        config["tools"] = [types.Tool(function_declarations=[function])]
    said = Said()
    # The client must outlive the stream.
    client = gemini_client(at)
    for chunk in client.models.generate_content_stream(
        model=model, contents=PROMPT, config=types.GenerateContentConfig(**config)
    ):
        candidate = chunk.candidates[0]
        for part in candidate.content.parts:
            if part.function_call:
                said.tool(part.function_call.name, part.function_call.args)
            elif part.thought:
                said.reasoning += part.text
            else:
                said.content += part.text or ""
        said.finish = candidate.finish_reason or said.finish
        said.output = chunk.usage_metadata.candidates_token_count
    return said


def gemini_whole(at, model):
    client = gemini_client(at)
    return client.models.generate_content(model=model, contents=PROMPT).text


def ollama_client(at):
    import ollama

    return ollama.Client(host=at)


def ollama_chat(at, model, tools):
    more = {"tools": [FUNCTION]} if tools else {}
    said = Said()
    for line in ollama_client(at).chat(
        model=model, messages=[{"role": "user", "content": PROMPT}], stream=True, **more
    ):
        said.content += line.message.content or ""
        said.reasoning += line.message.thinking or ""
        for call in line.message.tool_calls or []:
            said.tool(call.function.name, call.function.arguments)
        if line.done:
            said.finish, said.output = line.done_reason, line.eval_count
    return said


def ollama_chat_whole(at, model):
    messages = [{"role": "user", "content": PROMPT}]
    return ollama_client(at).chat(model=model, messages=messages).message.content


def ollama_generate(at, model, tools):
    said = Said()
    for line in ollama_client(at).generate(model=model, prompt=PROMPT, stream=True):
        said.content += line.response or ""
        said.reasoning += line.thinking or ""
        if line.done:
            said.finish, said.output = line.done_reason, line.eval_count
    return said


def ollama_generate_whole(at, model):
    return ollama_client(at).generate(model=model, prompt=PROMPT).response


def mistral_client(at):
    from mistralai.client import Mistral

    # It shares its path with OpenAI Chat.
    return Mistral(api_key="lab", server_url=f"{at}/mistral")


def mistral(at, model, tools):
    more = {"tools": [FUNCTION]} if tools else {}
    said, calls = Said(), Calls()
    stream = mistral_client(at).chat.stream(
        model=model, messages=[{"role": "user", "content": PROMPT}], **more
    )
    for event in stream:
        chunk = event.data
        if chunk.usage:
            said.output = chunk.usage.completion_tokens
        for choice in chunk.choices:
            content = choice.delta.content
            if isinstance(content, str):
                said.content += content
            for part in content if isinstance(content, list) else []:
                if part.type == "thinking":
                    said.reasoning += "".join(it.text for it in part.thinking)
                else:
                    said.content += part.text
            for call in choice.delta.tool_calls or []:
                calls.add(call.index, call.function.name, call.function.arguments)
            said.finish = choice.finish_reason or said.finish
    calls.tell(said)
    return said


def mistral_whole(at, model):
    messages = [{"role": "user", "content": PROMPT}]
    whole = mistral_client(at).chat.complete(model=model, messages=messages)
    return whole.choices[0].message.content


def cohere_client(at):
    import cohere

    return cohere.ClientV2(api_key="lab", base_url=at)


def cohere(at, model, tools):
    more = {"tools": [FUNCTION]} if tools else {}
    said, calls = Said(), Calls()
    for event in cohere_client(at).chat_stream(
        model=model, messages=[{"role": "user", "content": PROMPT}], **more
    ):
        if event.type == "content-delta":
            said.content += event.delta.message.content.text or ""
            said.reasoning += event.delta.message.content.thinking or ""
        elif event.type in ("tool-call-start", "tool-call-delta"):
            function = event.delta.message.tool_calls.function
            calls.add(event.index, getattr(function, "name", None), function.arguments)
        elif event.type == "message-end":
            said.finish = event.delta.finish_reason
            said.output = event.delta.usage.tokens.output_tokens
    calls.tell(said)
    return said


def cohere_whole(at, model):
    messages = [{"role": "user", "content": PROMPT}]
    return cohere_client(at).chat(model=model, messages=messages).message.content[0].text


def bedrock_client(at):
    import boto3
    from botocore.config import Config

    return boto3.client(
        "bedrock-runtime", endpoint_url=at, region_name="us-east-1", aws_access_key_id="lab",
        aws_secret_access_key="lab", config=Config(retries={"total_max_attempts": 1}),
    )


def bedrock_converse(at, model, tools):
    more = {}
    if tools:
        name, about, parameters = TOOL
        spec = {"name": name, "description": about, "inputSchema": {"json": parameters}}
        more["toolConfig"] = {"tools": [{"toolSpec": spec}]}
    answer = bedrock_client(at).converse_stream(
        modelId=model, messages=[{"role": "user", "content": [{"text": PROMPT}]}], **more
    )
    said, calls = Said(), Calls()
    for event in answer["stream"]:
        if "contentBlockStart" in event:
            start = event["contentBlockStart"]
            calls.add(start["contentBlockIndex"], start["start"]["toolUse"]["name"], "")
        elif "contentBlockDelta" in event:
            delta = event["contentBlockDelta"]["delta"]
            said.content += delta.get("text", "")
            said.reasoning += delta.get("reasoningContent", {}).get("text", "")
            if "toolUse" in delta:
                index = event["contentBlockDelta"]["contentBlockIndex"]
                calls.add(index, "", delta["toolUse"]["input"])
        elif "messageStop" in event:
            said.finish = event["messageStop"]["stopReason"]
        elif "metadata" in event:
            said.output = event["metadata"]["usage"]["outputTokens"]
    calls.tell(said)
    return said


def bedrock_converse_whole(at, model):
    whole = bedrock_client(at).converse(
        modelId=model, messages=[{"role": "user", "content": [{"text": PROMPT}]}]
    )
    return whole["output"]["message"]["content"][0]["text"]


def invoke_body():
    return json.dumps({
        "anthropic_version": "bedrock-2023-05-31", "max_tokens": 4096,
        "messages": [{"role": "user", "content": PROMPT}],
    })


def bedrock_invoke(at, model, tools):
    answer = bedrock_client(at).invoke_model_with_response_stream(modelId=model, body=invoke_body())
    said, calls = Said(), Calls()
    for event in answer["body"]:
        piece = json.loads(event["chunk"]["bytes"])
        delta = piece.get("delta", {})
        if piece["type"] == "content_block_start" and piece["content_block"]["type"] == "tool_use":
            calls.add(piece["index"], piece["content_block"]["name"], "")
        said.content += delta.get("text", "")
        said.reasoning += delta.get("thinking", "")
        if "partial_json" in delta:
            calls.add(piece["index"], "", delta["partial_json"])
        said.finish = delta.get("stop_reason") or said.finish
        metrics = piece.get("amazon-bedrock-invocationMetrics")
        if metrics:
            said.output = metrics["outputTokenCount"]
    calls.tell(said)
    return said


def bedrock_invoke_whole(at, model):
    whole = bedrock_client(at).invoke_model(modelId=model, body=invoke_body())
    return json.loads(whole["body"].read())["content"][0]["text"]


# Name, the lab's dialect, streaming, not streaming, whether it has calls of tools.
SDKS = [
    ("openai chat", "openai-chat", openai_chat, openai_chat_whole, True),
    ("openai completions", "openai-completions", openai_completions, openai_completions_whole, True),
    ("openai responses", "openai-responses", openai_responses, openai_responses_whole, True),
    ("anthropic", "anthropic", anthropic, anthropic_whole, True),
    ("google-genai", "gemini", gemini, gemini_whole, True),
    ("ollama chat", "ollama", ollama_chat, ollama_chat_whole, True),
    # What the SDK takes for a generated line has no calls.
    ("ollama generate", "ollama", ollama_generate, ollama_generate_whole, False),
    ("mistralai", "mistral", mistral, mistral_whole, True),
    ("cohere", "cohere-v2", cohere, cohere_whole, True),
    ("boto3 converse", "bedrock-converse", bedrock_converse, bedrock_converse_whole, True),
    ("boto3 invoke", "bedrock-invoke", bedrock_invoke, bedrock_invoke_whole, True),
]


# The comparison ----------------------------------------------------------------------------------


def expected(program, dialect, model):
    """What the program itself understands."""
    command = [program, "send", "-p", "lab", "--dialect", dialect, "-m", model, "-o", "json"]
    command += ["--pace", "0", "--seed", "1", "--no-autosave", PROMPT]
    told = subprocess.run(
        command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
    )
    summary = json.loads(told.stdout)
    said = Said()
    said.content = summary["content"].get("0", "")
    said.reasoning = summary["reasoning"].get("0", "")
    for tool in summary["tools"]:
        said.tool(tool["name"], tool["arguments"])
    said.finish = summary["finish"].get("0")
    said.output = summary["usage"]["output"]
    return said.form()


def check(program, at):
    listed = subprocess.run(
        [program, "lab", "--list", "--json"], capture_output=True, text=True, timeout=60
    ).stdout
    plays = {it["model"]: it["dialects"] for it in map(json.loads, listed.splitlines())}
    known, faults, held = {}, [], 0
    for name, dialect, stream, whole, has_tools in SDKS:
        for scenario in SCENARIOS:
            tools = scenario == "tool-calls"
            if dialect not in plays[f"lab/{scenario}"] or (tools and not has_tools):
                continue
            model = f"lab/{scenario}"
            if (dialect, model) not in known:
                known[dialect, model] = expected(program, dialect, model)
            want = known[dialect, model]
            try:
                got = stream(at, model, tools).form()
            except Exception:
                faults.append(f"{name}, {model}: {traceback.format_exc()}")
                continue
            for key, value in want.items():
                if got[key] != value:
                    faults.append(f"{name}, {model}: {key} is {got[key]!r}, not {value!r}"[:2000])
            held += 1
        try:
            got = whole(at, "lab/hello")
            if got != known[dialect, "lab/hello"]["content"]:
                faults.append(f"{name}, without a stream: {got!r}")
        except Exception:
            faults.append(f"{name}, without a stream: {traceback.format_exc()}")
        print(f"{name}: done", flush=True)
    print(f"{held} streams, {len(faults)} faults")
    for fault in faults:
        print(f"FAULT {fault}")
    return 1 if faults else 0


def inside(program):
    """In the environment, with a lab of its own."""
    command = [program, "lab", "--listen", "127.0.0.1:0", "--pace", "0", "--seed", "1"]
    lab = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        at = re.search(r"http://[0-9.]+:[0-9]+", lab.stdout.readline())
        if not at:
            sys.exit("the lab did not say where it listens")
        return check(program, at.group())
    finally:
        lab.terminate()
        lab.wait()


def main():
    program = os.path.abspath(sys.argv[1])
    if sys.argv[2:] == ["--inside"]:
        sys.exit(inside(program))
    directory = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else tempfile.gettempdir()
    python = environment(directory)
    # Nobody's keys, proxies or settings.
    clean = {"PATH": os.environ.get("PATH", ""), "HOME": directory, "PYTHONUTF8": "1"}
    command = [python, os.path.abspath(__file__), program, "--inside"]
    sys.exit(subprocess.run(command, env=clean, cwd=directory).returncode)


if __name__ == "__main__":
    main()
