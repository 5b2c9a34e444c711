rules 4 <<X
*filter
:FORWARD DROP [0:0]
-A FORWARD -p icmp -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT
COMMIT
X
config
start
ctl trace --dst 192.0.2.2 >"$DIR/text" &
ctl trace --proto tcp --dport 81 --format json >"$DIR/json" &
sleep 0.5
works client ping -c 1 -W 1 192.0.2.2
fails client curl -s -m 0.5 http://192.0.2.2:81/
fails client curl -s -m 0.5 http://192.0.2.2:82/
sleep 0.3
# There and back, and what was refused.
[ "$(grep -c '^icmp 10.1.0.2 -> 192.0.2.2' "$DIR/text")" = 1 ] || die "$(cat "$DIR/text")"
[ "$(grep -c '^icmp 192.0.2.2 -> 10.1.0.2' "$DIR/text")" = 1 ] || die "no answer"
grep -q 'ACCEPT' "$DIR/text" && grep -q 'DROP' "$DIR/text" || die "no verdicts"
[ "$(grep -c '"type":"explanation"' "$DIR/json")" = "$(wc -l <"$DIR/json")" ] || die "$(cat "$DIR/json")"
grep -q '"verdict":"drop"' "$DIR/json" || die "no drop"
fails ctl trace --helper ftp
stop TERM
