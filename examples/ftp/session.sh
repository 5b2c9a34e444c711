# An FTP server outside, clients inside, and a host outside that tries its luck.
network() {
  gateway eth0 192.0.2.1/24 2001:db8::1/64
  gateway eth1 10.1.0.1/24 fd00:1::1/64
  host client eth1 10.1.0.2/24 fd00:1::2/64
  host server eth0 192.0.2.10/24 2001:db8::10/64
  host hostile eth0 192.0.2.66/24 2001:db8::66/64
}

session() {
  ftp_server server
  capture capture transfers
}

transfers() {
  local fetch=(on client curl -sS -o /dev/null --max-time 10)
  local v4=ftp://192.0.2.10/notes.txt v6='ftp://[2001:db8::10]/notes.txt'
  "${fetch[@]}" --disable-epsv $v4                       # PASV
  "${fetch[@]}" $v4                                      # EPSV
  "${fetch[@]}" --disable-eprt --ftp-port 10.1.0.2 $v4   # PORT
  "${fetch[@]}" --ftp-port 10.1.0.2 $v4                  # EPRT
  "${fetch[@]}" -g "$v6"                                 # EPSV over IPv6
  "${fetch[@]}" -g --ftp-port '[fd00:1::2]' "$v6"        # EPRT over IPv6
  on client env HOME="$SCRATCH" lftp -c "
    set net:timeout 10; set net:max-retries 1; set ftp:sync-mode on; set ftp:use-feat off
    set ftp:use-mdtm off; set ftp:use-size off
    open 192.0.2.10
    set ftp:passive-mode on; cls -l
    set ftp:passive-mode off; cat notes.txt; put -O incoming $SCRATCH/ftp/notes.txt
  " >/dev/null
  # A stranger knocks at a port of the client that nothing announced, over both families, and
  # then with the address of a client.
  on hostile curl -s --connect-timeout 1 http://10.1.0.2:40001/ || true
  on hostile curl -sg --connect-timeout 1 'http://[fd00:1::2]:40001/' || true
  on hostile python3 "$HERE/peers/spoof.py" 10.1.0.3 10.1.0.2 40001
}
