"""LiteLLM proxies in front of the lab, for the scripts beside this file.

They are installed by pip into virtual environments of their own (a folder that is kept, so that the
second run is quick), listen on 127.0.0.1 only and are ended by the process ids that started here.
"""

import contextlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ["1.81.5", "newest"]

# Nothing is asked of the network, and the newest starts without a master key: it is on loopback only.
QUIET = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOCAL_POLICY_TEMPLATES": "True",
    "LITELLM_LOCAL_AUTOROUTER_PRESETS": "True",
    "LITELLM_TELEMETRY": "False",
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_DONT_SHOW_FEEDBACK_BOX": "true",
    "LITELLM_LOG": "WARNING",
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
    "NO_DOCS": "True",
    "NO_PROXY": "*",
    "DO_NOT_TRACK": "1",
}
DROPPED = ["DATABASE_URL", "LITELLM_MASTER_KEY"] + [
    name for scheme in ("HTTP", "HTTPS", "ALL") for name in (f"{scheme}_PROXY", f"{scheme}_proxy".lower())
]


def arguments(parser):
    """What every script here takes."""
    parser.add_argument("--sselens", default=ROOT / "target/debug/sselens", type=Path, help="the program")
    parser.add_argument(
        "--venvs",
        default=Path(tempfile.gettempdir()) / "sselens-litellm",
        type=Path,
        help="where the proxies are or get installed, one folder (or link) per version: 1.81.5, newest",
    )


# What was started is ended then too.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def nameless(text):
    """A text without the folders of this machine, which a proxy's traceback names."""
    return re.sub(r'[^\s"]*/site-packages/', "site-packages/", text)


def free_port():
    """One that no connection is given by chance before it is listened on."""
    while True:
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", random.randrange(20000, 30000)))
            return s.getsockname()[1]


@contextlib.contextmanager
def running(command, ready, **options):
    """A process that is there once `ready` answers 200, and gone at the end."""
    log = tempfile.TemporaryFile()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options)
    try:
        for _ in range(6000):
            if process.poll() is not None:
                log.seek(0)
                raise RuntimeError(f"{command[0]} ended: {log.read()[-2000:].decode(errors='replace')}")
            with contextlib.suppress(OSError):
                opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
                if opener.open(ready, timeout=2).status == 200:
                    break
            time.sleep(0.02 if "lab" in command else 0.2)
        else:
            raise RuntimeError(f"{command[0]} does not get ready")
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()


@contextlib.contextmanager
def lab(program, port=None, seed="1", pace=0.05):
    """The lab; gives its address, without `/v1`."""
    port = port or free_port()
    command = [program, "lab", "--listen", f"127.0.0.1:{port}", "--pace", str(pace), "--seed", seed]
    with running(command, f"http://127.0.0.1:{port}/"):
        yield f"http://127.0.0.1:{port}"


def install(version, venvs):
    """The `litellm` command of a version, installed if need be; `None`, said why, if it can't be."""
    home = venvs / version
    command = home / "bin/litellm"
    if not command.exists():
        package = "litellm[proxy]" + ("" if version == "newest" else f"=={version}")
        print(f"installing {package} into {home}", file=sys.stderr)
        try:
            subprocess.run([sys.executable, "-m", "venv", home], check=True)
            subprocess.run([home / "bin/pip", "install", "--quiet", package], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"skipped LiteLLM {version}: {error}", file=sys.stderr)
            return None
    return command


def installed(command):
    """The version that really is there."""
    code = "import importlib.metadata as m; print(m.version('litellm'))"
    done = subprocess.run([command.parent / "python", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def chat(upstream):
    """The proxy's models: all that the lab plays in Chat."""
    return [{"model_name": "lab/*", "litellm_params": {"model": "openai/lab/*"} | v1(upstream)}]


def dialects(upstream, known):
    """The proxy's models: the first part of a name tells in which dialect the lab is asked. What LiteLLM does not know
    by its name it holds for unable to stream Responses; the `known` are announced to it.
    """
    here, aws = {"api_key": "x"}, {"aws_access_key_id": "x", "aws_secret_access_key": "x", "aws_region_name": "x"}
    rows = {
        "anthropic/*": {"model": "anthropic/lab/*", "api_base": upstream} | here,
        "gemini/*": {"model": "gemini/lab/*", "api_base": f"{upstream}/v1beta"} | here,
        "ollama/*": {"model": "ollama_chat/lab/*", "api_base": upstream} | here,
        "bedrock/*": {"model": "bedrock/converse/lab/*", "aws_bedrock_runtime_endpoint": upstream} | aws,
        "unknown/*": {"model": "openai/lab/*"} | v1(upstream),
    }
    rows |= {f"responses/{name}": {"model": f"openai/lab/{name}"} | v1(upstream) for name in known}
    info = {"model_info": {"supports_native_streaming": True, "mode": "responses"}}
    return [{"model_name": name, "litellm_params": row} | (info if name.startswith("responses/") else {})
            for name, row in rows.items()]


def v1(upstream):
    return {"api_base": f"{upstream}/v1", "api_key": "x"}


@contextlib.contextmanager
def litellm(command, upstream, models, drop=False, retries=0, port=None, fallbacks=()):
    """A proxy with these models, in front of the lab at `upstream`; gives its address, without `/v1`."""
    port = port or free_port()
    config = {
        "model_list": models,
        "litellm_settings": {"drop_params": drop, "telemetry": False, "num_retries": retries},
        "router_settings": {"num_retries": retries} | ({"fallbacks": fallbacks} if fallbacks else {}),
        "general_settings": {"disable_spend_logs": True},
    }
    environment = {k: v for k, v in os.environ.items() if k not in DROPPED} | QUIET
    # What it hands through unread goes to the lab, too.
    environment |= {"GEMINI_API_BASE": upstream, "GEMINI_API_KEY": "x"}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.yaml"
        file.write_text(json.dumps(config))  # JSON is YAML
        line = [command, "--config", file, "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
        ready = f"http://127.0.0.1:{port}/health/liveliness"
        with running(line, ready, env=environment, cwd=folder):
            yield f"http://127.0.0.1:{port}"
