# A client inside talks to an FTP server outside. On the server's network somebody listens, and
# speaks in the client's name.
network() {
  gateway eth0 192.0.2.1/24
  gateway eth1 10.1.0.1/24
  host client eth1 10.1.0.2/24
  host server eth0 192.0.2.10/24
  host hostile eth0 192.0.2.66/24
  # Everybody outside hears everything, as on a wireless network.
  on switch-eth0 ip link set switch type bridge ageing_time 0
}

session() {
  ftp_server server
  # A service of the client's own, which nobody outside shall reach.
  serve client 5432 python3 "$HERE/peers/irc_dcc.py" listen 10.1.0.2 5432
  rules careless.v4
  capture capture attack
  rules rules.v4
  capture refused attack
}

attack() {
  local gateway
  gateway=$(on gateway cat /sys/class/net/eth0/address)
  ip netns exec "$TAG-hostile" python3 "$HERE/peers/ftp_forged_port.py" hostile \
    10.1.0.2 192.0.2.10 5432 "$gateway" &
  local attacker=$!
  sleep 0.3
  on client python3 "$HERE/peers/ftp_forged_port.py" client 192.0.2.10 4
  wait $attacker
}
