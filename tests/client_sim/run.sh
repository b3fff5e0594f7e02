#!/usr/bin/env bash
# run.sh OUT [CLIENT...] : asks the lab for every scenario with the real clients (all of them, or
# those named), and writes what they gave their callers to OUT, in the form of expected.json.
#
#   SSELENS     the program (target/debug/sselens)
#   CLIENTS     a folder for the clients, kept from run to run (else one that is removed again)
#   NEWEST=1    the newest version of each client instead of the one in the lens's table
#   EARLIER     a recording: what the same versions gave then stays beside what they give now, for some
#               do now this, now that
#   BODIES      a folder with other bodies (chat/, responses/, anthropic/ …) to ask for instead
#   REPLAYED=1  each client first asks through `tap`, and then `replay`, which has only what the tap recorded: what it
#               gives then is what is written
#   PATIENCE    seconds without anything until a stream counts as one that hangs (4)
#
# The clients are installed with pip and npm; one that can't be is left out, and that is said.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?where to}
shift
program=${SSELENS:-$here/../../target/debug/sselens}
work=$(mktemp -d)
clients=${CLIENTS:-$work/clients}
pids=
trap 'for pid in $pids; do kill "$pid" 2>/dev/null || true; done; rm -rf "$work"' EXIT
mkdir -p "$clients" "$work/given"

# install NAME PACKAGE==VERSION... : a virtual environment of that name with these packages
install() {
    local name=$1 spec
    shift
    [ -x "$clients/$name/bin/python" ] && return 0
    for spec in "$@"; do
        [ -z "${NEWEST:-}" ] || [ "$name" = litellm-1.81.5 ] || spec=${spec%%==*}
        set -- "$@" "$spec"
        shift
    done
    { python3 -m venv "$clients/$name" && "$clients/$name/bin/pip" install -q "$@"; } >"$work/pip.log" 2>&1 ||
        { echo "skipped: $name can't be installed: $(tail -n 1 "$work/pip.log")" >&2; rm -rf "${clients:?}/$name"; return 1; }
}

install_node() {
    command -v node >/dev/null && command -v npm >/dev/null ||
        { echo "skipped: there is no node" >&2; return 1; }
    [ -d "$clients/node/node_modules/ai" ] && return 0
    mkdir -p "$clients/node"
    set -- openai@6.49.0 @anthropic-ai/sdk@1.14.0 ai@6.0.326 @ai-sdk/openai@3.0.141 @ai-sdk/anthropic@3.0.140 \
        @ai-sdk/google@3.0.141 @ai-sdk/openai-compatible@2.0.92
    [ -z "${NEWEST:-}" ] || set -- openai @anthropic-ai/sdk ai @ai-sdk/openai @ai-sdk/anthropic @ai-sdk/google @ai-sdk/openai-compatible
    (cd "$clients/node" && npm init -y && npm install --no-fund --no-audit "$@") >"$work/npm.log" 2>&1 ||
        { echo "skipped: the node clients can't be installed: $(tail -n 1 "$work/npm.log")" >&2; rm -rf "$clients/node"; return 1; }
}

# address FILE : the address in what a server says when it is ready
address() {
    local _
    for _ in $(seq 100); do
        grep -o 'http://127[^ ]*' "$1" 2>/dev/null && return 0
        sleep 0.1
    done
    echo "no server: $(cat "$1")" >&2
    return 1
}

"$program" lab --listen 127.0.0.1:0 --pace 0.005 --seed 1 >"$work/lab" 2>&1 &
pids="$pids $!"
bodies=${BODIES:-$here}
python3 "$here/serve.py" "$bodies" >"$work/serve" 2>&1 &
pids="$pids $!"
lab=$(address "$work/lab")
served=$(address "$work/serve")
models=$("$program" lab --list --json | python3 -c 'import json, sys; print(*(json.loads(l)["model"] for l in sys.stdin))')
bodies() { # FOLDER... : the names of the bodies in them
    (cd "$bodies" && for folder; do for f in "$folder"/*.*; do [ ! -e "$f" ] || printf '%s ' "${f%.*}"; done; done)
    [ -n "${BODIES:-}" ] || python3 - "$here/answers.json" "$@" <<'END'
import json, sys
print(*(name for name in json.load(open(sys.argv[1])) if name.split("/")[0] in sys.argv[2:]), end=" ")
END
}

only=$*
wanted() { # NAME...: whether one of these is asked for
    [ -n "$only" ] || return 0
    local name
    for name; do case " $only " in *" $name "*) return 0 ;; esac; done
    return 1
}
ask() { # NAME BASE MODELS COMMAND... : what the client gave for these models, after what it gave before
    local name=$1 base=$2 models=$3
    shift 3
    [ -z "${REPLAYED:-}" ] || { replayed "$@"; return; }
    # shellcheck disable=SC2086
    "$@" "$base" $models >>"$work/given/$name.jsonl" 2>"$work/$name.log" || tail -n 3 "$work/$name.log" >&2
}
replayed() { # COMMAND... : the same as `ask`, whose names it sees, of what is replayed
    local tap replay at
    "$program" tap --listen 127.0.0.1:0 --to "$base" --save "$work/$name.session" --no-autosave >"$work/tap" 2>&1 </dev/null &
    tap=$!
    pids="$pids $tap"
    at=$(address "$work/tap" | head -n 1)
    # shellcheck disable=SC2086
    "$@" "$at" $models >>"$work/$name.through-tap" 2>"$work/$name.log" || tail -n 3 "$work/$name.log" >&2
    kill -INT "$tap"
    wait "$tap" || true
    "$program" replay "$work/$name.session" --listen 127.0.0.1:0 --match path >"$work/replay" 2>&1 </dev/null &
    replay=$!
    pids="$pids $replay"
    at=$(address "$work/replay" | head -n 1)
    # shellcheck disable=SC2086
    "$@" "$at" $models >>"$work/given/$name.jsonl" 2>"$work/$name.log" || tail -n 3 "$work/$name.log" >&2
    kill -INT "$replay"
    wait "$replay" || true
    rm -f "$work/$name.session"
}
client() { # NAME FOLDERS COMMAND... : asks for the bodies of these folders, and for the lab's scenarios if it speaks Chat
    local name=$1 folders=$2
    shift 2
    wanted "$name" || return 0
    echo "$name …" >&2
    case "${BODIES:+none} $folders " in none*) ;; *" chat "*) ask "$name" "$lab" "$models" "$@" "$name" ;; esac
    # shellcheck disable=SC2086
    ask "$name" "$served" "$(bodies $folders)" "$@" "$name"
}
python() { # ENVIRONMENT NAME FOLDERS
    client "$2" "$3" "$clients/$1/bin/python" "$here/client.py"
}
node_client() { # NAME FOLDERS
    cp "$here/client.mjs" "$clients/node/"
    client "$1" "$2" node "$clients/node/client.mjs"
}
sdks="openai-python openai-python.stream anthropic-python anthropic-python.stream"
# shellcheck disable=SC2086
if wanted $sdks && install sdks openai==3.57.0 anthropic==2.14.0; then
    python sdks openai-python "chat responses"
    python sdks openai-python.stream "chat responses"
    python sdks anthropic-python anthropic
    python sdks anthropic-python.stream anthropic
fi
if wanted google-genai google-genai.chat && install google google-genai==3.6.1; then
    python google google-genai gemini
    python google google-genai.chat gemini
fi
if wanted botocore && install boto3 boto3==1.44.8; then
    python boto3 botocore bedrock
fi
if wanted cohere && install cohere cohere==7.3.1; then
    python cohere cohere cohere
fi
if wanted mistralai && install mistralai mistralai==3.7.0; then
    python mistralai mistralai mistral
fi
if wanted langchain-openai && install langchain langchain-openai==1.7.3; then
    python langchain langchain-openai chat
fi
for version in 1.81.5 1.106.2; do
    name=litellm
    [ $version = 1.81.5 ] && name=litellm-1.81.5
    folders=chat
    # What the newest one makes of Responses needs `mcp`; the old one fetches a tokenizer there.
    [ $version = 1.81.5 ] || folders="chat responses anthropic"
    wanted $name $name+drop_params && install $name litellm==$version mcp || continue
    python $name $name "$folders"
    python $name $name+drop_params chat
done
nodes="openai-node openai-node.stream anthropic-typescript anthropic-typescript.stream ai"
# shellcheck disable=SC2086
if wanted $nodes && install_node; then
    node_client openai-node "chat responses"
    node_client openai-node.stream "chat responses"
    node_client anthropic-typescript anthropic
    node_client anthropic-typescript.stream anthropic
    node_client ai "chat responses anthropic gemini"
fi
if wanted codex && command -v npm >/dev/null; then
    codex=$clients/codex/node_modules/.bin/codex
    if [ ! -x "$codex" ]; then
        mkdir -p "$clients/codex"
        spec=@openai/codex@0.171.0
        [ -z "${NEWEST:-}" ] || spec=@openai/codex
        (cd "$clients/codex" && npm init -y && npm install --no-fund --no-audit "$spec") >"$work/npm.log" 2>&1 ||
            echo "skipped: codex can't be installed: $(tail -n 1 "$work/npm.log")" >&2
    fi
    if [ -x "$codex" ]; then
        echo "codex …" >&2
        # shellcheck disable=SC2046
        python3 "$here/codex.py" "$codex" "$bodies" $(cd "$bodies" && for f in responses/*.sse; do echo "${f%.*}"; done) >>"$work/given/codex.jsonl" 2>"$work/codex.log" ||
            tail -n 3 "$work/codex.log" >&2
    fi
fi
python3 "$here/collect.py" "$work/given" ${EARLIER:+"$EARLIER"} >"$work/recording"
cp "$work/recording" "$out"
