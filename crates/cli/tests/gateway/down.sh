rules 4 <<X
*filter
-A FORWARD -j ACCEPT
COMMIT
X
cp "$DIR/rules.v4" "$DIR/rules.v6"
web server 80 6
ip -n client addr add 10.1.0.9/24 dev eth0
config 'management = ["10.1.0.9", "fd00:1::/64"]'
start
works get http://192.0.2.2/big
works get 'http://[2001:db8::2]/big'
works client ping -c 1 -W 1 10.1.0.1
stop KILL
# Closed, but for those who manage it.
fails get http://192.0.2.2/big
fails get 'http://[2001:db8::2]/big'
fails client ping -c 1 -W 1 10.1.0.1
works client ping -c 1 -W 1 -I 10.1.0.9 10.1.0.1
works client ping -c 1 -W 1 fd00:1::1
gateway "$KINWALL" run --config "$DIR/kinwall.toml" --check 2>>"$DIR/log"
says "chains of an earlier run are there"
# A start replaces what is left, and the end takes everything away.
config 'forward_while_down = "open"' 'input_while_down = "closed"'
start
works get http://192.0.2.2/big
stop KILL
works get http://192.0.2.2/big
fails client ping -c 1 -W 1 10.1.0.1
gateway "$KINWALL" run --remove 2>>"$DIR/log"
says "the chains of an earlier run are gone"
start
stop TERM
[ $STATUS = 0 ] || die "status $STATUS"
for tool in iptables-save ip6tables-save; do
  if gateway $tool | grep KINWALL; then die "chains are left"; fi
done
works client ping -c 1 -W 1 10.1.0.1
# Nothing of it had the kernel track connections.
[ "$(gateway sysctl -n net.netfilter.nf_conntrack_count)" = 0 ] || die "the kernel tracks"
# Who does not confirm is not locked out.
start --confirm 1
STATUS=0
wait "$RUNS" || STATUS=$?
[ $STATUS = 1 ] || die "status $STATUS"
says "nobody confirmed"
if gateway iptables-save | grep KINWALL; then die "chains are left"; fi
start --confirm 1
works ctl confirm
sleep 1.2
works ctl stats
stop TERM
