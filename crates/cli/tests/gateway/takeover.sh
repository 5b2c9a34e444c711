rules 4 <<X
*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A FORWARD -i lan -p tcp --dport 80 --syn -m conntrack --ctstate NEW -j ACCEPT
COMMIT
X
web server 80 4
config "state = \"$DIR/state\"" '[sysctl]' 'nf_conntrack_tcp_loose = 0'
# The kernel's own rules, until now.
gateway iptables -A FORWARD -m conntrack --ctstate ESTABLISHED,NEW -j ACCEPT
slow
sleep 1
client ping -c 1 -W 1 192.0.2.2 >/dev/null
start
says "connections and 0 expectations of the kernel are taken over"
ctl connections | grep -q 'dport=80\|:80\|192.0.2.2' || die "it is not there: $(ctl connections)"
gateway iptables -F FORWARD
arrived
# What was no connection is none.
fails ping4 client
works get http://192.0.2.2/big
stop TERM
# It has a state of its own now.
gateway iptables -A FORWARD -m conntrack --ctstate ESTABLISHED,NEW -j ACCEPT
start
says "connections and 0 expectations go on"
[ "$(grep -c 'taken over' "$DIR/log")" = 1 ] || die "taken over twice"
stop TERM
