rules 4 <<X
*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A FORWARD -i lan -m conntrack --ctstate NEW -j ACCEPT
COMMIT
X
web server 80 4
config '[sysctl]' 'nf_conntrack_max = 2000'
start
memory() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' /proc/$RUNS/status; }
files() { ls /proc/$RUNS/fd | wc -l; }
client python3 "$SCRIPTS/flood.py" 192.0.2.2 3
memory_before=$(memory) files_before=$(files)
# An open transfer goes on: at half its speed at least.
began=$(date +%s)
slow
client python3 "$SCRIPTS/flood.py" 192.0.2.2 12 &
arrived
[ $(($(date +%s) - began)) -le 16 ] || die "it took $(($(date +%s) - began)) seconds"
wait %client 2>/dev/null || true
count=$(ctl connections --format json | wc -l)
[ "$count" -le 2000 ] && [ "$count" -ge 1000 ] || die "$count connections"
# Neither memory nor files grow with what comes.
[ "$(files)" = "$files_before" ] || die "$(files) files, $files_before before"
[ "$(memory)" -le $((memory_before + 4096)) ] || die "$(memory) kB, $memory_before before"
ctl stats | grep -q 'early-drop: [1-9]' || die "nothing made room: $(ctl stats)"
stop TERM
[ $STATUS = 0 ] || die "status $STATUS"
