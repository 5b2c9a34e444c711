#!/usr/bin/env python3
"""Merges the captures of a gateway's interfaces into one pcapng with interface names.

    pcapng.py OUT START NAME=FILE.pcap...

Parts of the same name are one interface. The packets are sorted by time and moved so that the
first one falls on START (UTC). The sections say nothing about the machine or the program that
captured.
"""

import datetime
import struct
import sys

NANOSECOND_MAGIC = 0xA1B23C4D
ETHERNET = 1


def packets(path, interface):
    """Yields (nanoseconds, interface, frame) of a little-endian nanosecond pcap."""
    with open(path, "rb") as file:
        data = file.read()
    magic, _, _, _, _, snap_length, link_type = struct.unpack_from("<IHHiIII", data)
    assert (magic, link_type) == (NANOSECOND_MAGIC, ETHERNET), path
    position = 24
    while position < len(data):
        seconds, nanoseconds, captured, length = struct.unpack_from("<IIII", data, position)
        assert captured == length, "a packet was cut"
        frame = data[position + 16 : position + 16 + captured]
        yield seconds * 10**9 + nanoseconds, interface, frame
        position += 16 + captured


def option(code, value):
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def block(kind, body):
    body += bytes(-len(body) % 4)
    length = len(body) + 12
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


def main():
    out, start, *parts = sys.argv[1:]
    origin = datetime.datetime.fromisoformat(start).replace(tzinfo=datetime.timezone.utc)
    names = list(dict.fromkeys(part.split("=", 1)[0] for part in parts))
    found = []
    for part in parts:
        name, path = part.split("=", 1)
        found.extend(packets(path, names.index(name)))
    found.sort(key=lambda packet: packet[0])
    shift = int(origin.timestamp()) * 10**9 - (found[0][0] if found else 0)

    with open(out, "wb") as file:
        file.write(block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
        for name in names:
            options = option(2, name.encode()) + option(9, b"\x09") + struct.pack("<HH", 0, 0)
            file.write(block(1, struct.pack("<HHI", ETHERNET, 0, 262144) + options))
        for nanoseconds, interface, frame in found:
            time = nanoseconds + shift
            head = struct.pack(
                "<IIIII", interface, time >> 32, time & 0xFFFFFFFF, len(frame), len(frame)
            )
            file.write(block(6, head + frame))
    print(f"  {len(found)} packets")


main()
