"""A terminal for `kinwall top`: types keys, and waits for words on the screen.

usage: top.py STEP... -- COMMAND...
A step is `see WORDS`, `key KEYS`, `do SHELL COMMAND` or `end SIGNAL STATUS` (no signal: `-`).
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

steps = sys.argv[1:sys.argv.index("--")]
command = sys.argv[sys.argv.index("--") + 1:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
width = 120
output = b""


def read(seconds):
    """What comes within so many seconds."""
    global output
    end = time.time() + seconds
    while (left := end - time.time()) > 0:
        if select.select([terminal], [], [], left)[0]:
            try:
                output += os.read(terminal, 65536)
            except OSError:
                return


def redraw():
    """Another width, so that all of the screen is drawn anew."""
    global width, output
    width = 241 - width
    output = b""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    read(0.4)


def see(words):
    for _ in range(25):
        redraw()
        # What is blank is skipped: a move of the cursor stands for it.
        plain = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b" ", output)
        if words.encode() in b" ".join(plain.split()):
            return
    sys.exit(f"no {words!r} on the screen: {output!r}")


def end(name, status):
    global output
    output = b""
    if name != "-":
        os.kill(pid, signal.Signals["SIG" + name])
    read(1)
    _, ended = os.waitpid(pid, 0)
    if os.waitstatus_to_exitcode(ended) != int(status):
        sys.exit(f"exit status {os.waitstatus_to_exitcode(ended)}: {output!r}")
    if b"\x1b[?1049l" not in output:
        sys.exit(f"the terminal is not given back: {output!r}")


for step in steps:
    word, _, rest = step.partition(" ")
    match word:
        case "see":
            see(rest)
        case "key":
            os.write(terminal, rest.encode().decode("unicode_escape").encode())
        case "do":
            subprocess.run(rest, shell=True, check=True)
        case "end":
            end(*rest.split())
        case other:
            sys.exit(f"no such step: {other}")
