#!/usr/bin/env python3
"""Makes the pictures and the animation of the README from real runs of the program.

  pip install pyte pillow        (and Debian's fonts-dejavu-core, or --font)
  cargo build --release && assets/screenshots/make.py target/release/sselens

Each run has a home directory of its own and the embedded lab; nothing leaves the machine.
"""

import argparse
import fcntl
import os
import pty
import select
import signal
import struct
import tempfile
import termios
import time

import pyte
from PIL import Image, ImageDraw, ImageFont

HERE = os.path.dirname(os.path.abspath(__file__))
KEYS = {"<F5>": "\x1b[15~", "<Enter>": "\r", "<Esc>": "\x1b", "<Down>": "\x1b[B", "<Tab>": "\t"}
COLORS = {
    "black": "16181b", "red": "d64545", "green": "3fb950", "brown": "d4a72c", "blue": "4c8dff",
    "magenta": "c678dd", "cyan": "39c5cf", "white": "d8dee9", "brightblack": "767c85",
    "brightred": "ff6b6b", "brightgreen": "56d364", "brightyellow": "e3b341", "brightbrown": "e3b341",
    "brightblue": "79c0ff", "brightmagenta": "d2a8ff", "brightcyan": "76e3ea", "brightwhite": "ffffff",
}
INK, PAPER = "d8dee9", "16181b"


class Terminal:
    """The program in a pseudo-terminal, and what a terminal would show."""

    def __init__(self, command, columns, rows):
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        home = tempfile.mkdtemp()
        environment = {"HOME": home, "TERM": "xterm-256color", "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(home)
            os.execve(command[0], command, environment)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.kill(self.pid, signal.SIGWINCH)

    def run(self, seconds):
        """Lets the program run."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.fd], [], [], left)[0]:
                try:
                    self.stream.feed(os.read(self.fd, 65536))
                except OSError:
                    return

    def press(self, keys):
        os.write(self.fd, KEYS.get(keys, keys).encode())

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


class Painter:
    """Paints a screen."""

    def __init__(self, folder, size):
        self.plain = ImageFont.truetype(os.path.join(folder, "DejaVuSansMono.ttf"), size)
        self.bold = ImageFont.truetype(os.path.join(folder, "DejaVuSansMono-Bold.ttf"), size)
        self.width = round(self.plain.getlength("M"))
        self.height = round(size * 1.25)

    def paint(self, screen):
        image = Image.new("RGB", (screen.columns * self.width, screen.lines * self.height), "#" + PAPER)
        draw = ImageDraw.Draw(image)
        for y in range(screen.lines):
            for x in range(screen.columns):
                cell = screen.buffer[y][x]
                ink, paper = self.color(cell.fg, INK), self.color(cell.bg, PAPER)
                if cell.reverse:
                    ink, paper = paper, ink
                left, top = x * self.width, y * self.height
                if paper != PAPER:
                    draw.rectangle([left, top, left + self.width - 1, top + self.height - 1], fill="#" + paper)
                if cell.data.strip():
                    font = self.bold if cell.bold else self.plain
                    draw.text((left, top), cell.data, font=font, fill="#" + ink)
                if cell.underscore:
                    draw.line([left, top + self.height - 2, left + self.width, top + self.height - 2], fill="#" + ink)
        return image

    @staticmethod
    def color(name, default):
        if name == "default":
            return default
        return COLORS.get(name, name if len(name) == 6 else default)


def picture(painter, program, name, arguments, steps, size=(140, 40)):
    """One picture: keys and waits, then the screen as it is."""
    terminal = Terminal([program, *arguments], *size)
    terminal.run(1.5)
    for keys, seconds in steps:
        terminal.press(keys)
        terminal.run(seconds)
    painter.paint(terminal.screen).quantize(64).save(os.path.join(HERE, name + ".png"), optimize=True)
    terminal.close()


def tour(painter, program):
    """The animation: a stream that breaks, its cause, a search, a comparison."""
    terminal = Terminal([program], 120, 34)
    frames, times = [], []

    def show(seconds, every=0.25):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            terminal.run(every)
            image = painter.paint(terminal.screen).quantize(48)
            if frames and image.tobytes() == frames[-1].tobytes():
                times[-1] += round(every * 1000)
            else:
                frames.append(image)
                times.append(round(every * 1000))

    show(2)
    for keys, seconds in [
        ("<F5>", 3.5), ("<Enter>", 3), ("<Esc>", 1), ("/", 0.4), ("chunk of", 0.6), ("<Enter>", 2), ("<Esc>", 0.5),
        ("m", 1), ("reasoning-delta", 0.6), ("<Enter>", 1), ("<F5>", 4), ("C", 1.5),
        ("lab:lab/reasoning-content", 1), ("<Enter>", 5),
    ]:
        terminal.press(keys)
        show(seconds)
    times[-1] += 2000
    frames[0].save(
        os.path.join(HERE, "tour.gif"), save_all=True, append_images=frames[1:], duration=times, loop=0, optimize=True
    )
    terminal.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--font", default="/usr/share/fonts/truetype/dejavu", help="the folder of DejaVu Sans Mono")
    options = parser.parse_args()
    program = os.path.abspath(options.program)
    painter = Painter(options.font, 14)
    lab = ["-p", "lab", "--seed", "1", "--pace", "0.4"]
    picture(painter, program, "reasoning", [*lab, "-m", "lab/reasoning-delta"], [("<F5>", 3)])
    picture(painter, program, "swallowed-422", [*lab, "-m", "lab/http-422"], [("<F5>", 2), ("<Enter>", 1)], (160, 45))
    compared = [("<F5>", 3), ("C", 1), ("lab:lab/reasoning-content", 0.5), ("<Enter>", 4)]
    picture(painter, program, "compare", [*lab, "-m", "lab/reasoning-delta"], compared, (160, 45))
    tour(Painter(options.font, 12), program)


if __name__ == "__main__":
    main()
