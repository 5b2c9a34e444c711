for family in 4 6; do
  icmp=icmp-port-unreachable proto=icmp
  [ $family = 4 ] || { icmp=icmp6-port-unreachable; proto=ipv6-icmp; }
  rules $family <<X
*filter
-A INPUT -p tcp --dport 81 -j REJECT --reject-with tcp-reset
-A INPUT -p tcp --dport 82 -j REJECT
-A INPUT -p tcp --dport 83 -j DROP
-A INPUT -p udp --dport 82 -j REJECT
-A FORWARD -p tcp --dport 81 -j REJECT --reject-with tcp-reset
-A FORWARD -p tcp --dport 82 -j REJECT --reject-with $icmp
-A FORWARD -p tcp --dport 83 -j DROP
-A OUTPUT -p tcp --dport 81 -j REJECT --reject-with tcp-reset
-A OUTPUT -p tcp --dport 82 -j REJECT
-A OUTPUT -p $proto -m conntrack --ctstate INVALID -j DROP
COMMIT
X
done
config
start
# code COMMAND...: its exit status. curl: 7 is refused, 28 too late.
code() { local status=0; "$@" >/dev/null 2>&1 || status=$?; echo $status; }
for host in 192.0.2.2 '[2001:db8::2]' 10.1.0.1 '[fd00:1::1]'; do
  for port in 81 82; do
    [ "$(code client curl -g -m 2 http://$host:$port)" = 7 ] || die "client, $host:$port"
  done
  [ "$(code client curl -g -m 1 http://$host:83)" = 28 ] || die "client, $host:83"
done
for host in 192.0.2.2 '[2001:db8::2]'; do
  for port in 81 82; do
    [ "$(code gateway curl -g -m 2 http://$host:$port)" = 7 ] || die "gateway, $host:$port"
  done
done
stop TERM
