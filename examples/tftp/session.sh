# A TFTP server outside, a client inside that gets and puts, and a host outside that tries to
# answer in the server's place.
network() {
  gateway eth0 192.0.2.1/24 2001:db8::1/64
  gateway eth1 10.1.0.1/24 fd00:1::1/64
  host client eth1 10.1.0.2/24 fd00:1::2/64
  host server eth0 192.0.2.10/24 2001:db8::10/64
  host hostile eth0 192.0.2.66/24 2001:db8::66/64
}

session() {
  local n
  mkdir -p "$SCRATCH/tftp"
  for n in $(seq 100); do echo "setting $n = $((n * n))"; done >"$SCRATCH/tftp/boot.cfg"
  chmod 755 "$SCRATCH" && chmod 777 "$SCRATCH/tftp"
  serve server 69 in.tftpd --listen --foreground --secure --create --port-range 50000:50099 \
    --user nobody "$SCRATCH/tftp"
  capture capture transfers
}

transfers() {
  cd "$SCRATCH"
  on client tftp 192.0.2.10 -m binary -c get boot.cfg
  on client tftp 192.0.2.10 -m netascii -c put boot.cfg log-v4.txt
  on client tftp 2001:db8::10 -m binary -c get boot.cfg
  on client tftp 2001:db8::10 -m binary -c put boot.cfg log-v6.txt
  # A file that is not there: the server answers with an error, from a new port all the same.
  on client tftp 192.0.2.10 -m binary -c get missing.cfg || true
  # Somebody else sends to the port from which the client would ask next.
  on hostile python3 -c '
import socket
for family, address in (socket.AF_INET, "10.1.0.2"), (socket.AF_INET6, "fd00:1::2"):
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.sendto(b"\0\3\0\1not the file", (address, 40002))'
}
