rules 4 <<X
*filter
-A FORWARD -j ACCEPT
COMMIT
X
config "state = \"$DIR/state\""
start
status() { sed -n "s/^$1:[[:space:]]*//p" /proc/$RUNS/status; }
# CAP_NET_ADMIN and CAP_NET_RAW are bits 12 and 13.
for set in CapPrm CapEff CapBnd; do
  [ "$(status $set)" = 0000000000003000 ] || die "$set is $(status $set)"
done
[ "$(status CapInh)$(status CapAmb)" = 00000000000000000000000000000000 ] || die "something is inherited"
[ "$(status NoNewPrivs)" = 1 ] || die "it may gain privileges"
[ "$(status Seccomp)" = 2 ] || die "calls are not filtered"
works client ping -c 1 -W 1 192.0.2.2
works ctl reload
# A file elsewhere is out of reach, and the rules before stay.
mkdir -p /srv/kinwall-elsewhere
cp "$DIR/rules.v4" /srv/kinwall-elsewhere/rules.v4
sed -i 's#^rules4.*#rules4 = "/srv/kinwall-elsewhere/rules.v4"#' "$DIR/kinwall.toml"
fails ctl reload
says "/srv/kinwall-elsewhere/rules.v4"
rm -r /srv/kinwall-elsewhere
works client ping -c 1 -W 1 192.0.2.2
stop TERM
[ $STATUS = 0 ] || die "status $STATUS"
[ -s "$DIR/state" ] || die "no state was written"
if gateway iptables-save | grep KINWALL; then die "chains are left"; fi
