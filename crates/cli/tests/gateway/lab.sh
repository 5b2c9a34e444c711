# A client inside, a server outside, a gateway between them: words for the scripts of gateway.rs.
# DIR is a folder for its files, SCRIPTS the one it is in, KINWALL the program.
set -eu

PIDS=''
# With their names in a file system of this script's own, they end with it.
mkdir -p /run/netns
mount -t tmpfs none /run/netns
for name in client gateway server; do
  ip netns add $name
  ip -n $name link set lo up
done
on() { local host=$1; shift; ip netns exec "$host" "$@"; }
client() { on client "$@"; }
gateway() { on gateway "$@"; }
server() { on server "$@"; }

# cable DEVICE HOST: an interface of the gateway, and eth0 of a host at its other end.
cable() {
  ip link add "$1" netns gateway type veth peer name eth0 netns "$2"
  ip -n gateway link set "$1" up
  ip -n "$2" link set eth0 up
}
cable lan client
cable wan server
ip -n gateway addr add 10.1.0.1/24 dev lan
ip -n gateway addr add fd00:1::1/64 dev lan nodad
ip -n gateway addr add 192.0.2.1/24 dev wan
ip -n gateway addr add 2001:db8::1/64 dev wan nodad
ip -n client addr add 10.1.0.2/24 dev eth0
ip -n client addr add fd00:1::2/64 dev eth0 nodad
ip -n server addr add 192.0.2.2/24 dev eth0
ip -n server addr add 2001:db8::2/64 dev eth0 nodad
ip -n client route add default via 10.1.0.1
ip -n client -6 route add default via fd00:1::1
ip -n server route add default via 192.0.2.1
ip -n server -6 route add default via 2001:db8::1
gateway sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1

SOCKET=/run/netns/control.sock
ctl() { gateway "$KINWALL" ctl --socket $SOCKET "$@"; }

# rules FAMILY: what stands on the standard input becomes the family's rules.
rules() { cat >"$DIR/rules.v$1"; }

# config LINE...: writes kinwall.toml, with these lines.
config() {
  {
    [ ! -e "$DIR/rules.v4" ] || echo 'rules4 = "rules.v4"'
    [ ! -e "$DIR/rules.v6" ] || echo 'rules6 = "rules.v6"'
    echo "control = \"$SOCKET\""
    case "$*" in *state*) ;; *) echo 'state = ""' ;; esac
    printf '%s\n' "$@"
  } >"$DIR/kinwall.toml"
}

# start ARGUMENT...: the gateway begins, and stands.
start() {
  ip netns exec gateway "$KINWALL" run --config "$DIR/kinwall.toml" "$@" >>"$DIR/log" 2>&1 &
  RUNS=$!
  wait_for ctl stats
}

# stop SIGNAL: it ends; its exit status is STATUS.
stop() {
  kill "-$1" "$RUNS"
  STATUS=0
  wait "$RUNS" || STATUS=$?
}

# wait_for COMMAND...: until it succeeds, five seconds at most.
wait_for() {
  for _ in $(seq 100); do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.05
  done
  die "in vain: $*"
}

# web HOST PORT FAMILY: a web server with the files `big` and `huge`.
web() {
  mkdir -p "$DIR/www"
  [ -e "$DIR/www/big" ] || head -c 3000000 /dev/urandom >"$DIR/www/big"
  [ -e "$DIR/www/huge" ] || head -c 40000000 /dev/urandom >"$DIR/www/huge"
  case $3 in 4) bind=0.0.0.0 ;; *) bind=:: ;; esac
  on "$1" python3 -m http.server --directory "$DIR/www" --bind $bind "$2" >/dev/null 2>&1 &
  wait_for listens "$1" "$2"
}
listens() { [ -n "$(on "$1" ss -Hlnt "sport = :$2")" ]; }

# works COMMAND..., fails COMMAND...: as it must be.
works() { "$@" >/dev/null 2>"$DIR/err" || { cat "$DIR/err" "$DIR/log" >&2; die "fails: $*"; }; }
fails() { if "$@" >/dev/null 2>&1; then die "works: $*"; fi; }
says() { grep -q -- "$1" "$DIR/log" || { cat "$DIR/log" >&2; die "nobody says: $1"; }; }
die() { echo "die: $*" >&2; exit 1; }

# slow: the client begins a transfer of about eight seconds, more than any buffer holds at once.
slow() {
  client curl -sS -m 30 --limit-rate 5M -o "$DIR/slow" http://192.0.2.2/huge &
  SLOW=$!
}
# arrived: it ended well.
arrived() {
  wait "$SLOW" || die "the transfer failed"
  cmp "$DIR/slow" "$DIR/www/huge" || die "the transfer is damaged"
}

get() { client curl -gsS -m 3 -o "$DIR/got" "$@"; }
ping4() { "$@" ping -c 1 -W 1 192.0.2.2; }
: >"$DIR/log"
