#!/usr/bin/env python3
"""Sends one UDP datagram with a source address and port of one's choice.

    forged_answer.py SOURCE PORT DESTINATION PORT
"""

import socket
import struct
import sys


def main():
    source, sport, destination, dport = sys.argv[1:]
    payload = b"an answer that nobody gave"
    addresses = socket.inet_aton(source) + socket.inet_aton(destination)
    # A checksum of 0 is none (RFC 768).
    datagram = struct.pack(">HHHH", int(sport), int(dport), 8 + len(payload), 0) + payload
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(datagram), 1, 0, 64, 17, 0) + addresses
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.sendto(header + datagram, (destination, 0))


main()
