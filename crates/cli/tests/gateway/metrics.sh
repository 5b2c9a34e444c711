rules 4 <<X
*filter
-A FORWARD -p icmp -j ACCEPT
COMMIT
X
config
metrics() { gateway "$KINWALL" metrics --socket $SOCKET "$@"; }
fails metrics
start
works client ping -c 1 -W 1 192.0.2.2
metrics >"$DIR/once"
for line in 'kinwall_up 1' 'kinwall_connections 1' '# EOF' \
  'kinwall_rule_packets_total{family="ipv4",table="filter",chain="FORWARD",number="1"} 2'; do
  grep -qxF "$line" "$DIR/once" || { cat "$DIR/once" >&2; die "no $line"; }
done
metrics --listen 127.0.0.1:9469 &
wait_for gateway curl -s http://127.0.0.1:9469/
gateway curl -s http://127.0.0.1:9469/metrics | grep -qx 'kinwall_up 1' || die "nothing is served"
[ "$(gateway curl -s -o "$DIR/other" -w '%{http_code}' http://127.0.0.1:9469/other)" = 404 ]
stop TERM
gateway curl -s http://127.0.0.1:9469/metrics | grep -qx 'kinwall_up 0' || die "it is not down"
