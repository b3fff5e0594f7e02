#!/usr/bin/env python3
"""The HTML report in a real browser: what it shows, and that it asks the network for nothing.

    tests/html/browser.py [SSELENS [FOLDER]]

Sends two broken streams of the lab, writes the report of each with `export --to html`, and opens it in headless
Chromium (Debian: chromium) on a wide and a narrow screen, light and dark. Fails where the page asks for anything, writes
an error to the console, or does not show the verdict and the frames. The pictures stay in FOLDER, to be looked at.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SCENARIOS = ["truncated-chunked", "reasoning-delta", "html-200"]
SCREENS = [("wide", 1400, []), ("narrow", 420, []), ("dark", 1400, ["--blink-settings=preferredColorScheme=0"])]


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def look(browser, page, picture, width, options, folder):
    """Opens the page; returns its text as the browser has it, what it asked for, and its errors."""
    log = folder / "net.json"
    common = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking",
        "--disable-component-update", "--no-first-run", f"--user-data-dir={folder / 'profile'}",
        f"--window-size={width},1600", "--enable-logging=stderr", f"--log-net-log={log}", *options,
    ]
    shot = run(*common, f"--screenshot={picture}", page.as_uri())
    # The page's own lines in the log; the rest is the browser's.
    errors = [line for line in shot.stderr.splitlines() if "CONSOLE" in line]
    events = json.loads(log.read_text())
    urls = {e["params"]["url"] for e in events["events"] if isinstance(e.get("params"), dict) and "url" in e["params"]}
    asked = {url.split("?")[0] for url in urls if url.startswith(("http:", "https:", "ws:", "wss:", "ftp:"))}
    dom = run(*common, "--dump-dom", page.as_uri()).stdout
    return re.sub(r"<style.*?</style>|<script.*?</script>|<[^>]+>", " ", dom, flags=re.S), asked, errors


def main():
    sselens = sys.argv[1] if len(sys.argv) > 1 else "target/debug/sselens"
    out = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp()).resolve()
    out.mkdir(parents=True, exist_ok=True)
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or sys.exit("needs chromium")
    blank = out / "blank.html"
    blank.write_text("<!doctype html><title>blank</title>")
    with tempfile.TemporaryDirectory() as folder:
        # What the browser asks for by itself, whatever the page is.
        _, own, _ = look(browser, blank, out / "blank.png", 400, [], pathlib.Path(folder))
    failed = 0
    for scenario in SCENARIOS:
        session, page = out / f"{scenario}.jsonl", out / f"{scenario}.html"
        session.unlink(missing_ok=True)
        page.unlink(missing_ok=True)
        run(sselens, "send", "-p", "lab", "-m", f"lab/{scenario}", "--save", str(session), "hello")
        verdict = json.loads(run(sselens, "show", str(session), "-o", "json").stdout.splitlines()[-1])["verdict"]
        made = run(sselens, "export", str(session), "--to", "html")
        page.write_text(made.stdout)
        if made.returncode:
            sys.exit(made.stderr)
        for name, width, options in SCREENS:
            with tempfile.TemporaryDirectory() as folder:
                picture = out / f"{scenario}-{name}.png"
                text, asked, wrong = look(browser, page, picture, width, options, pathlib.Path(folder))
            wrong += [f"asks for {url}" for url in asked - own]
            shown = " ".join(text.replace("&quot;", '"').replace("&amp;", "&").split())
            if verdict not in shown:
                wrong.append(f"does not show {verdict!r}")
            failed += bool(wrong)
            print(f"{scenario:20} {name:7} {len(page.read_bytes()):7} bytes  {'; '.join(wrong) or 'quiet'}")
    print(f"pictures: {out}")
    sys.exit(bool(failed))


main()
