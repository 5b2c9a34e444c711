rules 4 <<X
*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A FORWARD -i lan -p tcp --dport 80 --syn -m conntrack --ctstate NEW -j ACCEPT
COMMIT
X
web server 80 4
config 'state = "state"' 'state_every = 1' '[sysctl]' 'nf_conntrack_tcp_loose = 0'
start
slow
sleep 1.5
stop TERM
[ $STATUS = 0 ] || die "status $STATUS"
start
says "1 connections and 0 expectations go on"
arrived
slow
sleep 2.5
stop KILL
start
arrived
# Without the file the connection would be INVALID.
slow
sleep 1.5
stop KILL
truncate -s -3 "$DIR/state"
start
says "the state is damaged"
[ -e "$DIR/state.refused" ] || die "it is not kept"
[ "$(ctl connections | wc -l)" = 0 ] || die "something goes on"
kill $SLOW
stop TERM
