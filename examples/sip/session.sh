# A provider outside, with a proxy (kamailio) and an answering machine that returns what it hears.
# Inside three telephones (baresip): Alice's speaks SIP over UDP, Carol's over TCP, Dora's over
# UDP and IPv6. A friend outside has one too, and somebody outside is curious.
network() {
  gateway eth0 192.0.2.1/24 2001:db8::1/64
  gateway eth1 10.1.0.1/24 fd00:1::1/64
  host alice eth1 10.1.0.2/24
  host carol eth1 10.1.0.3/24
  host dora eth1 fd00:1::2/64
  host provider eth0 192.0.2.10/24 2001:db8::10/64
  host friend eth0 192.0.2.20/24
  host curious eth0 192.0.2.66/24
}

session() {
  mkdir -p "$SCRATCH/kamailio"
  serve provider 5060 kamailio -DD -E -m 64 -M 8 -P "$SCRATCH/kamailio/pid" \
    -Y "$SCRATCH/kamailio" -w "$SCRATCH/kamailio" -f "$FOLDER/kamailio.cfg"
  capture capture calls
  # A call between friends, whose media do not pass through the provider, under rules that
  # believe the helper everything: with the kernel's default, and with its dangerous option.
  rules careless.v4
  capture refused call_a_friend
  parameter nf_conntrack_sip sip_direct_media 0
  capture direct call_a_friend
}

# phone HOST NAME SERVER ADDRESS;transport... KEY...
phone() {
  local host=$1 name=$2 server=$3 transport=$4 address=$5; shift 5
  ip netns exec "$TAG-$host" python3 "$HERE/peers/phone.py" \
    "<sip:$name@$server;transport=$transport>;regint=300" "$address" -- "$@" \
    >>"$SCRATCH/$name.log" 2>&1
}

# The provider's answering machine: at another port of the same address.
machine() {
  local address=$1; shift
  ip netns exec "$TAG-provider" python3 "$HERE/peers/phone.py" \
    "<sip:echo@$address>;regint=0;answermode=auto" "$address:5070" -- "$@" \
    >>"$SCRATCH/machine.log" 2>&1
}

calls() {
  # Alice calls, holds, goes on, and hangs up. Meanwhile somebody tries the ports she opened.
  machine 192.0.2.10 CALL_ESTABLISHED? CALL_CLOSED? 1 &
  local machine=$!
  sleep 0.5 # until it answers
  phone alice alice 192.0.2.10 udp 10.1.0.2:5060 REGISTER_OK? dial=sip:echo@192.0.2.10 \
    CALL_ESTABLISHED? 1.5 hold 0.6 resume 1 hangup 0.5 &
  local alice=$!
  sleep 2
  try_ports 10.1.0.2
  wait $alice $machine

  # Carol registers over TCP, and is called by the provider, which hangs up.
  phone carol carol 192.0.2.10 tcp 10.1.0.3:5060 REGISTER_OK? CALL_INCOMING? 0.3 accept \
    CALL_CLOSED? 0.3 &
  local carol=$!
  sleep 1
  machine 192.0.2.10 'dial=sip:carol@192.0.2.10' CALL_ESTABLISHED? 1 hangup 1
  try_ports 10.1.0.3
  wait $carol

  # Dora calls over IPv6.
  machine '[2001:db8::10]' CALL_ESTABLISHED? CALL_CLOSED? 1 &
  machine=$!
  sleep 0.5
  phone dora dora '[2001:db8::10]' udp '[fd00:1::2]:5060' REGISTER_OK? \
    'dial=sip:echo@[2001:db8::10]' CALL_ESTABLISHED? 1 hangup 0.5
  wait $machine
}

# Somebody who is not the provider sends to a telephone's ports.
try_ports() {
  on curious python3 "$HERE/peers/datagrams.py" "$1" 5060 $(seq 10000 10020)
}

# While the friend's telephone rings, somebody else tries the ports that wait for the friend.
call_a_friend() {
  phone friend friend 192.0.2.10 udp 192.0.2.20:5060 REGISTER_OK? CALL_INCOMING? 1.5 accept \
    CALL_CLOSED? 0.5 &
  local friend=$!
  sleep 1
  phone alice alice 192.0.2.10 udp 10.1.0.2:5060 REGISTER_OK? dial=sip:friend@192.0.2.10 \
    CALL_ESTABLISHED? 1 hangup 0.5 &
  local alice=$!
  sleep 1
  try_ports 10.1.0.2
  wait $alice $friend
}
