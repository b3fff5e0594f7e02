#!/usr/bin/env python3
"""client.py CLIENT BASE MODEL... : asks BASE for a stream of each MODEL with a real Python client,
and prints, one JSON object a line, what the client gave to its caller.

CLIENT is openai-python, langchain-openai, litellm, litellm+drop_params or anthropic-python; it must
be installed in the Python that runs this. The caller is the careful one: it takes no member for
granted, so that an error here is one that the client raised. Nothing is asked a second time: all
retries are off. The first line names the version that was run."""
import asyncio
import json
import os
import sys
from importlib.metadata import version

for name in ("MODEL_COST_MAP", "ANTHROPIC_BETA_HEADERS", "BLOG_POSTS", "POLICY_TEMPLATES", "AUTOROUTER_PRESETS"):
    os.environ.setdefault("LITELLM_LOCAL_" + name, "True")
os.environ.update(NO_PROXY="*", HF_HUB_OFFLINE="1", LITELLM_TELEMETRY="False", LANGSMITH_TRACING="false")
PATIENCE = float(os.environ.get("PATIENCE", "4"))  # seconds without a chunk until a stream counts as one that hangs
ASK = [{"role": "user", "content": "hi"}]


class Given:
    """What the caller has been given so far."""

    def __init__(self):
        self.content, self.reasoning, self.finish, self.tools = {}, {}, {}, []
        self.slots, self.chunks, self.error, self.odd = {}, 0, None, 0

    def text(self, channel, choice, value):
        if isinstance(value, str):
            if value:
                channel[str(choice)] = channel.get(str(choice), "") + value
        elif value is not None:
            self.odd += 1  # a list or an object where the type promises a string

    def tool(self, index, name, arguments):
        if index not in self.slots:
            self.slots[index] = {"name": None, "arguments": ""}
            self.tools.append(self.slots[index])
        slot = self.slots[index]
        slot["name"] = slot["name"] or name or None
        slot["arguments"] += arguments if isinstance(arguments, str) else json.dumps(arguments) if arguments else ""

    def line(self, model):
        return json.dumps({"model": model, "content": self.content, "reasoning": self.reasoning, "finish": self.finish,
                           "tools": self.tools, "chunks": self.chunks, "odd": self.odd, "error": self.error}, ensure_ascii=True)


def member(thing, name):
    """A member of a typed object, a dict, or of neither."""
    return thing.get(name) if isinstance(thing, dict) else getattr(thing, name, None)


def chat_chunk(given, chunk, reasoning):
    given.chunks += 1
    choices = member(chunk, "choices")
    for choice in choices if isinstance(choices, list) else []:
        index, delta = member(choice, "index") or 0, member(choice, "delta")
        given.text(given.content, index, member(delta, "content"))
        if reasoning:
            given.text(given.reasoning, index, member(delta, reasoning))
        for piece in member(delta, "tool_calls") or []:
            function = member(piece, "function")
            given.tool((index, member(piece, "index")), member(function, "name"), member(function, "arguments"))
        if member(choice, "finish_reason"):
            given.finish[str(index)] = member(choice, "finish_reason")


class OpenAi:
    package = "openai"

    def __init__(self, base):
        import openai
        self.client = openai.AsyncOpenAI(base_url=base, api_key="x", max_retries=0)

    async def ask(self, model, given):
        stream = await self.client.chat.completions.create(
            model=model, messages=ASK, stream=True, stream_options={"include_usage": True})
        async for chunk in stream:
            chat_chunk(given, chunk, None)  # its types know no reasoning


class LangChain:
    package = "langchain-openai"

    def __init__(self, base):
        self.base = base

    async def ask(self, model, given):
        from langchain_openai import ChatOpenAI
        llm = ChatOpenAI(base_url=self.base, api_key="x", model=model, max_retries=0, stream_usage=True)
        async for chunk in llm.astream([("user", "hi")]):
            given.chunks += 1
            given.text(given.content, 0, chunk.content)
            given.text(given.reasoning, 0, chunk.additional_kwargs.get("reasoning_content"))
            for piece in chunk.tool_call_chunks:
                given.tool(piece["index"], piece["name"], piece["args"])
            if chunk.response_metadata.get("finish_reason"):
                given.finish["0"] = chunk.response_metadata["finish_reason"]


class LiteLlm:
    package = "litellm"
    drop = False

    def __init__(self, base):
        import litellm
        litellm.suppress_debug_info = True
        litellm.drop_params = self.drop
        self.base, self.litellm = base, litellm

    async def ask(self, model, given):
        stream = await self.litellm.acompletion(
            model="openai/" + model, api_base=self.base, api_key="x", stream=True, messages=ASK,
            stream_options={"include_usage": True}, max_retries=0, num_retries=0)
        async for chunk in stream:
            chat_chunk(given, chunk, "reasoning_content")


class LiteLlmDrop(LiteLlm):
    drop = True


class Anthropic:
    package = "anthropic"

    def __init__(self, base):
        import anthropic
        self.client = anthropic.AsyncAnthropic(base_url=base, api_key="x", max_retries=0)

    async def ask(self, model, given):
        stream = await self.client.messages.create(model=model, messages=ASK, max_tokens=100, stream=True)
        async for event in stream:
            given.chunks += 1
            kind, delta = member(event, "type"), member(event, "delta")
            if kind == "content_block_start" and member(member(event, "content_block"), "type") == "tool_use":
                given.tool(member(event, "index"), member(member(event, "content_block"), "name"), "")
            if kind == "content_block_delta":
                given.text(given.content, 0, member(delta, "text"))
                given.text(given.reasoning, 0, member(delta, "thinking"))
                if member(delta, "type") == "input_json_delta":
                    given.tool(member(event, "index"), None, member(delta, "partial_json"))
            if kind == "message_delta" and member(delta, "stop_reason"):
                given.finish["0"] = member(delta, "stop_reason")


CLIENTS = {"openai-python": OpenAi, "langchain-openai": LangChain, "litellm": LiteLlm,
           "litellm+drop_params": LiteLlmDrop, "anthropic-python": Anthropic}


async def patiently(task, given):
    """Waits for a task as long as the caller is given something now and then."""
    before = -1
    while before != given.chunks:
        before = given.chunks
        if (await asyncio.wait({task}, timeout=PATIENCE))[0]:
            return task.result()
    task.cancel()
    raise asyncio.TimeoutError


async def main(name, base, models):
    kind = CLIENTS[name]
    print(json.dumps({"client": name, "version": version(kind.package)}), flush=True)
    for model in models:
        given = Given()
        try:
            # A new client each time: one broken connection must not be the next one's.
            await patiently(asyncio.create_task(kind(base).ask(model, given)), given)
        except asyncio.TimeoutError:
            given.error = {"class": "(waits)", "message": ""}
        except Exception as error:
            given.error = {"class": type(error).__name__, "message": str(error)[:600]}
        print(given.line(model), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
