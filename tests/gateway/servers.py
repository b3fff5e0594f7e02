"""Ordinary reverse proxies in front of the lab: nginx, HAProxy, Caddy, Apache, Envoy.

Each listens on 127.0.0.1 only, with the configuration that is written here into a folder of its own, and is ended by
the process id that started here. They come from the system's packages (`apt-get install nginx-light haproxy caddy
apache2`); Envoy from pip, where there is a build of it for this machine.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import proxy

SSE = "text/event-stream"


def nginx(extra="", upstream_http="1.1"):
    """nginx with these lines in its location; it speaks HTTP/1.0 upstream unless told otherwise, as by default."""
    def configure(port, upstream, folder):
        # In the foreground it logs to the standard error.
        text = f"""
daemon off; pid {folder}/pid; error_log stderr warn; worker_processes 1;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass {upstream}; proxy_http_version {upstream_http}; {extra} }}
  }}
}}
"""
        return ["nginx", "-p", str(folder), "-c", write(folder, "nginx.conf", text)]
    return configure


def haproxy(extra="", server="60s"):
    """HAProxy; `server` is how long a provider may be silent."""
    def configure(port, upstream, folder):
        text = f"""
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server {server}
  {extra}
listen lab
  bind 127.0.0.1:{port}
  server lab {upstream.removeprefix("http://")}
"""
        return ["haproxy", "-db", "-f", write(folder, "haproxy.cfg", text)]
    return configure


def caddy(extra=""):
    """Caddy with these lines in its site."""
    def configure(port, upstream, folder):
        text = f"""
{{
  admin off
  auto_https off
  log {{
    level ERROR
  }}
}}
http://127.0.0.1:{port} {{
  {extra}
  reverse_proxy {upstream}
}}
"""
        return ["caddy", "run", "--adapter", "caddyfile", "--config", write(folder, "Caddyfile", text)]
    return configure


def apache(modules=(), extra=""):
    """Apache with mod_proxy, more modules and these lines."""
    def configure(port, upstream, folder):
        home = "/usr/lib/apache2/modules"
        names = ["mpm_event", "authz_core", "proxy", "proxy_http", *modules]
        loads = "\n".join(f"LoadModule {name}_module {home}/mod_{name}.so" for name in names)
        text = f"""
{loads}
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile {folder}/pid
ErrorLog /dev/stderr
LogLevel warn
ProxyPass / {upstream}/ retry=0
{extra}
"""
        return ["apache2", "-d", str(folder), "-D", "FOREGROUND", "-f", write(folder, "apache.conf", text)]
    return configure


def envoy(route=None):
    """Envoy; `route` is how long a whole answer may take (15 s if nothing is said)."""
    def configure(port, upstream, folder):
        host, _, at = upstream.removeprefix("http://").partition(":")
        address = lambda number: {"socket_address": {"address": "127.0.0.1", "port_value": int(number)}}
        to = {"cluster": "lab"} | ({"timeout": route} if route else {})
        manager = {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3"
                     ".HttpConnectionManager",
            "stat_prefix": "lab",
            "route_config": {"virtual_hosts": [
                {"name": "lab", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": to}]},
            ]},
            "http_filters": [{"name": "router", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
        }
        chain = {"filters": [{"name": "http", "typed_config": manager}]}
        end = {"endpoint": {"address": address(at)}}
        cluster = {
            "name": "lab", "connect_timeout": "5s", "type": "STATIC",
            "load_assignment": {"cluster_name": "lab", "endpoints": [{"lb_endpoints": [end]}]},
        }
        config = {"static_resources": {
            "listeners": [{"name": "lab", "address": address(port), "filter_chains": [chain]}],
            "clusters": [cluster],
        }}
        file = write(folder, "envoy.json", json.dumps(config))
        return [ENVOY, "-c", file, "--use-dynamic-base-id", "--concurrency", "1", "-l", "error"]
    return configure


def write(folder, name, text):
    """A file's path, once it holds the text."""
    file = folder / name
    file.write_text(text)
    return str(file)


ENVOY = "envoy"
GZIP = f"gzip on; gzip_types {SSE}; gzip_proxied any; gzip_min_length 0;"
DEFLATE = f"AddOutputFilterByType DEFLATE {SSE}"
# By name: how it is configured in a word, whether the client must accept gzip for that to matter, the configuration.
SERVERS = {
    "nginx": ("as it comes (HTTP/1.0 upstream, buffering on)", False, nginx(upstream_http="1.0")),
    "nginx, buffering off": ("`proxy_http_version 1.1; proxy_buffering off`", False, nginx("proxy_buffering off;")),
    "nginx, 2 s": ("`proxy_http_version 1.1; proxy_read_timeout 2s`", False, nginx("proxy_read_timeout 2s;")),
    "nginx, gzip": ("`proxy_http_version 1.1; gzip on; gzip_types text/event-stream`", True, nginx(GZIP)),
    "haproxy": ("`timeout server 60s`", False, haproxy()),
    "haproxy, no-delay": ("`timeout server 60s`, `option http-no-delay`", False, haproxy("option http-no-delay")),
    "haproxy, 2 s": ("`timeout server 2s`, `option http-no-delay`", False, haproxy("option http-no-delay", "2s")),
    "haproxy, gzip": (f"`compression algo gzip`, `compression type {SSE}`", True,
                      haproxy(f"compression algo gzip\n  compression type {SSE}")),
    "caddy": ("`reverse_proxy`", False, caddy()),
    "caddy, encode": ("`encode gzip`, `reverse_proxy`", True, caddy(f"encode {{\n gzip\n match {{\n header "
                                                                    f"Content-Type {SSE}*\n }}\n }}")),
    "apache": ("`ProxyPass`", False, apache()),
    "apache, 2 s": ("`ProxyPass`, `ProxyTimeout 2`", False, apache(extra="ProxyTimeout 2")),
    "apache, deflate": (f"`ProxyPass`, `AddOutputFilterByType DEFLATE {SSE}`", True,
                        apache(["filter", "deflate"], DEFLATE)),
    "envoy": ("a route without a timeout of its own (15 s for a whole answer)", False, envoy()),
    "envoy, 2 s": ("a route with `timeout: 2s`", False, envoy("2s")),
}


def arguments(parser):
    """What the script that runs them takes."""
    parser.add_argument("--envoy", help="the Envoy to run; without it, the one in the path")


def find(args):
    """The names of those that are installed; says which are not."""
    global ENVOY
    ENVOY = args.envoy or ENVOY
    # Debian keeps servers where a user's path may not lead.
    os.environ["PATH"] += os.pathsep + "/usr/sbin"
    programs = {name: ENVOY if name.startswith("envoy") else name.split(",")[0] for name in SERVERS}
    programs = {name: "apache2" if program == "apache" else program for name, program in programs.items()}
    there = {name for name, program in programs.items() if shutil.which(program)}
    for name in SERVERS.keys() - there:
        print(f"skipped {name}: no {programs[name]} here", file=sys.stderr)
    return [name for name in SERVERS if name in there]


def version(name):
    """What the program says of itself."""
    flag = {"nginx": "-v", "haproxy": "-v", "caddy": "version", "apache": "-v", "envoy": "--version"}
    kind = name.split(",")[0]
    program = {"apache": "apache2", "envoy": ENVOY}.get(kind, kind)
    done = subprocess.run([program, flag[kind]], capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)
    return found.group() if found else "?"


@contextlib.contextmanager
def serving(name, upstream, lab):
    """A proxy of `SERVERS` in front of `upstream`, where `lab` runs until it is ready; gives its address, without
    `/v1`.
    """
    port = proxy.free_port()
    with tempfile.TemporaryDirectory() as folder:
        # Workers of nginx and Apache may run as another user.
        os.chmod(folder, 0o755)
        command = SERVERS[name][2](port, upstream, Path(folder))
        environment = {k: v for k, v in os.environ.items() if k not in proxy.DROPPED} | {"HOME": folder}
        with contextlib.ExitStack() as stack:
            with lab:
                ready = f"http://127.0.0.1:{port}/"
                stack.enter_context(proxy.running(command, ready, env=environment, cwd=folder))
            yield f"http://127.0.0.1:{port}"
