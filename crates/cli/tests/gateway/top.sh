rules 4 <<X
*raw
-A PREROUTING -i lan -p tcp --dport 21 -j CT --helper ftp
COMMIT
*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A FORWARD -p tcp -m conntrack --ctstate RELATED -m helper --helper ftp --dport 1024: -j ACCEPT
-A FORWARD -i lan -p tcp --dport 21 -j ACCEPT
-A FORWARD -p icmp -j ACCEPT
COMMIT
X
config
top() { gateway "$KINWALL" top --socket $SOCKET "$@"; }
screen() { python3 "$SCRIPTS/top.py" "$@" -- ip netns exec gateway "$KINWALL" top --socket $SOCKET; }
# Without a terminal, and without a gateway.
STATUS=0
top >"$DIR/out" 2>"$DIR/err" || STATUS=$?
[ $STATUS = 2 ] && grep -q 'kinwall ctl stats' "$DIR/err" || die "$(cat "$DIR/err")"
STATUS=0
python3 -c 'import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)' \
  ip netns exec gateway "$KINWALL" top --socket $SOCKET >"$DIR/out" || STATUS=$?
[ $STATUS = 1 ] && grep -q 'no gateway answers there' "$DIR/out" || die "$STATUS $(cat "$DIR/out")"

mkdir -p "$DIR/ftp" "$DIR/empty"
head -c 3000 /dev/urandom >"$DIR/ftp/file"
chmod 755 "$DIR/ftp"
cat >"$DIR/vsftpd.conf" <<X
listen=YES
anonymous_enable=YES
anon_root=$DIR/ftp
no_anon_password=YES
secure_chroot_dir=$DIR/empty
seccomp_sandbox=NO
X
server vsftpd "$DIR/vsftpd.conf" &
wait_for listens server 21
start
works client ping -c 1 -W 1 192.0.2.2
fetch='ip netns exec client curl -sS -m 5 -o /dev/null ftp://192.0.2.2/file'
screen 'see 1 overview' 'see icmp' "key 2" 'see 10.1.0.2 -> 192.0.2.2' 'key /-p tcp\r' \
  'see filter: -p tcp' 'key 3' "do $fetch" 'see matched' 'see expected by ftp' 'key 4' \
  'see refused by guard' 'key 5' 'see --helper ftp' 'key q' 'end - 0' || die "the screen"
screen 'see 1 overview' 'end TERM 143' || die "SIGTERM"
# The gateway goes, and another one comes.
cat >"$DIR/again" <<X
ip netns exec gateway "$KINWALL" run --config "$DIR/kinwall.toml" >>"$DIR/log" 2>&1 &
X
screen 'see 1 overview' "do kill -TERM $RUNS" 'see no gateway answers there' \
  "do sh $DIR/again" 'see up for' 'see ? help' 'key q' 'end - 0' || die "a gateway that goes"
