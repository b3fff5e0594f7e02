#!/usr/bin/env python3
"""client.py CLIENT BASE MODEL... : asks BASE for a stream of each MODEL with a real Python client,
and prints, one JSON object a line, what the client returned to its caller.

CLIENT is a key of CLIENTS below; it must be installed in the Python that runs this. The folder of a
MODEL (`responses/NAME`) says which dialect is asked for; without one it is Chat. NAME.stream is the
client's accumulating helper: its result is the final object, and where it raises, what its events had
delivered until then. The caller is a careful one: it takes no field for granted, so that an error here
is one that the client raised. Nothing is asked a second time: all retries are off. The first line names
the version that was run."""
import asyncio
import json
import os
import re
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
        slot["arguments"] += arguments if isinstance(arguments, str) else json.dumps(arguments, separators=(",", ":")) if arguments else ""

    def restart(self):
        """Forgets what the events delivered: the final object is the result."""
        self.content, self.reasoning, self.finish, self.tools, self.slots = {}, {}, {}, [], {}

    def line(self, model):
        # Half a character stays one in Python, though two in a row would become a whole one in JSON.
        whole = lambda texts: {choice: re.sub("[\ud800-\udfff]", "\ufffd", text) for choice, text in texts.items()}
        return json.dumps({"model": model, "content": whole(self.content), "reasoning": whole(self.reasoning),
                           "finish": self.finish, "tools": self.tools, "chunks": self.chunks, "odd": self.odd, "error": self.error}, ensure_ascii=True)


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


class OpenAiStream(OpenAi):
    """`chat.completions.stream()`"""

    async def ask(self, model, given):
        async with self.client.chat.completions.stream(
                model=model, messages=ASK, stream_options={"include_usage": True}) as stream:
            async for event in stream:
                if event.type == "chunk":
                    chat_chunk(given, event.chunk, None)
            final = await stream.get_final_completion()
        given.restart()
        for choice in final.choices or []:
            index, message = member(choice, "index") or 0, choice.message
            given.text(given.content, index, message.content)
            for at, call in enumerate(message.tool_calls or []):
                given.tool((index, at), member(member(call, "function"), "name"), member(member(call, "function"), "arguments"))
            if choice.finish_reason:
                given.finish[str(index)] = choice.finish_reason


def responses_event(given, event):
    """An event of Responses, as a loop over the plain iteration takes it."""
    given.chunks += 1
    kind, index = member(event, "type"), member(event, "output_index")
    if kind == "response.output_text.delta":
        given.text(given.content, 0, member(event, "delta"))
    elif kind in ("response.reasoning_summary_text.delta", "response.reasoning_text.delta"):
        given.text(given.reasoning, 0, member(event, "delta"))
    elif kind in ("response.output_item.added", "response.output_item.done"):
        item = member(event, "item")
        if str(member(item, "type") or "").endswith("_call"):
            given.tool(index, member(item, "name") or member(item, "type"), "")
            whole = member(item, "arguments") or member(item, "input")
            if kind.endswith("done") and isinstance(whole, str):
                given.slots[index]["arguments"] = whole
    elif kind in ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta", "response.mcp_call_arguments.delta"):
        given.tool(index, None, member(event, "delta"))
    elif kind in ("response.completed", "response.incomplete", "response.failed"):
        if member(member(event, "response"), "status"):
            given.finish["0"] = member(member(event, "response"), "status")


def responses_final(given, final):
    """A whole response."""
    for at, item in enumerate(member(final, "output") or []):
        kind = member(item, "type")
        for part in (member(item, "content") or []) if kind == "message" else []:
            if member(part, "type") == "output_text":
                given.text(given.content, 0, member(part, "text"))
        if kind == "reasoning":
            for part in [*(member(item, "summary") or []), *(member(item, "content") or [])]:
                given.text(given.reasoning, 0, member(part, "text"))
        if str(kind or "").endswith("_call"):
            given.tool(at, member(item, "name") or kind, member(item, "arguments") or member(item, "input"))
    if member(final, "status"):
        given.finish["0"] = member(final, "status")


class OpenAiResponses(OpenAi):
    async def ask(self, model, given):
        async for event in await self.client.responses.create(model=model, input="hi", stream=True):
            responses_event(given, event)


class OpenAiResponsesStream(OpenAi):
    """`responses.stream()`"""

    async def ask(self, model, given):
        async with self.client.responses.stream(model=model, input="hi") as stream:
            async for event in stream:
                responses_event(given, event)
            final = await stream.get_final_response()
        given.restart()
        responses_final(given, final)


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
    provider = "openai/"

    def __init__(self, base):
        import litellm
        litellm.suppress_debug_info = True
        litellm.drop_params = self.drop
        self.base, self.litellm = base, litellm

    async def ask(self, model, given):
        stream = await self.litellm.acompletion(
            model=self.provider + model, api_base=self.base, api_key="x", stream=True, messages=ASK,
            stream_options={"include_usage": True}, max_retries=0, num_retries=0)
        async for chunk in stream:
            chat_chunk(given, chunk, "reasoning_content")


class LiteLlmDrop(LiteLlm):
    drop = True


class LiteLlmMessages(LiteLlm):
    """`acompletion` of a model that speaks Anthropic's Messages."""
    provider = "anthropic/"


class LiteLlmResponses(LiteLlm):
    """`acompletion` of a model that is asked for Responses. One that it was not told of would not be asked to stream."""
    provider = "openai/responses/"

    async def ask(self, model, given):
        folder, name = model.split("/")
        self.base += f"/in/{folder}"
        self.litellm.register_model({f"openai/{name}": {
            "mode": "responses", "litellm_provider": "openai", "supports_native_streaming": True}})
        await super().ask(name, given)


def messages_event(given, event):
    """An event of Anthropic, as a loop over the plain iteration takes it."""
    given.chunks += 1
    kind, delta = member(event, "type"), member(event, "delta")
    if kind == "message_start":
        # Programmatic tool calling puts the whole answer here.
        message = member(event, "message")
        for block in member(message, "content") or []:
            given.text(given.content, 0, member(block, "text"))
            given.text(given.reasoning, 0, member(block, "thinking"))
            if str(member(block, "type") or "").endswith("tool_use"):
                given.tools.append({"name": member(block, "name"), "arguments": json.dumps(member(block, "input"))})
        if member(message, "stop_reason"):
            given.finish["0"] = member(message, "stop_reason")
    if kind == "content_block_start":
        block = member(event, "content_block")
        if str(member(block, "type") or "").endswith("tool_use"):
            given.tool(member(event, "index"), member(block, "name"), member(block, "input") or "")
        given.text(given.content, 0, member(block, "text"))
        given.text(given.reasoning, 0, member(block, "thinking"))
    if kind == "content_block_delta":
        given.text(given.content, 0, member(delta, "text"))
        given.text(given.reasoning, 0, member(delta, "thinking"))
        if member(delta, "type") == "input_json_delta":
            given.tool(member(event, "index"), None, member(delta, "partial_json"))
    if kind == "message_delta" and member(delta, "stop_reason"):
        given.finish["0"] = member(delta, "stop_reason")


class Anthropic:
    package = "anthropic"

    def __init__(self, base):
        import anthropic
        self.client = anthropic.AsyncAnthropic(base_url=base, api_key="x", max_retries=0)

    async def ask(self, model, given):
        stream = await self.client.messages.create(model=model, messages=ASK, max_tokens=100, stream=True)
        async for event in stream:
            messages_event(given, event)


class AnthropicStream(Anthropic):
    """`messages.stream()`"""

    async def ask(self, model, given):
        async with self.client.messages.stream(model=model, messages=ASK, max_tokens=100) as stream:
            async for event in stream:
                if event.type in (None, "message_start", "message_delta", "content_block_start", "content_block_delta"):
                    messages_event(given, event)
            final = await stream.get_final_message()
        given.restart()
        for at, block in enumerate(final.content or []):
            given.text(given.content, 0, member(block, "text"))
            given.text(given.reasoning, 0, member(block, "thinking"))
            if str(member(block, "type") or "").endswith("tool_use"):
                given.tool(at, member(block, "name"), json.dumps(member(block, "input")))
        if final.stop_reason:
            given.finish["0"] = final.stop_reason


class GoogleGenAi:
    package = "google-genai"

    def __init__(self, base):
        from google import genai
        self.client = genai.Client(api_key="x", vertexai=False, http_options={"base_url": base})

    async def stream(self, model):
        return await self.client.aio.models.generate_content_stream(model=model, contents="hi")

    async def ask(self, model, given):
        async for chunk in await self.stream(model):
            given.chunks += 1
            for candidate in chunk.candidates or []:
                index = candidate.index or 0
                for part in (candidate.content and candidate.content.parts) or []:
                    given.text(given.reasoning if part.thought else given.content, index, part.text)
                    if part.function_call:
                        given.tools.append({"name": part.function_call.name,
                                            "arguments": json.dumps(part.function_call.args or {})})
                if candidate.finish_reason:
                    given.finish[str(index)] = candidate.finish_reason.value


class GoogleGenAiChat(GoogleGenAi):
    """A chat's `send_message_stream()`. Its history is not looked at."""

    async def stream(self, model):
        return await self.client.aio.chats.create(model=model).send_message_stream("hi")


class Botocore:
    """`converse_stream` of boto3, whose events are botocore's. It blocks; a careful caller reads it in a thread."""
    package = "botocore"

    def __init__(self, base):
        import boto3
        from botocore.config import Config
        self.client = boto3.client(
            "bedrock-runtime", endpoint_url=base, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x",
            config=Config(retries={"total_max_attempts": 1}))

    async def ask(self, model, given):
        await asyncio.to_thread(self.read, model, given)

    def read(self, model, given):
        messages = [{"role": "user", "content": [{"text": "hi"}]}]
        for event in self.client.converse_stream(modelId=model, messages=messages)["stream"]:
            given.chunks += 1
            start, delta = member(event, "contentBlockStart") or {}, member(event, "contentBlockDelta") or {}
            call = member(member(start, "start"), "toolUse")
            if call is not None:
                given.tool(member(start, "contentBlockIndex"), member(call, "name"), "")
            piece = member(delta, "delta")
            given.text(given.content, 0, member(piece, "text"))
            given.text(given.reasoning, 0, member(member(piece, "reasoningContent"), "text"))
            call = member(piece, "toolUse")
            if call is not None:
                given.tool(member(delta, "contentBlockIndex"), None, member(call, "input"))
            if member(member(event, "messageStop"), "stopReason"):
                given.finish["0"] = event["messageStop"]["stopReason"]


class Cohere:
    """`chat_stream` of the second version of Cohere's API."""
    package = "cohere"

    def __init__(self, base):
        import cohere
        self.client = cohere.AsyncClientV2(api_key="x", base_url=base)

    async def ask(self, model, given):
        async for event in self.client.chat_stream(model=model, messages=ASK, request_options={"max_retries": 0}):
            given.chunks += 1
            kind, index = member(event, "type"), member(event, "index")
            delta = member(event, "delta")
            message = member(delta, "message")
            if kind in ("content-start", "content-delta"):
                content = member(message, "content")
                given.text(given.content, 0, member(content, "text"))
                given.text(given.reasoning, 0, member(content, "thinking"))
            elif kind in ("tool-call-start", "tool-call-delta"):
                function = member(member(message, "tool_calls"), "function")
                given.tool(index, member(function, "name"), member(function, "arguments"))
            elif kind == "message-end" and member(delta, "finish_reason"):
                given.finish["0"] = member(delta, "finish_reason")


class MistralAi:
    """`chat.stream_async` of mistralai."""
    package = "mistralai"

    def __init__(self, base):
        from mistralai.client import Mistral
        self.client = Mistral(api_key="x", server_url=base)

    async def ask(self, model, given):
        async for event in await self.client.chat.stream_async(model=model, messages=ASK):
            given.chunks += 1
            for choice in event.data.choices:
                content = choice.delta.content
                for part in content if isinstance(content, list) else []:
                    given.text(given.content, choice.index, member(part, "text"))
                    for thought in member(part, "thinking") or []:
                        given.text(given.reasoning, choice.index, member(thought, "text"))
                if isinstance(content, str):
                    given.text(given.content, choice.index, content)
                for call in choice.delta.tool_calls or []:
                    given.tool((choice.index, call.index), call.function.name, call.function.arguments)
                if choice.finish_reason:
                    given.finish[str(choice.index)] = choice.finish_reason


CLIENTS = {
    "botocore": {"bedrock": Botocore},
    "cohere": {"cohere": Cohere},
    "mistralai": {"mistral": MistralAi},
    "google-genai": {"gemini": GoogleGenAi},
    "google-genai.chat": {"gemini": GoogleGenAiChat},
    "openai-python": {"chat": OpenAi, "responses": OpenAiResponses},
    "openai-python.stream": {"chat": OpenAiStream, "responses": OpenAiResponsesStream},
    "langchain-openai": {"chat": LangChain},
    "litellm": {"chat": LiteLlm, "responses": LiteLlmResponses, "anthropic": LiteLlmMessages},
    "litellm+drop_params": {"chat": LiteLlmDrop},
    "litellm-1.81.5": {"chat": LiteLlm},
    "litellm-1.81.5+drop_params": {"chat": LiteLlmDrop},
    "anthropic-python": {"anthropic": Anthropic},
    "anthropic-python.stream": {"anthropic": AnthropicStream},
}


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
    kinds = CLIENTS[name]
    print(json.dumps({"client": name, "version": version(next(iter(kinds.values())).package)}), flush=True)
    for model in models:
        folder = model.split("/")[0]
        kind = kinds["chat" if folder == "lab" else folder]
        given = Given()
        try:
            # A new client each time: one broken connection must not be the next one's.
            await patiently(asyncio.create_task(kind(base).ask(model, given)), given)
        except asyncio.TimeoutError:
            given.error = {"class": "(waits)", "message": ""}
        except Exception as error:
            # LiteLLM quotes a traceback, with the folders of this machine; pydantic names addresses.
            words = str(error).split("\nTraceback (most recent call last)")[0]
            words = re.sub(r" at 0x[0-9a-f]+", "", words)
            # Said only because it must not try again.
            words = words.replace(" (reached max retries: 0)", "")
            words = re.sub(r"http://127.0.0.1:\d+", "http://BASE", words)
            given.error = {"class": type(error).__name__, "message": words[:600]}
        print(given.line(model), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
