# Two Asterisk exchanges that speak H.323, one inside, one outside, and a gatekeeper outside: calls
# with fast start, with a separate H.245 connection, and tunnelled, over IPv4 and IPv6, then a
# registration and a call that the gatekeeper admits.
#
# Debian 12 has no H.323 program any more. The channel driver ooh323 of Asterisk 16 comes from
# Debian 11, which is put into a directory of its own with debootstrap (as H323_ROOT says, kept
# there for the next time).
H323_ROOT=${H323_ROOT:-/var/tmp/kinwall-debian11}

network() {
  gateway eth0 192.0.2.1/24 2001:db8::1/64
  gateway eth1 10.1.0.1/24 fd00:1::1/64
  host alice eth1 10.1.0.2/24 fd00:1::2/64
  host bob eth0 192.0.2.10/24 2001:db8::10/64
  host gatekeeper eth0 192.0.2.20/24
}

session() {
  [ -e "$H323_ROOT/usr/sbin/asterisk" ] || debootstrap --variant=minbase \
    --include=asterisk,asterisk-ooh323 bullseye "$H323_ROOT" http://deb.debian.org/debian
  # The exchanges ask nobody for their own name.
  echo "127.0.0.1 localhost $(hostname)" >"$H323_ROOT/etc/hosts"
  : >"$H323_ROOT/etc/resolv.conf"
  serve gatekeeper 1719 python3 "$HERE/peers/h323_gatekeeper.py" 192.0.2.20 192.0.2.10
  capture capture calls
}

# exchange HOST ADDRESS PEER FASTSTART TUNNELLING GATEKEEPER: starts an exchange with an extension
# that plays a tone.
exchange() {
  local host=$1 etc=/tmp/kinwall-$1 root=$H323_ROOT try
  rm -rf "${root:?}$etc" && mkdir -p "$root$etc"/{etc,run,log,spool,lib}
  cat >"$root$etc/etc/asterisk.conf" <<END
[directories]
astetcdir => $etc/etc
astmoddir => /usr/lib/asterisk/modules
astvarlibdir => /var/lib/asterisk
astdbdir => $etc/lib
astdatadir => /usr/share/asterisk
astspooldir => $etc/spool
astrundir => $etc/run
astlogdir => $etc/log
[options]
documentation_language = en_US
END
  printf '[modules]\nautoload=no\n' >"$root$etc/etc/modules.conf"
  printf 'load=%s.so\n' pbx_config codec_ulaw res_sorcery_config res_pjproject res_rtp_asterisk \
    res_timing_timerfd res_clioriginate app_milliwatt chan_ooh323 >>"$root$etc/etc/modules.conf"
  printf '[default]\nexten=>100,1,Answer()\nsame=>n,Milliwatt()\n' >"$root$etc/etc/extensions.conf"
  printf '[general]\nrtpstart=30000\nrtpend=30099\n' >"$root$etc/etc/rtp.conf"
  printf '[general]\n[logfiles]\nconsole=>error\n' >"$root$etc/etc/logger.conf"
  cat >"$root$etc/etc/ooh323.conf" <<END
[general]
bindaddr=$2
faststart=$4
h245tunneling=$5
gatekeeper=$6
h323id=$host
callerid=$host
logfile=$etc/log/h323
disallow=all
allow=ulaw
context=default
[line]
type=friend
ip=$3
port=1720
END
  ip netns exec "$TAG-$host" chroot "$root" asterisk -f -C "$etc/etc/asterisk.conf" \
    >"$SCRATCH/$host.log" 2>&1 &
  disown $!
  for try in $(seq 100); do
    [ -n "$(on "$host" ss -Hlnt "sport = :1720")" ] && return
    sleep 0.1
  done
  cat "$SCRATCH/$host.log" >&2
  die "the exchange of $host does not listen"
}

# tell HOST COMMAND...
tell() {
  local host=$1; shift
  on "$host" chroot "$H323_ROOT" asterisk -C "/tmp/kinwall-$host/etc/asterisk.conf" -rx "$*"
}

# call HOST NUMBER: a short call that plays a tone.
call() {
  tell "$1" "channel originate OOH323/$2 application Milliwatt" >/dev/null
  sleep 0.9
  tell "$1" "channel request hangup all" >/dev/null
  sleep 1
}

stop() {
  local host
  for host in "$@"; do tell "$host" "core stop now" >/dev/null || true; done
  sleep 1
}

calls() {
  # Fast start: what the caller proposes, the called party takes.
  exchange alice 10.1.0.2 192.0.2.10 yes no DISABLE
  exchange bob 192.0.2.10 10.1.0.2 yes no DISABLE
  call alice 100@line
  call bob 100@line
  stop alice bob
  # The old way: H.245 on a connection of its own.
  exchange alice 10.1.0.2 192.0.2.10 no no DISABLE
  exchange bob 192.0.2.10 10.1.0.2 no no DISABLE
  call alice 100@line
  stop alice bob
  # H.245 within the signalling.
  exchange alice 10.1.0.2 192.0.2.10 no yes DISABLE
  exchange bob 192.0.2.10 10.1.0.2 no yes DISABLE
  call alice 100@line
  stop alice bob
  # The same ways over IPv6.
  exchange alice fd00:1::2 2001:db8::10 yes yes DISABLE
  exchange bob 2001:db8::10 fd00:1::2 yes yes DISABLE
  call alice 100@line
  stop alice bob
  # Both registered: the gatekeeper says where the call may go.
  exchange alice 10.1.0.2 192.0.2.10 yes yes 192.0.2.20
  exchange bob 192.0.2.10 10.1.0.2 yes yes 192.0.2.20
  call alice 100
  stop alice bob
}
