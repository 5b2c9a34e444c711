#!/bin/bash
# Records the captures of the examples again: real programs in network namespaces, with the
# Linux kernel and the example's own rules as the gateway between them.
#
#   examples/record.sh [EXAMPLE...]        (as root; all examples by default)
#
# What comes out, for each `capture NAME` of an example's session:
#
#   NAME.pcapng          what arrived on the gateway's interfaces, every packet once, by time
#   NAME.counters.v4/6   the rules with what the gateway's kernel counted on each of them
#   NAME.expectations    the expectations that the kernel's helpers made, in order
# shellcheck source=examples/laboratory.sh
source "$(dirname "$0")/laboratory.sh"

# listen DEVICE in|out FILTER: what passes a device of the gateway, into a part of the capture.
listen() {
  local file=$SCRATCH/$1-$2 try
  ip netns exec "$TAG-gateway" tcpdump -i "$1" -Q "$2" -p -n -U --immediate-mode -Z root \
    --time-stamp-precision=nano -w "$file.pcap" "$3" 2>"$file.log" &
  pids+=($!)
  parts+=("$1=$file.pcap")
  for try in $(seq 100); do
    grep -qs listening "$file.log" && return
    sleep 0.05
  done
  die "tcpdump does not listen on $1"
}

# What leaves the gateway is recorded too where an example says which, as `src host A`.
OWN=

# capture NAME COMMAND...: records what arrives at the gateway while a command runs.
capture() {
  local name=$1 device mac pids=() parts=() table; shift
  for table in raw mangle filter; do
    on gateway iptables -t $table -Z
    on gateway ip6tables -t $table -Z
  done
  on gateway conntrack -F 2>/dev/null
  # Without a function around it, so that the process known here is the program itself.
  ip netns exec "$TAG-gateway" conntrack -E expect >"$SCRATCH/expectations" 2>/dev/null &
  pids+=($!)
  for device in "${INTERFACES[@]}"; do
    # Frames that the switch floods for somebody else are not the gateway's.
    mac=$(on gateway cat "/sys/class/net/$device/address")
    listen "$device" in "(ip or ip6) and (ether multicast or ether dst $mac)"
    [ -z "$OWN" ] || listen "$device" out "(ip or ip6) and $OWN"
  done
  "$@"
  sleep 1
  kill "${pids[@]}"
  wait "${pids[@]}" 2>/dev/null || true
  python3 "$HERE/peers/pcapng.py" "$FOLDER/$name.pcapng" "$START" "${parts[@]}"
  sed 's/^ *//; s/  */ /g' "$SCRATCH/expectations" >"$FOLDER/$name.expectations"
  local family
  for family in 4 6; do
    [ -e "$FOLDER/rules.v$family" ] || continue
    on gateway "$(tool $family)-save" -c | grep -v '^#' >"$FOLDER/$name.counters.v$family"
  done
}

tool() { [ "$1" = 4 ] && echo iptables || echo ip6tables; }

# rules FILE: loads a rule file (rules.v4, rules.v6) into the gateway.
rules() {
  case $1 in
    *.v6) on gateway ip6tables-restore <"$FOLDER/$1" ;;
    *) on gateway iptables-restore <"$FOLDER/$1" ;;
  esac
}

record() {
  echo "recording $1"
  OWN=
  stage "$1"
  rules rules.v4
  if [ -e "$FOLDER/rules.v6" ]; then rules rules.v6; fi
  sleep 1 # multicast reports of the new interfaces
  session
  take_down
  put_back
}

install_programs
if [ $# -eq 0 ]; then mapfile -t names < <(every_example); set -- "${names[@]}"; fi
for example in "$@"; do record "$example"; done
ls -l "$HERE"/*/*.pcapng | awk '{ print $5, $9 }'
