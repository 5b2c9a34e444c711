rules 4 <<X
*raw
-A PREROUTING -m rpfilter --invert -j DROP
COMMIT
*filter
-A FORWARD -o lan -m conntrack --ctstate NEW -j DROP
COMMIT
X
config
start
web server 80 4
works get http://192.0.2.2/big
# A new address behind lan: spoofed until there is a route.
ip -n client addr add 10.7.0.2/24 dev eth0
fails client curl -sS -m 1 --interface 10.7.0.2 http://192.0.2.2/big
gateway ip route add 10.7.0.0/24 dev lan
wait_for client curl -sS -m 1 -o /dev/null --interface 10.7.0.2 http://192.0.2.2/big
# It goes down and comes back.
slow
sleep 0.5
ip -n gateway link set wan down
sleep 0.5
ip -n gateway link set wan up
arrived
# One that vanishes takes its packets with it, and another comes.
ip -n gateway link del wan
fails get http://192.0.2.2/big
ip link add uplink netns gateway type veth peer name eth0 netns server
ip -n gateway link set uplink up
ip -n server link set eth0 up
ip -n gateway addr add 192.0.2.1/24 dev uplink
ip -n server addr add 192.0.2.2/24 dev eth0
ip -n server route add default via 192.0.2.1
wait_for get http://192.0.2.2/big
stop TERM
[ $STATUS = 0 ] || die "status $STATUS"
