// A turn with a tool call, and one with a text, by the Bedrock client at the address that is given: it speaks HTTP/2 and
// nothing else.
import { createRequire } from "node:module";

const require = createRequire(process.env.CLIENTS + "/");
const { BedrockRuntimeClient, ConverseStreamCommand } = require("@aws-sdk/client-bedrock-runtime");

const client = new BedrockRuntimeClient({
  region: "us-east-1",
  endpoint: process.argv[2],
  token: { token: "bedrock-api-key-Q8w7E6r5T4y3U2" },
  authSchemePreference: ["httpBearerAuth"],
  maxAttempts: 1,
});
const tools = [
  { toolSpec: { name: "weather", inputSchema: { json: { type: "object", properties: { city: { type: "string" } } } } } },
];

async function turn(messages) {
  const answer = await client.send(
    new ConverseStreamCommand({ modelId: "lab/tool-calls", messages, toolConfig: { tools } }),
  );
  const got = { text: "", tools: [], stop: null };
  for await (const event of answer.stream) {
    const { start, delta } = event.contentBlockStart ?? event.contentBlockDelta ?? {};
    if (start?.toolUse) got.tools.push({ ...start.toolUse, input: "" });
    if (delta?.toolUse) got.tools.at(-1).input += delta.toolUse.input;
    got.text += delta?.text ?? "";
    got.stop ??= event.messageStop?.stopReason ?? null;
  }
  return got;
}

const messages = [{ role: "user", content: [{ text: "What is the weather in Paris?" }] }];
const first = await turn(messages);
console.log(JSON.stringify(first));
const uses = first.tools.map((tool) => ({ toolUse: { ...tool, input: JSON.parse(tool.input || "{}") } }));
const results = first.tools.map(({ toolUseId }) => ({ toolResult: { toolUseId, content: [{ text: "21 degrees" }] } }));
messages.push({ role: "assistant", content: uses }, { role: "user", content: results });
console.log(JSON.stringify(await turn(messages)));
client.destroy();
