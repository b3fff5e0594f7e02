// client.mjs CLIENT BASE MODEL... : what openai-node or Vercel's `ai` gave to its caller for a
// stream of each MODEL, one JSON object a line, as client.py does it for the Python clients. It is
// copied to and run where the packages are installed.
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

const clients = {
  async 'openai-node'(model, given, signal) {
    const { default: OpenAI } = await import('openai')
    const client = new OpenAI({ baseURL: base, apiKey: 'x', maxRetries: 0 })
    const stream = await client.chat.completions.create(
      { model, messages: ask, stream: true, stream_options: { include_usage: true } }, { signal })
    const slots = {}
    for await (const chunk of stream) {
      given.chunks += 1
      for (const choice of Array.isArray(chunk?.choices) ? chunk.choices : []) {
        const index = choice?.index ?? 0
        add(given, 'content', index, choice?.delta?.content)
        for (const piece of choice?.delta?.tool_calls ?? [])
          tool(given, slots, `${index} ${piece?.index}`, piece?.function?.name, piece?.function?.arguments)
        if (choice?.finish_reason) given.finish[index] = choice.finish_reason
      }
    }
  },
  async 'ai'(model, given, signal) {
    const { streamText } = await import('ai')
    const { createOpenAICompatible } = await import('@ai-sdk/openai-compatible')
    const provider = createOpenAICompatible({ name: 'lab', baseURL: base, apiKey: 'x', includeUsage: true })
    const stream = streamText({ model: provider(model), messages: ask, maxRetries: 0, abortSignal: signal, onError() {} })
    for await (const part of stream.fullStream) {
      if (part.type === 'text-delta') { given.chunks += 1; add(given, 'content', 0, part.text) }
      if (part.type === 'reasoning-delta') { given.chunks += 1; add(given, 'reasoning', 0, part.text) }
      if (part.type === 'tool-call')
        given.tools.push({ name: part.toolName, arguments: JSON.stringify(part.input) })
      if (part.type === 'finish-step') given.finish[0] = part.rawFinishReason ?? part.finishReason
      if (part.type === 'error') {
        given.errors += 1
        given.error ??= of(part.error)
      }
      if (part.type === 'abort') throw new Error('(waits)')
    }
  },
}

const of = error => ({
  class: error?.name === 'Error' || !error?.name ? (error?.constructor?.name ?? typeof error) : error.name,
  message: String(error?.message ?? JSON.stringify(error)).slice(0, 600),
})

console.log(JSON.stringify({ client: name, version: version(name === 'ai' ? 'ai' : 'openai') }))
for (const model of models) {
  const given = { model, content: {}, reasoning: {}, finish: {}, tools: [], chunks: 0, odd: 0, errors: 0, error: null }
  const control = new AbortController()
  let timer
  const late = new Promise((_, no) => { timer = setTimeout(() => { no(new Error('(waits)')); control.abort() }, patience) })
  try { await Promise.race([clients[name](model, given, control.signal), late]) }
  catch (error) { given.error = error.message === '(waits)' ? { class: '(waits)', message: '' } : of(error) }
  clearTimeout(timer)
  console.log(JSON.stringify(given))
}
process.exit(0)
