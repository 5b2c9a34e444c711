# The gateway looks for printers: the SNMP backend of CUPS asks every agent of the office by
# broadcast, and two answer, of which one says that it is a printer. Somebody outside sends
# answers of his own, once in his own name and once in that of an office host.
network() {
  gateway eth0 192.0.2.1/24
  gateway eth1 10.1.0.1/24
  host printer eth1 10.1.0.10/24
  host switch eth1 10.1.0.11/24
  host hostile eth0 192.0.2.66/24
}

session() {
  # What the agent of a printer says of its first device (RFC 2790, hrDeviceType).
  agent printer 10.1.0.10 "override .1.3.6.1.2.1.25.3.2.1.2.1 object_id .1.3.6.1.2.1.25.3.1.5"
  agent switch 10.1.0.11 "sysName switch"
  printer_search
  on gateway sysctl -q -w net.ipv4.ip_local_port_range="40100 40101"
  OWN="src host 10.1.0.1"
  capture capture search
}

# agent HOST ADDRESS LINE: snmpd, with a line for its configuration.
agent() {
  mkdir -p "$SCRATCH/$1"
  printf 'rocommunity public 10.1.0.0/24\n%s\n' "$3" >"$SCRATCH/$1/snmpd.conf"
  serve "$1" 161 env SNMP_PERSISTENT_DIR="$SCRATCH/$1" snmpd -f -C -c "$SCRATCH/$1/snmpd.conf" \
    -p "$SCRATCH/$1/pid" udp:161
  # snmpd would answer a broadcast from the broadcast address, which Linux does not let it: the
  # host takes such packets for its own.
  on "$1" nft -f - <<END
table ip own {
  chain early {
    type filter hook prerouting priority -400
    ip daddr 10.1.0.255 udp dport 161 ip daddr set $2
  }
}
END
}

# Of CUPS only the program that looks for printers is needed; its package brings half a desktop.
printer_search() {
  mkdir -p "$SCRATCH/cups"
  (cd "$SCRATCH/cups" && apt-get download -qq cups 2>/dev/null && dpkg-deb -x cups_*.deb .)
  printf 'Address 10.1.0.255\nCommunity public\nMaxRunTime 6\n' >"$SCRATCH/cups/snmp.conf"
}

search() {
  on gateway env CUPS_SERVERROOT="$SCRATCH/cups" \
    "$SCRATCH/cups/usr/lib/cups/backend-available/snmp" >"$SCRATCH/printers" 2>/dev/null &
  local asks=$!
  sleep 1
  forged 192.0.2.66
  forged 10.1.0.11
  wait $asks
  # One agent alone: no helper is needed for its answer.
  on gateway snmpget -v 2c -c public -r 0 10.1.0.10 .1.3.6.1.2.1.25.3.2.1.2.1 >/dev/null
}

# forged SOURCE: an answer that nobody of the office gave, to each port the question may have come
# from.
forged() {
  local port
  for port in 40100 40101; do
    on hostile python3 "$HERE/peers/forged_answer.py" "$1" 161 10.1.0.1 $port
  done
}
