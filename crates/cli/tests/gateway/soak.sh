rules 4 <<X
*raw
-A PREROUTING -i lan -p tcp --dport 21 -j CT --helper ftp
COMMIT
*nat
-A POSTROUTING -o wan -j MASQUERADE
COMMIT
*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A FORWARD -i lan -m conntrack --ctstate NEW -j ACCEPT
COMMIT
X
web server 80 4
ip -n server route del default
config "state = \"$DIR/state\"" 'state_every = 1' '[sysctl]' 'nf_conntrack_tcp_loose = 0'
start
files() { ls /proc/$RUNS/fd | wc -l; }
get http://192.0.2.2/big
FILES=$(files)
# Open all the time: whatever happens, it arrives, under its translated address.
slow
for round in $(seq 12); do
  works client ping -c 1 -W 2 192.0.2.2
  wait_for get http://192.0.2.2/big
  case $round in
    2 | 9) works ctl reload ;;
    3)
      ip -n gateway link set lan down
      sleep 0.3
      ip -n gateway link set lan up
      ip -n gateway addr replace 10.1.0.1/24 dev lan
      ;;
    5) works ctl set nf_conntrack_max=5000 ;;
    6)
      stop USR2
      [ $STATUS = 75 ] || die "status $STATUS"
      start
      ;;
    8) sleep 1.2; stop KILL; start ;;
    10) kill -HUP $RUNS ;;
  esac
  [ $round != 5 ] || rules 4 <<X
*nat
-A POSTROUTING -o wan -j MASQUERADE
COMMIT
*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT
COMMIT
X
done
arrived
[ "$(files)" -le $((FILES + 1)) ] || die "$(files) files, $FILES before"
stop TERM
[ $STATUS = 0 ] || die "status $STATUS"
