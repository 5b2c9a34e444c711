rules 4 <<X
*filter
-A FORWARD -j ACCEPT
COMMIT
X
config
start
# Another one, with the same queue or the same socket.
cp "$DIR/kinwall.toml" "$DIR/other.toml"
fails gateway "$KINWALL" run --config "$DIR/other.toml"
sed -i 's/control.sock/other.sock/' "$DIR/other.toml"
gateway "$KINWALL" run --config "$DIR/other.toml" 2>>"$DIR/log" && die "two share a queue"
says "packet queue 0 is taken"
says "queue = 1"
echo 'queue = 1' >>"$DIR/other.toml"
gateway "$KINWALL" run --config "$DIR/other.toml" --check 2>>"$DIR/log"
works client ping -c 1 -W 1 192.0.2.2
stop TERM
# refused TEXT MESSAGE: such a file is refused, at its place, and no chain is made.
refused() {
  printf '%b' "$1" >"$DIR/kinwall.toml"
  : >"$DIR/log"
  gateway "$KINWALL" run --config "$DIR/kinwall.toml" 2>>"$DIR/log" && die "taken: $1"
  says "$2"
  if gateway iptables-save | grep KINWALL; then die "chains are left"; fi
}
refused 'rules4 = "rules.v4"\nqeue = 3\n' 'kinwall.toml:2:1'
refused 'rules4 = "rules.v4"\nmark = 3\n' 'eight bits'
refused 'rules4 = "nothing.v4"\n' 'nothing.v4'
refused 'queue = 3\n' 'rules4'
refused 'rules4 = "rules.v4"\n[sysctl]\nnf_conntrack_maxx = 3\n' 'nf_conntrack_max?'
echo nonsense >>"$DIR/rules.v4"
refused 'rules4 = "rules.v4"\n' 'rules.v4:4:1'
# Who may not is told.
fails setpriv --reuid 65534 --clear-groups "$KINWALL" run --config "$DIR/kinwall.toml"
: >"$DIR/log"
"$KINWALL" ctl --socket "$DIR/nobody.sock" stats 2>>"$DIR/log" && die "somebody answers"
says "no gateway answers there"
