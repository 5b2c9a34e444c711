rules 4 <<X
*mangle
-A PREROUTING -i lan -p tcp --dport 8080 -j MARK --set-mark 7
-A FORWARD -p tcp --syn -j TCPMSS --set-mss 900
COMMIT
*nat
-A POSTROUTING -o wan -j MASQUERADE
-A PREROUTING -i wan -p tcp --dport 8000 -j DNAT --to-destination 10.1.0.2:80
COMMIT
*filter
-A FORWARD -m conntrack --ctstate INVALID -j DROP
COMMIT
X
rules 6 <<X
*filter
-A FORWARD -m conntrack --ctstate INVALID -j DROP
COMMIT
X
config
start
web server 80 4
web server 8080 4
web client 80 4
# Nobody outside knows a way to the client but by translation.
ip -n server route del default
works get http://192.0.2.2/big
cmp "$DIR/got" "$DIR/www/big"
server curl -sS -m 3 -o "$DIR/got" http://192.0.2.1:8000/big
cmp "$DIR/got" "$DIR/www/big"
[ "$(ctl connections --src-nat | wc -l)" = 1 ] || die "one connection's source is translated"
# Fragments, of both families; those of IPv4 are translated as a whole.
works client ping -c 5 -W 2 -i 0.3 -s 20000 192.0.2.2
works client ping -c 5 -W 2 -i 0.3 -s 20000 2001:db8::2
# A mark that a rule gives decides about the route.
works get http://192.0.2.2:8080/big
gateway ip route add blackhole default table 77
gateway ip rule add fwmark 7/0xff lookup 77
fails get http://192.0.2.2:8080/big
works get http://192.0.2.2/big
stop TERM
