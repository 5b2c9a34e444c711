#!/usr/bin/env python3
"""Starts baresip, the telephone, and presses its keys.

    phone.py ACCOUNT ADDRESS[:PORT] [FORM...] -- [KEY...]

FORM is a line of baresip's configuration beside those below. A KEY is `COMMAND[=PARAMETER]` of
baresip (dial, hold, resume, hangup, quit), a number of seconds to wait, or `EVENT?`, which waits
for an event (REGISTER_OK, CALL_ESTABLISHED, CALL_CLOSED; baresip's own names). At the end the
telephone quits, and takes its registration back.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time

MODULES = "/usr/lib/baresip/modules"
LONGEST = 20  # seconds to wait for an event


class Phone:
    def __init__(self, account, listen, more):
        self.folder = tempfile.TemporaryDirectory()
        self.write("accounts", "")
        self.write("contacts", "")
        self.write("config", "\n".join([
            f"sip_listen {listen}",
            "ctrl_tcp_listen 127.0.0.1:4444",
            f"module_path {MODULES}",
            "module g711.so", "module ausine.so", "module aufile.so",
            "module_app account.so", "module_app contact.so", "module_app menu.so",
            "module_app ctrl_tcp.so",
            "audio_source ausine,440", "audio_alert aufile,/dev/null",
            f"audio_player aufile,{self.folder.name}/heard.wav",
            "rtp_ports 10000-10020", "rtcp_mux no", "ausrc_srate 48000", "auplay_srate 8000",
            "ausrc_channels 2", "auplay_channels 1",
            *more,
        ]))
        self.program = subprocess.Popen(
            ["baresip", "-f", self.folder.name, "-4" if "[" not in listen else "-6"],
            stdin=subprocess.DEVNULL)
        self.line = self.connect()
        self.held = b""
        self.events = []
        self.press("uanew=" + account) # only now, so that no event is missed

    def write(self, name, text):
        with open(os.path.join(self.folder.name, name), "w") as file:
            file.write(text + "\n")

    def connect(self):
        for _ in range(100):
            try:
                return socket.create_connection(("127.0.0.1", 4444))
            except OSError:
                time.sleep(0.05)
        sys.exit("phone.py: baresip does not listen for commands")

    def press(self, command):
        name, _, parameter = command.partition("=")
        text = json.dumps({"command": name, "params": parameter}).encode()
        self.line.sendall(b"%d:%s," % (len(text), text))

    def read(self, until):
        """What baresip says, as netstrings of JSON, until an instant."""
        self.line.settimeout(max(until - time.monotonic(), 0.001))
        try:
            self.held += self.line.recv(65536)
        except TimeoutError:
            return
        while b":" in self.held:
            length, _, rest = self.held.partition(b":")
            if len(rest) <= int(length):
                return
            said = json.loads(rest[:int(length)])
            self.held = rest[int(length) + 1:]
            print("phone.py:", said, file=sys.stderr)
            if said.get("event"):
                self.events.append(said["type"])

    def wait(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read(end)

    def expect(self, event):
        end = time.monotonic() + LONGEST
        while event not in self.events:
            if time.monotonic() > end:
                sys.exit(f"phone.py: no {event}, but {self.events}")
            self.read(end)
        del self.events[:self.events.index(event) + 1]


def main():
    account, listen, *rest = sys.argv[1:]
    more, keys = rest[:rest.index("--")], rest[rest.index("--") + 1:]
    phone = Phone(account, listen, more)
    try:
        for key in keys:
            if key.endswith("?"):
                phone.expect(key[:-1])
            elif key[0].isdigit():
                phone.wait(float(key))
            else:
                phone.press(key)
        phone.press("quit")
        phone.program.wait(LONGEST)
    finally:
        phone.program.kill()


main()
