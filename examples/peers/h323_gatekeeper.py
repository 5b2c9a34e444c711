"""A gatekeeper of H.323 that says yes: it confirms every registration and admits every call.

    h323_gatekeeper.py ADDRESS ENDPOINT

It answers on ADDRESS, UDP 1719. A call may go to ENDPOINT, port 1720: whoever asks whether it
may take a call is told the same. Messages are those of H.225.0 in aligned PER; of a request only
its kind and its number are read.
"""

import socket
import sys

PROTOCOL = bytes.fromhex("060008914a0004")  # H.225.0, version 4
GRQ, GCF, RRQ, RCF, URQ, UCF, ARQ, ACF, DRQ, DCF = 0, 1, 3, 4, 6, 7, 9, 10, 15, 16


class Bits:
    """An encoding in the making."""

    def __init__(self):
        self.text = ""

    def bits(self, value, count):
        self.text += format(value, "0%db" % count) if count else ""
        return self

    def octets(self, data):
        self.text += "0" * (-len(self.text) % 8)
        self.text += "".join(format(byte, "08b") for byte in data)
        return self

    def bytes(self):
        text = self.text + "0" * (-len(self.text) % 8)
        return bytes(int(text[at:at + 8], 2) for at in range(0, len(text), 8))


def answer(kind, optional, number, extended=False):
    """The head of a message: which, what is there, and the number of the request."""
    head = Bits().bits(kind, 6).bits(int(extended), 1).bits(0, optional)
    return head.octets(number)


def address(bits, host, port):
    bits.bits(0, 4).octets(socket.inet_aton(host) + port.to_bytes(2, "big"))


def reply(request, own, endpoint):
    kind = request[0] >> 2
    at = 1 if kind == DRQ else 2  # behind the bits that say what is there
    number = request[at:at + 2]
    if kind == GRQ:
        bits = answer(GCF, 2, number).octets(PROTOCOL)
        address(bits, own, 1719)
    elif kind == RRQ:
        bits = answer(RCF, 3, number, extended=True).octets(PROTOCOL).octets([0])
        name = "endpoint".encode("utf-16-be")
        bits.bits(len(name) // 2 - 1, 7).octets(name)
        # Six additions are known: timeToLive (300 seconds) and willRespondToIRR are there.
        bits.bits(5, 7).bits(0b010001, 6)
        bits.octets([3, 0x40]).octets((299).to_bytes(2, "big")).octets([1, 0])
    elif kind == ARQ:
        bits = answer(ACF, 2, number)
        bits.bits(1, 2).octets((1280).to_bytes(2, "big")).bits(0, 2)
        address(bits, endpoint, 1720)
    elif kind == URQ:
        bits = answer(UCF, 1, number)
    elif kind == DRQ:
        bits = answer(DCF, 1, number)
    else:
        return None
    return bits.bytes()


def main():
    own, endpoint = sys.argv[1:]
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((own, 1719))
    while True:
        request, peer = server.recvfrom(4096)
        said = reply(request, own, endpoint)
        if said:
            server.sendto(said, peer)


main()
