rules 4 <<X
*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT
COMMIT
X
web server 80 4
config
start
slow
sleep 0.5
# A mistake: everything stays.
cp "$DIR/rules.v4" "$DIR/good"
echo nonsense >>"$DIR/rules.v4"
fails ctl reload
says "nothing was reloaded"
works get http://192.0.2.2/big
# No new connections: the one that is open goes on.
sed 's/NEW,//' "$DIR/good" >"$DIR/rules.v4"
works ctl reload
fails get http://192.0.2.2/big
cp "$DIR/good" "$DIR/rules.v4"
kill -HUP $RUNS
wait_for get http://192.0.2.2/big
arrived
ctl set net.netfilter.nf_conntrack_max=1000
[ "$(ctl settings | grep nf_conntrack_max)" = "nf_conntrack_max = 1000" ] || die "not set"
fails ctl set net.netfilter.nf_conntrack_maximum=1000
ctl flush
[ "$(ctl connections | wc -l)" = 0 ] || die "not flushed"
stop INT
[ $STATUS = 0 ] || die "status $STATUS"
