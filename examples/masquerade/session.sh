# Clients behind one address, a server published at it, and FTP in both directions.
network() {
  gateway eth0 192.0.2.1/24 2001:db8::1/64
  gateway eth1 10.1.0.1/24 fd00:1::1/64
  host first eth1 10.1.0.2/24 fd00:1::2/64
  host second eth1 10.1.0.3/24
  host inside eth1 10.1.0.10/24
  host server eth0 192.0.2.10/24 2001:db8::10/64
  host guest eth0 192.0.2.20/24
  host hostile eth0 192.0.2.66/24
  # Nobody outside knows a way to the clients.
  local each
  for each in server guest hostile; do on $each ip route del default; done
  on server ip -6 route del default
}

session() {
  ftp_server server
  serve inside 21 vsftpd "$SCRATCH/vsftpd.conf"
  # Different ports of both clients: else Linux chooses one by chance.
  capture arriving transfers 40500 40530
  rules random.v4
  # What leaves is recorded too.
  OWN="(ip or ip6)"
  capture both transfers 40600 40600
}

# transfers PORT PORT: the two clients connect from these ports on.
transfers() {
  local v4=ftp://192.0.2.10/notes.txt each
  for each in "first $1" "second $2"; do
    local fetch=(on "${each% *}" curl -sS -o /dev/null --max-time 10) port=${each#* }
    # PASV, then PORT.
    "${fetch[@]}" --local-port $port-$((port + 9)) --disable-epsv $v4
    "${fetch[@]}" --local-port $((port + 10))-$((port + 19)) --ftp-port - --disable-eprt $v4
  done
  on first curl -sS -o /dev/null --max-time 10 --ftp-port - $v4 # EPRT
  on first curl -gsS -o /dev/null --max-time 10 --ftp-port - 'ftp://[2001:db8::10]/notes.txt'
  # The published server, by PASV, EPSV and PORT.
  on guest curl -sS -o /dev/null --max-time 10 --disable-epsv ftp://192.0.2.1/notes.txt
  on guest curl -sS -o /dev/null --max-time 10 ftp://192.0.2.1/notes.txt
  on guest curl -sS -o /dev/null --max-time 10 --disable-eprt --ftp-port - ftp://192.0.2.1/notes.txt
  # A stranger knocks at the address behind which the clients are.
  on hostile curl -s --connect-timeout 1 http://192.0.2.1:40001/ || true
}
