# An IRC server outside, Alice inside, Bob outside. Alice offers Bob a file, then a chat; then she
# offers a file in the name of another host, which the gateway must not believe.
network() {
  gateway eth0 192.0.2.1/24
  gateway eth1 10.1.0.1/24
  host alice eth1 10.1.0.2/24
  host neighbour eth1 10.1.0.3/24
  host server eth0 192.0.2.10/24
  host bob eth0 192.0.2.20/24
}

session() {
  cat >"$SCRATCH/ngircd.conf" <<END
[Global]
Name = irc.example.net
Info = The example's IRC server
Listen = 192.0.2.10
MotdPhrase = Welcome to the example.
[Options]
DNS = no
Ident = no
PAM = no
END
  serve server 6667 ngircd --nodaemon --config "$SCRATCH/ngircd.conf"
  # What Alice offers in the neighbour's name is really there to be fetched.
  serve neighbour 5010 python3 "$HERE/peers/irc_dcc.py" listen 10.1.0.3 5010
  capture capture conversation
}

conversation() {
  ip netns exec "$TAG-bob" python3 "$HERE/peers/irc_dcc.py" bob 192.0.2.10 &
  local bob=$!
  on alice python3 "$HERE/peers/irc_dcc.py" alice 192.0.2.10 10.1.0.2 10.1.0.3
  wait $bob
}
