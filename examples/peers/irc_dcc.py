#!/usr/bin/env python3
"""Two IRC clients that exchange a file and a chat by DCC, over real connections.

    irc_dcc.py alice SERVER OWN-ADDRESS OTHER-ADDRESS
    irc_dcc.py bob SERVER
    irc_dcc.py listen ADDRESS PORT

Alice offers a file and a chat at her own address, and last a file at OTHER-ADDRESS port 5010.
Bob takes every offer he gets, prints what came of it, and tells Alice by a message. `listen`
serves a file at an address to whoever connects.
"""

import ipaddress
import re
import socket
import sys
import time

FILE = b"".join(b"page line %d\n" % n for n in range(200))
SECONDS_TO_CONNECT = 1.5


class Client:
    """A registered client: sends lines, and waits for lines."""

    def __init__(self, server, nick):
        self.socket = socket.create_connection((server, 6667), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unread = b""
        self.send(f"NICK {nick}")
        self.send(f"USER {nick} 0 * :{nick}")
        self.wait(r" 001 ")
        self.wait(r" (376|422) ")

    def send(self, line):
        self.socket.sendall(line.encode() + b"\r\n")

    def wait(self, pattern):
        while True:
            while b"\n" not in self.unread:
                received = self.socket.recv(4096)
                if not received:
                    sys.exit("the server hung up")
                self.unread += received
            line, self.unread = self.unread.split(b"\n", 1)
            line = line.decode().rstrip("\r")
            if line.startswith("PING"):
                self.send("PONG" + line[4:])
            found = re.search(pattern, line)
            if found:
                return found


def number(address):
    return int(ipaddress.IPv4Address(address))


def alice(server, own, other):
    client = Client(server, "alice")
    while True:  # until Bob is there
        client.send("ISON bob")
        if client.wait(r" 303 \S+ :(.*)").group(1).strip() == "bob":
            break
        time.sleep(0.1)

    with socket.create_server((own, 5001)) as listener:
        offer = f"\x01DCC SEND pages.txt {number(own)} 5001 {len(FILE)}\x01"
        client.send(f"PRIVMSG bob :{offer}")
        data, _ = listener.accept()
        data.sendall(FILE)
        received = 0
        while received < len(FILE):  # the receiver acknowledges with the count so far
            received = int.from_bytes(data.recv(4), "big")
        data.close()
    client.wait(r"PRIVMSG alice :done")

    with socket.create_server((own, 5002)) as listener:
        client.send(f"PRIVMSG bob :\x01DCC CHAT chat {number(own)} 5002\x01")
        data, _ = listener.accept()
        data.sendall(b"did you get it?\n")
        assert data.recv(100) == b"all of it\n"
        data.close()
    client.wait(r"PRIVMSG alice :done")

    client.send(f"PRIVMSG bob :\x01DCC SEND secret.txt {number(other)} 5010 100\x01")
    client.wait(r"PRIVMSG alice :done")
    client.send("QUIT :bye")
    client.wait("ERROR")


def bob(server):
    client = Client(server, "bob")
    for _ in range(3):
        offer = client.wait("\x01DCC (SEND|CHAT) (\\S+) (\\d+) (\\d+)(?: (\\d+))?\x01")
        kind, name, address, port, length = offer.groups()
        address = str(ipaddress.IPv4Address(int(address)))
        try:
            data = socket.create_connection((address, int(port)), timeout=SECONDS_TO_CONNECT)
        except OSError as error:
            print(f"  bob: {kind} {name} at {address}:{port}: {error}")
        else:
            with data:
                if kind == "SEND":
                    take(data, int(length))
                else:
                    data.recv(100)
                    data.sendall(b"all of it\n")
                    data.recv(1)
            print(f"  bob: {kind} {name} at {address}:{port}: done")
        client.send("PRIVMSG alice :done")
    client.send("QUIT :bye")
    client.wait("ERROR")


def take(data, length):
    received = 0
    while received < length:
        part = data.recv(4096)
        if not part:
            break
        received += len(part)
        data.sendall(received.to_bytes(4, "big"))


def listen(address, port):
    with socket.create_server((address, int(port))) as listener:
        while True:
            data, _ = listener.accept()
            data.sendall(b"a secret of the neighbour's\n")
            data.close()


if __name__ == "__main__":
    {"alice": alice, "bob": bob, "listen": listen}[sys.argv[1]](*sys.argv[2:])
