#!/usr/bin/env bash
# run.sh [AGENT...] : has coding agents complete a turn with a tool call against the lab (all of them, or
# those named: claude codex gemini opencode), and prints a line for each.
#
#   SSELENS     the program (target/debug/sselens)
#   AGENTS      a folder for the agents, kept from run to run (else one that is removed again)
#   NEWEST=1    the newest version of each agent instead of the one below
#
# Each agent gets a home, a project and an API key of its own, and talks through a tap, whose recording
# shows what happened: an answer with a tool call, and after the tool's result one in text. The agents are
# installed with npm; one that cannot be is a failure, and so is one that does not complete its turn.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
program=$(realpath "${SSELENS:-$here/../../target/debug/sselens}")
work=$(mktemp -d)
agents=${AGENTS:-$work/agents}
pids=
trap 'for pid in $pids; do kill "$pid" 2>/dev/null || true; done; rm -rf "$work"' EXIT
mkdir -p "$agents" "$work"
agents=$(realpath "$agents")
model=lab/tool-calls
prompt='List the files here'

package() { # AGENT : what npm installs
    case $1 in
    claude) echo @anthropic-ai/claude-code@2.1.197 ;;
    codex) echo @openai/codex@0.171.0 ;;
    gemini) echo @google/gemini-cli@0.61.0 ;;
    opencode) echo opencode-ai@1.18.33 ;;
    *) echo "no such agent: $1" >&2; return 1 ;;
    esac
}

install() { # AGENT
    local spec
    spec=$(package "$1")
    [ -z "${NEWEST:-}" ] || spec=${spec%@*}
    [ -x "$agents/$1/node_modules/.bin/$1" ] && return 0
    mkdir -p "$agents/$1"
    (cd "$agents/$1" && npm init -y && npm install --no-fund --no-audit "$spec") >"$work/npm.log" 2>&1 ||
        { echo "$1: cannot be installed: $(tail -n 1 "$work/npm.log")"; return 1; }
}

address() { # FILE : the address in what a server says when it is ready
    local _
    for _ in $(seq 100); do
        grep -o 'http://127[^ ]*' "$1" 2>/dev/null | head -n 1 | grep . && return 0
        sleep 0.1
    done
    echo "no server: $(cat "$1")" >&2
    return 1
}

ask() { # AGENT BASE : starts it in its project, and gives it nothing to read
    local bin=$agents/$1/node_modules/.bin/$1 base=$2
    case $1 in
    claude)
        ANTHROPIC_BASE_URL=$base ANTHROPIC_API_KEY=lab ANTHROPIC_MODEL=$model \
            CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 DISABLE_AUTOUPDATER=1 "$bin" -p "$prompt"
        ;;
    codex)
        mkdir -p "$HOME/.codex"
        printf '%s\n' "model = \"$model\"" 'model_provider = "lab"' '[model_providers.lab]' 'name = "lab"' \
            "base_url = \"$base/v1\"" 'env_key = "LAB_KEY"' 'wire_api = "responses"' >"$HOME/.codex/config.toml"
        CODEX_HOME=$HOME/.codex LAB_KEY=lab "$bin" exec --skip-git-repo-check --sandbox read-only "$prompt"
        ;;
    gemini)
        mkdir -p "$HOME/.gemini"
        echo '{"security":{"auth":{"selectedType":"gemini-api-key"}},"privacy":{"usageStatisticsEnabled":false}}' \
            >"$HOME/.gemini/settings.json"
        GEMINI_API_KEY=lab GEMINI_CLI_TRUST_WORKSPACE=true GOOGLE_GEMINI_BASE_URL=$base \
            "$bin" -m "$model" --yolo -p "$prompt"
        ;;
    opencode)
        cat >opencode.json <<END
{"autoupdate": false, "share": "disabled", "model": "lab/$model", "small_model": "lab/lab/hello",
 "provider": {"lab": {"npm": "@ai-sdk/openai-compatible", "name": "lab",
  "options": {"baseURL": "$base/v1", "apiKey": "lab"},
  "models": {"$model": {"name": "tools"}, "lab/hello": {"name": "hello"}}}}}
END
        XDG_CONFIG_HOME=$HOME/c XDG_DATA_HOME=$HOME/d XDG_CACHE_HOME=$HOME/cache "$bin" run "$prompt"
        ;;
    esac
}

turn() { # AGENT : whether it completes a turn
    local session=$work/$1.jsonl tap base
    "$program" tap --listen 127.0.0.1:0 --to "$lab" --save "$session" >"$work/tap-$1" 2>&1 &
    tap=$!
    pids="$pids $tap"
    base=$(address "$work/tap-$1")
    mkdir -p "$work/home-$1" "$work/project-$1"
    echo hello >"$work/project-$1/notes.txt"
    (cd "$work/project-$1" && HOME=$work/home-$1 && export HOME &&
        export -f ask && export agents model prompt &&
        timeout 120 bash -c "ask $1 $base" </dev/null >"$work/$1.log" 2>&1) || true
    kill "$tap"
    wait "$tap" 2>/dev/null || true
    "$program" show "$session" -o json 2>/dev/null | python3 "$here/turn.py" "$1" || { tail -n 5 "$work/$1.log"; return 1; }
}

"$program" lab --listen 127.0.0.1:0 --pace 0.1 --seed 1 >"$work/lab" 2>&1 &
pids="$pids $!"
lab=$(address "$work/lab")
lab=${lab%/v1}
failed=0
[ $# -gt 0 ] || set -- claude codex gemini opencode
for agent; do
    install "$agent" && turn "$agent" || failed=1
done
exit $failed
