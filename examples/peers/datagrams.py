#!/usr/bin/env python3
"""Sends a datagram to each of some ports: datagrams.py ADDRESS PORT..."""

import socket
import sys

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
    for port in sys.argv[2:]:
        out.sendto(b"anybody here?", (sys.argv[1], int(port)))
