#!/bin/bash
# Plays the sessions of the examples with kinwall as the gateway: the same real programs, rules and
# attacks as in the recordings, live.
#
#   KINWALL=target/release/kinwall examples/live.sh [--profile linux|strict] OUT [EXAMPLE...]
#
# Must be root. For each `capture NAME` of an example's session, OUT/EXAMPLE holds afterwards:
#
#   NAME.counters.v4/6   the rules with what kinwall counted on each of them
#   NAME.expectations    the expectations that its helpers made, in order
# shellcheck source=examples/laboratory.sh
source "$(dirname "$0")/laboratory.sh"
OFFLOADS=on # as a machine has them

PROFILE=linux
if [ "${1:-}" = --profile ]; then PROFILE=$2; shift 2; fi
if [ $# -eq 0 ] || [ ! -x "${KINWALL:-}" ]; then
  die "usage: KINWALL=PROGRAM live.sh [--profile linux|strict] OUT [EXAMPLE...]"
fi
OUT=$(mkdir -p "$1" && cd "$1" && pwd)
shift

ctl() { on gateway "$KINWALL" ctl --socket "$SCRATCH/control.sock" "$@"; }

# rules FILE: has kinwall read a rule file (rules.v4, rules.v6) in place of the family's before.
rules() {
  case $1 in
    *.v6) RULES6=$FOLDER/$1 ;;
    *) RULES4=$FOLDER/$1 ;;
  esac
  {
    echo "rules4 = \"$RULES4\""
    [ -z "$RULES6" ] || echo "rules6 = \"$RULES6\""
    echo "control = \"$SCRATCH/control.sock\""
    echo "state = \"$SCRATCH/state\""
    echo "profile = \"$PROFILE\""
  } >"$SCRATCH/kinwall.toml"
  [ -z "$RUNS" ] || ctl reload
}

# parameter MODULE NAME VALUE: an option of a helper.
parameter() { ctl set "$1.$2=$3"; }

begin() {
  ip netns exec "$TAG-gateway" "$KINWALL" run --config "$SCRATCH/kinwall.toml" \
    >"$SCRATCH/kinwall.log" 2>&1 &
  RUNS=$!
  local try
  for try in $(seq 100); do
    ctl stats >/dev/null 2>&1 && return
    sleep 0.05
  done
  cat "$SCRATCH/kinwall.log" >&2
  die "kinwall does not run"
}

# capture NAME COMMAND...: runs a command, and says what came of each rule.
capture() {
  local name=$1 events family; shift
  ctl reload # counters begin anew
  ctl flush
  ip netns exec "$TAG-gateway" "$KINWALL" ctl --socket "$SCRATCH/control.sock" \
    --format conntrack events >"$SCRATCH/events" &
  events=$!
  sleep 0.2
  "$@"
  sleep 1
  kill $events
  wait $events 2>/dev/null || true
  grep ' proto=' "$SCRATCH/events" | sed 's/^ *//' >"$OUT/$EXAMPLE/$name.expectations" || true
  for family in 4 6; do
    ctl rules --format json | grep "\"family\":\"ipv$family\"" \
      >"$OUT/$EXAMPLE/$name.counters.v$family" || true
  done
}

play() {
  EXAMPLE=$1
  echo "playing $EXAMPLE ($PROFILE)"
  mkdir -p "$OUT/$EXAMPLE"
  stage "$EXAMPLE"
  RUNS='' RULES4='' RULES6=''
  rules rules.v4
  if [ -e "$FOLDER/rules.v6" ]; then rules rules.v6; fi
  begin
  session
  kill -TERM "$RUNS"
  wait "$RUNS" || { cat "$SCRATCH/kinwall.log" >&2; die "kinwall failed"; }
  [ -z "$(on gateway iptables-save | grep KINWALL)" ] || die "kinwall left chains behind"
  take_down
}

install_programs
if [ $# -eq 0 ]; then mapfile -t names < <(every_example); set -- "${names[@]}"; fi
for example in "$@"; do play "$example"; done
