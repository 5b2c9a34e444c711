# A laboratory for examples: real programs in network namespaces around a gateway. Sourced by
# record.sh, where the Linux kernel is the gateway, and by live.sh, where kinwall is; each says
# what `rules` and `capture` mean there.
#
# An example is a folder with session.sh, which defines two functions in the words below:
# `network` says which hosts there are, `session` what they do.
#
# Only namespaces made here carry traffic; they, the processes in them and every setting that
# was changed are put back at the end, after a failure too.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PACKAGES=(iproute2 ethtool iptables conntrack tcpdump python3 vsftpd lftp curl tftpd-hpa tftp-hpa
  ngircd pptpd pptp-linux sane-utils amanda-server amanda-client libencode-locale-perl
  openbsd-inetd samba snmp snmpd libcups2 kamailio baresip-core nftables debootstrap)
TAG="kinwall-$$"
START="2026-01-01T00:00:00" # the instant at which every recorded capture begins
OFFLOADS=off                # whether the links' hardware would join and cut packets

die() { echo "${0##*/}: $*" >&2; exit 1; }

# ---- setting up and taking down ------------------------------------------------------------

install_programs() {
  local missing=() package
  for package in "${PACKAGES[@]}"; do
    dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  echo "installing ${missing[*]}"
  # The services must not start by themselves: they run inside the namespaces only.
  local policy=/usr/sbin/policy-rc.d made=no
  [ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' >$policy; chmod +x $policy; made=yes; }
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  [ $made = no ] || rm -f $policy
}

NAMESPACES=()
take_down() {
  local name
  for name in "${NAMESPACES[@]}"; do
    ip netns pids "$name" 2>/dev/null | xargs -r kill -KILL 2>/dev/null || true
    ip netns delete "$name" 2>/dev/null || true
  done
  NAMESPACES=()
}

# Parameters of the kernel's modules before they were changed, as `file=value`.
PARAMETERS=()
put_back() {
  local each
  for each in "${PARAMETERS[@]}"; do echo "${each#*=}" >"${each%%=*}"; done
  PARAMETERS=()
}

clean_up() {
  take_down
  put_back
  rm -rf "$SCRATCH"
}

namespace() {
  NAMESPACES+=("$TAG-$1")
  ip netns add "$TAG-$1"
  # No router solicitations, no waiting for duplicate addresses, multicast reports at once:
  # nothing is on the wire but the session. Ephemeral ports come from a small range.
  on "$1" sysctl -q -w net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.accept_ra=0 \
    net.ipv6.conf.default.router_solicitations=0 net.ipv4.conf.default.rp_filter=0 \
    net.ipv6.conf.default.mldv1_unsolicited_report_interval=10 \
    net.ipv6.conf.default.mldv2_unsolicited_report_interval=10 \
    net.ipv4.ip_local_port_range="40000 40999" net.ipv4.conf.all.rp_filter=0
  on "$1" ip link set lo up
}

# on HOST COMMAND...: runs a command in a host of the example.
on() { local host=$1; shift; ip netns exec "$TAG-$host" "$@"; }

LINKS=0
# link HOST DEVICE SWITCH: a cable from a host to a switch.
link() {
  LINKS=$((LINKS + 1))
  ip link add "kw$LINKS" netns "$TAG-$3" type veth peer name "$2" netns "$TAG-$1" \
    address "02:00:00:00:00:$(printf %02x $LINKS)"
  on "$3" ip link set "kw$LINKS" master switch up
  if [ "$OFFLOADS" = off ]; then
    on "$3" ethtool -K "kw$LINKS" tso off gso off gro off tx off rx off >/dev/null 2>&1
    on "$1" ethtool -K "$2" tso off gso off gro off tx off rx off >/dev/null 2>&1
  fi
}

address() {
  local host=$1 device=$2 each; shift 2
  for each in "$@"; do
    case $each in
      *:*) on "$host" ip address add "$each" dev "$device" ;;
      # With its broadcast address, as the tools that configure networks do.
      *) on "$host" ip address add "$each" broadcast + dev "$device" ;;
    esac
  done
}

# ---- words for session.sh ------------------------------------------------------------------

INTERFACES=()
# gateway INTERFACE ADDRESS...: an interface of the gateway and the segment behind it.
gateway() {
  local device=$1; shift
  INTERFACES+=("$device")
  namespace "switch-$device"
  on "switch-$device" ip link add switch address 02:00:00:00:ff:01 type bridge mcast_snooping 0
  on "switch-$device" sysctl -q -w net.ipv6.conf.all.disable_ipv6=1
  on "switch-$device" ip link set switch up
  link gateway "$device" "switch-$device"
  on gateway ip link set "$device" up
  address gateway "$device" "$@"
}

# host NAME INTERFACE ADDRESS...: a host on the segment behind an interface of the gateway, which
# is its default route.
host() {
  local name=$1 segment=$2 each; shift 2
  namespace "$name"
  link "$name" eth0 "switch-$segment"
  on "$name" ip link set eth0 up
  address "$name" eth0 "$@"
  for each in "$@"; do
    case $each in
      *:*) on "$name" ip -6 route add default via "${each%::*}::1" ;;
      *) on "$name" ip route add default via "${each%.*}.1" ;;
    esac
  done
}

# serve HOST PORT PROGRAM...: starts a server and waits until it listens.
serve() {
  local host=$1 port=$2 try; shift 2
  ip netns exec "$TAG-$host" "$@" >"$SCRATCH/$host-$port.log" 2>&1 &
  disown $! # it is killed with its namespace
  for try in $(seq 100); do
    [ -n "$(on "$host" ss -Hlntu "sport = :$port")" ] && return
    sleep 0.05
  done
  cat "$SCRATCH/$host-$port.log" >&2
  die "$1 does not listen on port $port"
}

# ftp_server HOST [LINE...]: vsftpd for anonymous clients, with more lines for its configuration.
ftp_server() {
  local host=$1; shift
  mkdir -p "$SCRATCH/ftp/incoming"
  for n in $(seq 40); do echo "line $n of a small file"; done >"$SCRATCH/ftp/notes.txt"
  touch -d "$START" "$SCRATCH/ftp/notes.txt" "$SCRATCH/ftp/incoming"
  chmod 755 "$SCRATCH" "$SCRATCH/ftp" && chmod 777 "$SCRATCH/ftp/incoming"
  mkdir -p "$SCRATCH/empty"
  cat >"$SCRATCH/vsftpd.conf" <<END
listen_ipv6=YES
anonymous_enable=YES
local_enable=NO
write_enable=YES
anon_upload_enable=YES
anon_root=$SCRATCH/ftp
no_anon_password=YES
hide_ids=YES
connect_from_port_20=YES
pasv_min_port=50000
pasv_max_port=50099
secure_chroot_dir=$SCRATCH/empty
seccomp_sandbox=NO
ftpd_banner=The example's FTP server.
END
  printf '%s\n' "$@" >>"$SCRATCH/vsftpd.conf"
  serve "$host" 21 vsftpd "$SCRATCH/vsftpd.conf"
}

# parameter MODULE NAME VALUE: a parameter of a helper's module. It is one for the whole machine,
# so it is put back at the end of the example.
parameter() {
  local file=/sys/module/$1/parameters/$2
  [ -w "$file" ] || die "the kernel lets nobody set $file; load the module with $2=$3"
  PARAMETERS=("$file=$(cat "$file")" "${PARAMETERS[@]}")
  echo "$3" >"$file"
}

# loose 0|1: the option of the kernel's ftp helper.
loose() { parameter nf_conntrack_ftp loose "$1"; }

# ---- one example ---------------------------------------------------------------------------

# stage EXAMPLE: its hosts stand; what they do is for the caller to begin.
stage() {
  FOLDER=$HERE/$1
  [ -e "$FOLDER/session.sh" ] || die "no example is called $1"
  INTERFACES=() LINKS=0
  rm -rf "${SCRATCH:?}"/*
  namespace gateway
  on gateway sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
    net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.send_redirects=0
  # shellcheck source=/dev/null
  source "$FOLDER/session.sh"
  network
  on gateway ip route add default via 192.0.2.254
  on gateway ip -6 route add default via 2001:db8::254 2>/dev/null || true
}

# every_example: the names of all.
every_example() {
  local each
  for each in "$HERE"/*/session.sh; do basename "$(dirname "$each")"; done
}

[ "$(id -u)" = 0 ] || die "must be root, to make network namespaces"
SCRATCH=$(mktemp -d /var/tmp/kinwall-examples.XXXXXX)
trap clean_up EXIT
trap 'exit 1' INT TERM
