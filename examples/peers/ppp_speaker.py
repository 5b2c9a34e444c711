#!/usr/bin/env python3
"""Speaks just enough PPP to carry data through a tunnel, where the kernel has no PPP and pppd
cannot run: LCP until both ends are open, then LCP echoes.

    ppp_speaker.py dial SERVER ECHOES [SECONDS]    dials with pptp, echoes, waits, and hangs up
    ppp_speaker.py [ignored...]                    in pppd's place under pptpd: only answers

Frames as on an asynchronous line (RFC 1662), LCP as in RFC 1661.
"""

import os
import select
import socket
import struct
import subprocess
import sys
import time
import tty

CONFIGURE_REQUEST, CONFIGURE_ACK, TERMINATE_REQUEST, TERMINATE_ACK = 1, 2, 5, 6
ECHO_REQUEST, ECHO_REPLY = 9, 10
HEAD = b"\xff\x03\xc0\x21"
MAGIC = struct.pack(">I", 0x4B57414C)


def fcs(data):
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0x8408 if value & 1 else 0)
    return struct.pack("<H", value ^ 0xFFFF)


def send(line, code, identifier, data=b""):
    frame = HEAD + struct.pack(">BBH", code, identifier, 4 + len(data)) + data
    frame += fcs(frame)
    escaped = b"".join(
        bytes((0x7D, b ^ 0x20)) if b in (0x7D, 0x7E) or b < 0x20 else bytes((b,)) for b in frame
    )
    os.write(line, b"\x7e" + escaped + b"\x7e")


def frames(buffer):
    """Whole frames, unescaped, and what is left over."""
    *whole, rest = buffer.split(b"\x7e")
    found = []
    for frame in whole:
        plain, escaped = bytearray(), False
        for byte in frame:
            if byte == 0x7D:
                escaped = True
            else:
                plain.append(byte ^ 0x20 if escaped else byte)
                escaped = False
        # Address and control, or the protocol's first byte, may be left out.
        start = plain.find(b"\xc0\x21")
        if 0 <= start <= 2 and len(plain) >= start + 8:
            found.append(bytes(plain[start + 2 : -2]))
    return found, rest


def talk(line, echoes, linger):
    """Opens the link, asks for `echoes` echoes, stays for `linger` seconds, and closes it."""
    acked, answered, asked, replies = False, False, 0, 0
    buffer, resend, give_up = b"", 0, time.monotonic() + 30
    while time.monotonic() < give_up:
        if not acked and time.monotonic() >= resend:
            send(line, CONFIGURE_REQUEST, 1)
            resend = time.monotonic() + 1
        is_open = acked and answered
        if is_open and asked < echoes and asked == replies:
            asked += 1
            send(line, ECHO_REQUEST, asked, MAGIC + b"through the tunnel")
        if is_open and echoes and replies >= echoes:
            time.sleep(linger)
            send(line, TERMINATE_REQUEST, 99)
            time.sleep(0.3)
            return
        if not select.select([line], [], [], 0.2)[0]:
            continue
        data = os.read(line, 4096)
        if not data:
            return
        found, buffer = frames(buffer + data)
        for frame in found:
            code, identifier = frame[0], frame[1]
            if code == CONFIGURE_REQUEST:
                send(line, CONFIGURE_ACK, identifier, frame[4:])
                answered = True
            elif code == CONFIGURE_ACK:
                acked = True
            elif code == ECHO_REQUEST:
                send(line, ECHO_REPLY, identifier, MAGIC + frame[8:])
            elif code == ECHO_REPLY:
                replies += 1
            elif code == TERMINATE_REQUEST:
                send(line, TERMINATE_ACK, identifier)
    raise SystemExit("the link did not come up")


def main():
    if sys.argv[1:2] != ["dial"]:
        tty.setraw(0)
        try:
            talk(0, 0, 0)
        except OSError:
            pass  # the tunnel was closed at the other end
        return
    server, echoes = sys.argv[2], int(sys.argv[3])
    own, other = socket.socketpair()
    pptp = ["pptp", server, "--nolaunchpppd", "--nohostroute"]
    tunnel = subprocess.Popen(pptp, stdin=other, stdout=other)
    other.close()
    try:
        talk(own.fileno(), echoes, float(sys.argv[4]) if len(sys.argv) > 4 else 0)
    except OSError:
        pass  # the server has hung up
    own.close()
    tunnel.wait(10)


main()
