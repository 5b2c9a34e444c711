without() { grep -v 'CT --helper' "$DIR/with.v$1" >"$DIR/rules.v$1"; }
for family in 4 6; do
  rules $family <<X
*raw
-A PREROUTING -i lan -p tcp --dport 21 -j CT --helper ftp
-A OUTPUT -p tcp --dport 21 -j CT --helper ftp
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A INPUT -p ipv6-icmp -j ACCEPT
-A INPUT -i wan -p tcp -m conntrack --ctstate RELATED -m helper --helper ftp --dport 1024: -j ACCEPT
-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A FORWARD -p tcp -m conntrack --ctstate RELATED -m helper --helper ftp --dport 1024: -j ACCEPT
-A FORWARD -i lan -p tcp --dport 21 -m conntrack --ctstate NEW -j ACCEPT
COMMIT
X
done
sed -i '/ipv6-icmp/d' "$DIR/rules.v4"
for family in 4 6; do cp "$DIR/rules.v$family" "$DIR/with.v$family"; done
mkdir -p "$DIR/ftp" "$DIR/empty"
head -c 300000 /dev/urandom >"$DIR/ftp/file"
chmod 755 "$DIR/ftp"
cat >"$DIR/vsftpd.conf" <<X
listen_ipv6=YES
anonymous_enable=YES
anon_root=$DIR/ftp
no_anon_password=YES
connect_from_port_20=YES
secure_chroot_dir=$DIR/empty
seccomp_sandbox=NO
X
server vsftpd "$DIR/vsftpd.conf" &
wait_for listens server 21
config
start
fetch() {
  who=$1; shift
  on "$who" curl -gsS -m 3 -o "$DIR/got" "$@" && cmp "$DIR/got" "$DIR/ftp/file"
}
every() {
  for who in client gateway; do
    for host in 192.0.2.2 '[2001:db8::2]'; do
      "$1" fetch $who ftp://$host/file
      "$1" fetch $who --disable-epsv ftp://$host/file
      "$1" fetch $who --ftp-port - ftp://$host/file
      "$1" fetch $who --ftp-port - --disable-eprt ftp://$host/file
    done
  done
}
every works
ctl helpers | grep -q '^ftp' || die "no helper is listed"
without 4; without 6
# The gateway's own passive transfers are its own connections: OUTPUT has no rule.
works ctl reload
for host in 192.0.2.2 '[2001:db8::2]'; do
  fails fetch client ftp://$host/file
  fails fetch client --ftp-port - ftp://$host/file
  fails fetch gateway --ftp-port - ftp://$host/file
  works fetch gateway ftp://$host/file
done
stop TERM
