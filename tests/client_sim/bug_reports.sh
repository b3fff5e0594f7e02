#!/usr/bin/env bash
# bug_reports.sh : writes assets/docs/bug-reports.md anew: the two bug reports with the real LiteLLM
# 1.81.5 in front of the lab, as a library and as a proxy, beside what sselens says about the same
# bytes. CLIENTS and SSELENS as in run.sh; LiteLLM is installed with its proxy if it isn't there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$here/../../assets/docs/bug-reports.md
program=${SSELENS:-$here/../../target/debug/sselens}
work=$(mktemp -d)
clients=${CLIENTS:-$work/clients}
pids=
trap 'for pid in $pids; do kill "$pid" 2>/dev/null || true; done; rm -rf "$work"' EXIT
python=$clients/litellm-proxy/bin/python
if [ ! -x "$clients/litellm-proxy/bin/litellm" ]; then
    mkdir -p "$clients"
    python3 -m venv "$clients/litellm-proxy" &&
        "$clients/litellm-proxy/bin/pip" install -q 'litellm[proxy]==1.81.5' ||
        { echo "skipped: LiteLLM can't be installed" >&2; exit 0; }
fi
for name in MODEL_COST_MAP ANTHROPIC_BETA_HEADERS BLOG_POSTS POLICY_TEMPLATES; do
    export "LITELLM_LOCAL_$name=True"
done
export NO_PROXY='*' LITELLM_TELEMETRY=False HF_HUB_OFFLINE=1 NO_DOCS=True LITELLM_DONT_SHOW_FEEDBACK_BOX=true

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
lab_port=$(port)
proxy_port=$(port)
lab=http://127.0.0.1:$lab_port/v1
"$program" lab --listen "127.0.0.1:$lab_port" --pace 0 --seed 1 >"$work/lab" 2>&1 &
pids="$pids $!"
start_proxy() { # PORT UPSTREAM
    local ready=
    cat >"$work/proxy-$1.yaml" <<Y
model_list:
  - model_name: "lab/*"
    litellm_params: { model: "openai/lab/*", api_base: "$2", api_key: "x" }
litellm_settings: { drop_params: true, telemetry: false, num_retries: 0 }
router_settings: { num_retries: 0 }
Y
    (cd "$work" && exec env -u DATABASE_URL -u LITELLM_MASTER_KEY "$clients/litellm-proxy/bin/litellm" \
        --config "proxy-$1.yaml" --host 127.0.0.1 --port "$1" --num_workers 1) >"$work/proxy.log" 2>&1 &
    pids="$pids $!"
    for _ in $(seq 300); do
        [ "$(curl -s -m 2 -o /dev/null -w '%{http_code}' --noproxy '*' "http://127.0.0.1:$1/health/liveliness")" = 200 ] && ready=1 && break
        sleep 0.3
    done
    [ -n "$ready" ] || { echo "the proxy does not start:" >&2; tail -n 20 "$work/proxy.log" >&2; exit 1; }
}
start_proxy "$proxy_port" "$lab"

# The same proxy once more, with a tap on both sides: the tap has its addresses before the proxy starts.
around_port=$(port)
tap_port=$(port)
"$program" tap --around "http://127.0.0.1:$around_port" --to "http://127.0.0.1:$lab_port" --listen "127.0.0.1:$tap_port" \
    --no-autosave >"$work/tap.out" 2>"$work/tap.err" </dev/null &
tap=$!
pids="$pids $tap"
for _ in $(seq 100); do
    grep -q 'for the gateway' "$work/tap.err" && break
    sleep 0.1
done
behind=$(sed -n 's/.*for the gateway on \(http:[^ ]*\).*/\1/p' "$work/tap.err")
start_proxy "$around_port" "$behind/v1"

cat >"$work/call.py" <<'P'
import asyncio, json, sys
import litellm
litellm.suppress_debug_info, litellm.drop_params = True, True
model, base, extra = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])

async def main():
    ask = [{"role": "user", "content": "hi"}]
    stream = await litellm.acompletion(model="openai/" + model, api_base=base, api_key="x", stream=True, messages=ask, max_retries=0, **extra)
    print("acompletion returned", type(stream).__name__)
    content = reasoning = ""
    async for chunk in stream:
        for choice in chunk.choices:
            content += choice.delta.content or ""
            reasoning += getattr(choice.delta, "reasoning_content", None) or ""
    print(f"content    {content!r}\nreasoning  {reasoning!r}")

try:
    asyncio.run(main())
except Exception as error:
    print(f"{type(error).__name__}: {error}")
P

# Ports and ids differ from run to run; the document does not.
# What is long is cut.
steady() {
    sed -E "s/127\.0\.0\.1:[0-9]+/127.0.0.1:PORT/g; s/chatcmpl-[0-9a-f-]+/chatcmpl-…/g; s/[ \t]+$//; s#/[^ \"]*/site-packages#…/site-packages#g" |
        python3 -c '
import sys
for line in sys.stdin:
    line = line.rstrip("\n")
    print(line if len(line) <= 320 else line[:180] + " … " + line[-100:])'
}
block() { printf '```text\n$ %s\n' "$1"; shift; "$@" 2>&1 | steady || true; printf '```\n\n'; }
show() { # FILE LENS
    "$program" show -q "$1" -o json --lens "$2" | python3 -c '
import json, sys
o = json.load(sys.stdin)
lens = o["lens"]
reason = o["reason"]
print(o["verdict"])
print()
for f in o["findings"]:
    if f["severity"] != "info":
        print("%-6s %s: %s" % (f["severity"], f["code"], f["message"]))
if lens["speaks"]:
    print("\nas %s sees it" % lens["client"])
    if lens["error"]: print("  %s: %s" % (lens["error"]["class"], lens["error"]["message"].split("\n")[0]))
    for name in ("content", "reasoning"): print("  %-10s %r" % (name, "".join(lens[name].values())))
    for r in lens["remarks"]: print("  - " + r["text"])'
}
post() { # URL BODY
    curl -s -m 20 --noproxy '*' -w '\nHTTP %{http_code}\n' "$1/chat/completions" -H 'content-type: application/json' -d "$2"
}
scenario() { # TITLE MODEL EXTRA
    local title=$1 model=$2 extra=$3 name body
    name=${model#lab/}
    body=$(python3 -c 'import json, sys; print(json.dumps({"model": sys.argv[1], "messages": [{"role": "user", "content": "hi"}], "stream": True, **json.loads(sys.argv[2])}))' "$model" "$extra")
    printf '%s\n' "$body" >"$work/body.json"
    echo "## $title"
    echo
    echo "Scenario \`$model\`, asked with \`$body\`."
    echo
    echo "**The library**, LiteLLM 1.81.5, \`litellm.drop_params = True\`:"
    echo
    block "python call.py $model" "$python" -W ignore "$work/call.py" "$model" "$lab" "$extra"
    echo "**The proxy**, LiteLLM 1.81.5, \`drop_params: true\`:"
    echo
    printf '```text\n$ curl http://127.0.0.1:PORT/v1/chat/completions …\n'
    post "http://127.0.0.1:$proxy_port/v1" "$body" | steady | if [ "$name" = reasoning-delta ]; then
        python3 -c '
import json, sys
content = reasoning = ""
for line in sys.stdin:
    if line.startswith("data: {"):
        for c in json.loads(line[6:])["choices"]:
            content += c["delta"].get("content") or ""
            reasoning += (c["delta"].get("reasoning") or c["delta"].get("reasoning_content") or "")
    elif line.startswith("HTTP"): status = line.strip()
print("content    %r\nreasoning  %r\n%s" % (content, reasoning, status))'
    else cat; fi
    printf '```\n\n'
    echo "**sselens**, the same bytes from the provider:"
    echo
    "$program" send -q -p lab --url "$lab/chat/completions" -b "$work/body.json" --save "$work/$name.jsonl" -o json >/dev/null 2>&1 || true
    verdict=$("$program" show -q "$work/$name.jsonl" -o json | python3 -c 'import json, sys; print(json.load(sys.stdin)["verdict"])' || true)
    library=$("$python" -W ignore "$work/call.py" "$model" "$lab" "$extra" 2>&1 | tail -n 1)
    status=$(post "http://127.0.0.1:$proxy_port/v1" "$body" | tail -n 1)
    printf '| `%s` | `%s` | %s | %s |\n' "$model" "$library" "$status" "$verdict" >>"$work/rows"
    block "sselens show provider.jsonl --lens litellm-1.81.5+drop_params" show "$work/$name.jsonl" litellm-1.81.5+drop_params
    echo "**sselens**, in front of the proxy:"
    echo
    "$program" send -q -p lab --url "http://127.0.0.1:$proxy_port/v1/chat/completions" -b "$work/body.json" --save "$work/$name-proxy.jsonl" -o json >/dev/null 2>&1 || true
    block "sselens show proxy.jsonl --lens openai-python" show "$work/$name-proxy.jsonl" openai-python
}
mkdir -p "$(dirname "$out")"
{
    scenario "A 422 for \`tool_choice: \"auto\"\`" lab/http-422-tool-choice '{"tool_choice": "auto", "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]}'
    scenario "A 422 with a message only" lab/http-422 '{}'
    scenario "Reasoning in \`delta.reasoning\`" lab/reasoning-delta '{}'
} >"$work/details"
around() {
    local body='{"model": "lab/http-422-tool-choice", "messages": [{"role": "user", "content": "hi"}], "stream": true, "tool_choice": "auto", "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]}'
    post "http://127.0.0.1:$tap_port/v1" "$body" >/dev/null
    sleep 2
    kill -INT "$tap"
    wait "$tap" || true
    echo "## Both sides of the proxy at once"
    echo
    echo "The first call once more, through \`sselens tap\` before and behind the proxy: what the client was told, and what"
    echo "the proxy and the provider had said to each other for it."
    echo
    grep '#' "$work/tap.err" | grep -v liveliness | sed 's/^sselens: //' >"$work/calls"
    block "sselens tap --around http://127.0.0.1:PORT --to http://127.0.0.1:PORT" cat "$work/calls"
}
around >>"$work/details"
{
    echo "# The two bug reports, with the real LiteLLM 1.81.5"
    echo
    echo "Made by \`tests/client_sim/bug_reports.sh\`: what a caller sees with LiteLLM in front of the lab, and what"
    echo "sselens says about the same bytes. BerriAI/litellm#27670 is the \`TypeError\` about \`async for\`, the"
    echo "report in b3nw/LLM-API-Key-Proxy the \`AttributeError\` about \`__aiter__\`; both are an HTTP 422 that"
    echo "LiteLLM swallows while \`drop_params\` is on. A \`reasoning\` key in the delta makes nothing \`None\`: it"
    echo "is dropped, without a word."
    echo
    echo "| scenario | the library's caller | the proxy's caller | sselens |"
    echo "|---|---|---|---|"
    cat "$work/rows"
    echo
    cat "$work/details"
} >"$work/bug-reports.md"
python3 -c 'import sys; print(open(sys.argv[1]).read().rstrip())' "$work/bug-reports.md" >"$out"
