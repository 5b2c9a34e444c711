#!/usr/bin/env python3
"""Sends one TCP SYN with a source address of one's choice.

    spoof.py SOURCE DESTINATION PORT
"""

import socket
import struct
import sys


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def main():
    source, destination, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    addresses = socket.inet_aton(source) + socket.inet_aton(destination)
    segment = struct.pack(">HHIIBBHHH", 40021, port, 1, 0, 5 << 4, 0x02, 1024, 0, 0)
    pseudo = addresses + struct.pack(">BBH", 0, socket.IPPROTO_TCP, len(segment))
    segment = segment[:16] + struct.pack(">H", checksum(pseudo + segment)) + segment[18:]
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 1, 0, 64, 6, 0) + addresses
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.sendto(header + segment, (destination, 0))


main()
