#!/usr/bin/env python3
"""Sends GRE packets as PPTP's data looks, with a source address and call ids of one's choice.

    gre.py SOURCE DESTINATION FIRST_ID LAST_ID
"""

import socket
import struct
import sys


def main():
    source, destination, first, last = *sys.argv[1:3], int(sys.argv[3]), int(sys.argv[4])
    addresses = socket.inet_aton(source) + socket.inet_aton(destination)
    lcp = b"\xff\x03\xc0\x21\x09\x01\x00\x08\x00\x00\x00\x00"
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for call in range(first, last + 1):
            gre = struct.pack(">HHHHI", 0x3001, 0x880B, len(lcp), call, 1) + lcp
            header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(gre), 1, 0, 64, 47, 0)
            raw.sendto(header + addresses + gre, (destination, 0))


main()
