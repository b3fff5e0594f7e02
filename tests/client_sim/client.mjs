// client.mjs CLIENT BASE MODEL... : what a client of Node returned to its caller for a stream of each
// MODEL, one JSON object a line, as client.py does it for the Python clients. It is copied to and run
// where the packages are installed.
import { readFileSync } from 'node:fs'

const [name, base, ...models] = process.argv.slice(2)
const patience = Number(process.env.PATIENCE ?? 4) * 1000
const ask = [{ role: 'user', content: 'hi' }]

function version(pack) {
  return JSON.parse(readFileSync(new URL(`./node_modules/${pack}/package.json`, import.meta.url))).version
}

const add = (given, channel, choice, value) => {
  if (typeof value === 'string') { if (value) given[channel][choice] = (given[channel][choice] ?? '') + value }
  else if (value !== null && value !== undefined) given.odd += 1
}

const tool = (given, slots, index, name, args) => {
  if (!(index in slots)) given.tools.push((slots[index] = { name: null, arguments: '' }))
  slots[index].name ||= name || null
  if (args) slots[index].arguments += typeof args === 'string' ? args : JSON.stringify(args)
}

const openai = async () => {
  const { default: OpenAI } = await import('openai')
  return new OpenAI({ baseURL: base, apiKey: 'x', maxRetries: 0, logLevel: 'off' })
}
const anthropic = async () => {
  const { default: Anthropic } = await import('@anthropic-ai/sdk')
  return new Anthropic({ baseURL: base, apiKey: 'x', maxRetries: 0, logLevel: 'off' })
}

const chatChunk = (given, slots, chunk) => {
  given.chunks += 1
  for (const choice of Array.isArray(chunk?.choices) ? chunk.choices : []) {
    const index = choice?.index ?? 0
    add(given, 'content', index, choice?.delta?.content)
    for (const piece of choice?.delta?.tool_calls ?? [])
      tool(given, slots, `${index} ${piece?.index}`, piece?.function?.name, piece?.function?.arguments)
    if (choice?.finish_reason) given.finish[index] = choice.finish_reason
  }
}

// An event of Responses, as a loop over the plain iteration takes it.
const responsesEvent = (given, slots, event) => {
  given.chunks += 1
  const { type, output_index: index, item, delta } = event ?? {}
  if (type === 'response.output_text.delta') add(given, 'content', 0, delta)
  if (type === 'response.reasoning_summary_text.delta' || type === 'response.reasoning_text.delta') add(given, 'reasoning', 0, delta)
  if ((type === 'response.output_item.added' || type === 'response.output_item.done') && String(item?.type).endsWith('_call')) {
    tool(given, slots, index, item.name || item.type, '')
    const whole = item.arguments || item.input
    if (type.endsWith('done') && typeof whole === 'string') slots[index].arguments = whole
  }
  if (type === 'response.function_call_arguments.delta' || type === 'response.custom_tool_call_input.delta' || type === 'response.mcp_call_arguments.delta')
    tool(given, slots, index, null, delta)
  if (type === 'response.completed' || type === 'response.incomplete' || type === 'response.failed')
    if (event.response?.status) given.finish[0] = event.response.status
}

// An event of Anthropic, the same way.
const messagesEvent = (given, slots, event) => {
  given.chunks += 1
  const { type, index, delta, content_block: block } = event ?? {}
  // Programmatic tool calling puts the whole answer here.
  if (type === 'message_start') {
    for (const block of event.message?.content ?? []) {
      add(given, 'content', 0, block?.text)
      add(given, 'reasoning', 0, block?.thinking)
      if (String(block?.type).endsWith('tool_use'))
        given.tools.push({ name: block.name || null, arguments: JSON.stringify(block.input ?? {}) })
    }
    if (event.message?.stop_reason) given.finish[0] = event.message.stop_reason
  }
  if (type === 'content_block_start') {
    if (String(block?.type).endsWith('tool_use')) tool(given, slots, index, block.name, Object.keys(block.input ?? {}).length ? block.input : '')
    add(given, 'content', 0, block?.text)
    add(given, 'reasoning', 0, block?.thinking)
  }
  if (type === 'content_block_delta') {
    add(given, 'content', 0, delta?.text)
    add(given, 'reasoning', 0, delta?.thinking)
    if (delta?.type === 'input_json_delta') tool(given, slots, index, null, delta.partial_json)
  }
  if (type === 'message_delta' && delta?.stop_reason) given.finish[0] = delta.stop_reason
}

const restart = given => Object.assign(given, { content: {}, reasoning: {}, finish: {}, tools: [] })

// By client and dialect. NAME.stream is the accumulating helper: what counts is the final object, and where
// it rejects, what its events had delivered until then.
const clients = {
  'openai-node': {
    async chat(model, given, signal) {
      const stream = await (await openai()).chat.completions.create(
        { model, messages: ask, stream: true, stream_options: { include_usage: true } }, { signal })
      const slots = {}
      for await (const chunk of stream) chatChunk(given, slots, chunk)
    },
    async responses(model, given, signal) {
      const stream = await (await openai()).responses.create({ model, input: 'hi', stream: true }, { signal })
      const slots = {}
      for await (const event of stream) responsesEvent(given, slots, event)
    },
  },
  'openai-node.stream': {
    async chat(model, given, signal) {
      const stream = (await openai()).chat.completions.stream(
        { model, messages: ask, stream_options: { include_usage: true } }, { signal })
      const slots = {}
      for await (const chunk of stream) chatChunk(given, slots, chunk)
      const final = await stream.finalChatCompletion()
      restart(given)
      for (const choice of final.choices) {
        const index = choice.index ?? 0
        add(given, 'content', index, choice.message?.content)
        for (const call of choice.message?.tool_calls ?? [])
          given.tools.push({ name: call?.function?.name || null, arguments: call?.function?.arguments ?? '' })
        if (choice.finish_reason) given.finish[index] = choice.finish_reason
      }
    },
    async responses(model, given, signal) {
      const stream = (await openai()).responses.stream({ model, input: 'hi' }, { signal })
      const slots = {}
      for await (const event of stream) responsesEvent(given, slots, event)
      const final = await stream.finalResponse()
      restart(given)
      for (const item of final.output) {
        if (item.type === 'message')
          for (const part of item.content) if (part.type === 'output_text') add(given, 'content', 0, part.text)
        if (item.type === 'reasoning')
          for (const part of [...(item.summary ?? []), ...(item.content ?? [])]) add(given, 'reasoning', 0, part.text)
        if (String(item.type).endsWith('_call'))
          given.tools.push({ name: item.name || item.type, arguments: item.arguments || item.input || '' })
      }
      if (final.status) given.finish[0] = final.status
    },
  },
  'anthropic-typescript': {
    async anthropic(model, given, signal) {
      const stream = await (await anthropic()).messages.create({ model, messages: ask, max_tokens: 100, stream: true }, { signal })
      const slots = {}
      for await (const event of stream) messagesEvent(given, slots, event)
    },
  },
  'anthropic-typescript.stream': {
    async anthropic(model, given, signal) {
      const stream = (await anthropic()).messages.stream({ model, messages: ask, max_tokens: 100 }, { signal })
      const slots = {}
      for await (const event of stream) messagesEvent(given, slots, event)
      const final = await stream.finalMessage()
      restart(given)
      for (const block of final.content) {
        add(given, 'content', 0, block.text)
        add(given, 'reasoning', 0, block.thinking)
        if (String(block.type).endsWith('tool_use'))
          given.tools.push({ name: block.name || null, arguments: JSON.stringify(block.input ?? {}) })
      }
      if (final.stop_reason) given.finish[0] = final.stop_reason
    },
  },
  'ai': {
    async chat(model, given, signal) {
      const { createOpenAICompatible } = await import('@ai-sdk/openai-compatible')
      return parts(createOpenAICompatible({ name: 'lab', baseURL: base, apiKey: 'x', includeUsage: true })(model), given, signal)
    },
    async responses(model, given, signal) {
      const { createOpenAI } = await import('@ai-sdk/openai')
      return parts(createOpenAI({ baseURL: base, apiKey: 'x' }).responses(model), given, signal)
    },
    async anthropic(model, given, signal) {
      const { createAnthropic } = await import('@ai-sdk/anthropic')
      return parts(createAnthropic({ baseURL: base, apiKey: 'x' })(model), given, signal)
    },
    async gemini(model, given, signal) {
      const { createGoogleGenerativeAI } = await import('@ai-sdk/google')
      return parts(createGoogleGenerativeAI({ baseURL: base, apiKey: 'x' })(model), given, signal, 'code_execution')
    },
  },
}

// What `streamText().fullStream` of Vercel's `ai` has. A part of the answer that it shows as the call of a
// hosted tool is none.
async function parts(model, given, signal, hosted) {
  const { streamText } = await import('ai')
  const stream = streamText({ model, messages: ask, maxRetries: 0, abortSignal: signal, onError() {} })
  for await (const part of stream.fullStream) {
    if (part.type === 'text-delta') { given.chunks += 1; add(given, 'content', 0, part.text) }
    if (part.type === 'reasoning-delta') { given.chunks += 1; add(given, 'reasoning', 0, part.text) }
    if (part.type === 'tool-call' && !(part.providerExecuted && part.toolName === hosted))
      given.tools.push({ name: part.toolName, arguments: JSON.stringify(part.input) })
    if (part.type === 'finish-step') given.finish[0] = part.rawFinishReason ?? part.finishReason
    if (part.type === 'error') {
      given.errors += 1
      given.error ??= of(part.error)
    }
    if (part.type === 'abort') throw new Error('(waits)')
  }
}

const of = error => ({
  class: error?.name === 'Error' || !error?.name ? (error?.constructor?.name ?? typeof error) : error.name,
  message: String(error?.message ?? JSON.stringify(error)).slice(0, 600),
})

process.on('unhandledRejection', () => {}) // a helper rejects the same error twice
globalThis.AI_SDK_LOG_WARNINGS = false
const packages = { openai: 'openai', anthropic: '@anthropic-ai/sdk', ai: 'ai' }
console.log(JSON.stringify({ client: name, version: version(packages[name.split(/[-.]/)[0]]) }))
for (const model of models) {
  const given = { model, content: {}, reasoning: {}, finish: {}, tools: [], chunks: 0, odd: 0, errors: 0, error: null }
  const control = new AbortController()
  let timer
  const late = new Promise((_, no) => { timer = setTimeout(() => { no(new Error('(waits)')); control.abort() }, patience) })
  const folder = model.split('/')[0]
  try { await Promise.race([clients[name][folder === 'lab' ? 'chat' : folder](model, given, control.signal), late]) }
  catch (error) { given.error = error.message === '(waits)' ? { class: '(waits)', message: '' } : of(error) }
  clearTimeout(timer)
  console.log(JSON.stringify(given))
}
process.exit(0)
