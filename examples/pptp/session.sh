# A PPTP server outside, two clients inside, and a host outside that guesses call ids.
network() {
  gateway eth0 192.0.2.1/24
  gateway eth1 10.1.0.1/24
  host client eth1 10.1.0.2/24
  host colleague eth1 10.1.0.3/24
  host server eth0 192.0.2.10/24
  host hostile eth0 192.0.2.66/24
}

session() {
  printf '%s\n' 'localip 10.99.0.1' 'remoteip 10.99.0.10-20' >"$SCRATCH/pptpd.conf"
  serve server 1723 pptpd --fg --conf "$SCRATCH/pptpd.conf" --pidfile "$SCRATCH/pptpd.pid" \
    --ppp "$HERE/peers/ppp_speaker.py"
  capture capture calls
}

# dial HOST ECHOES SECONDS: a call, in a file system where no other host's call manager is found.
dial() {
  local host=$1; shift
  ip netns exec "$TAG-$host" unshare --mount sh -c '
    mount -t tmpfs none /run && mkdir /run/pptp && exec "$@"
  ' sh python3 "$HERE/peers/ppp_speaker.py" dial 192.0.2.10 "$@"
}

calls() {
  dial client 3 0 # one call, and the client hangs up

  dial client 2 4 & # two at a time
  local client=$!
  sleep 1.5
  dial colleague 2 6 &
  local colleague=$!
  sleep 2
  # Meanwhile somebody sends data to the client: under its own name, under the colleague's, and
  # under the server's with guessed ids.
  on hostile python3 "$HERE/peers/gre.py" 192.0.2.66 10.1.0.2 0 2
  on hostile python3 "$HERE/peers/gre.py" 10.1.0.3 10.1.0.2 0 2
  on hostile python3 "$HERE/peers/gre.py" 192.0.2.10 10.1.0.2 0 11
  wait $client
  # The server hangs up on the colleague.
  local each
  for each in $(ip netns pids "$TAG-server"); do
    [ "$(cat "/proc/$each/comm")" != pptpctrl ] || kill -TERM "$each"
  done
  wait $colleague
}
