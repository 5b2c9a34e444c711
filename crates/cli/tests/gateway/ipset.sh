rules 4 <<X
*filter
:FORWARD DROP [0:0]
-A FORWARD -m set --match-set blocked src -j DROP
-A FORWARD -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT
COMMIT
X
echo "create blocked hash:ip timeout 0" >"$DIR/sets"
web server 80 4
config 'sets = ["sets"]'
start
works get http://192.0.2.2/big
ctl ipset | grep -q "blocked .*hash:ip .* 0 elements" || die "not listed"
# Connections that are open already are asked too.
slow
sleep 0.5
works ctl ipset add blocked 10.1.0.2
fails get http://192.0.2.2/big
fails ctl ipset add blocked 10.1.0.2
ctl ipset add blocked 10.1.0.2 2>&1 | grep -q "is in the set already" || die "not refused"
ctl ipset add blacklist 10.1.0.2 2>&1 | grep -q "there is no set blacklist" || die "not refused"
works ctl ipset del blocked 10.1.0.2
wait_for get http://192.0.2.2/big
arrived
works ctl ipset add blocked 10.1.0.2 timeout 4
fails get http://192.0.2.2/big
wait_for get http://192.0.2.2/big
ctl --format json ipset flush blocked | grep -q '"elements":0' || die "not flushed"
stop INT
[ $STATUS = 0 ] || die "status $STATUS"
