*filter
:INPUT,FORWARD
@both
-p tcp -j SYNPROXY;=;OK
-p tcp -j SYNPROXY --sack-perm --timestamp --mss 1460 --wscale 9;-p tcp -j SYNPROXY --sack-perm --timestamp --wscale 9 --mss 1460;OK
-p tcp -j SYNPROXY --mss 1460 --wscale 7 --timestamp --sack-perm --ecn;-p tcp -j SYNPROXY --sack-perm --timestamp --wscale 7 --mss 1460 --ecn;OK
-p tcp -j SYNPROXY --mss 0;=;OK
-p tcp -j SYNPROXY --mss 65535;=;OK
-p tcp -j SYNPROXY --mss 65536;;STRICT
-p tcp -j SYNPROXY --wscale 14;=;OK
-p tcp -j SYNPROXY --wscale 0;=;OK
-p tcp -j SYNPROXY --wscale 15;=;OK
-p tcp -j SYNPROXY --ecn;=;OK
-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j SYNPROXY --timestamp;=;OK
-p udp -j SYNPROXY;;FAIL
-j SYNPROXY;;FAIL
! -p tcp -j SYNPROXY;;FAIL
:OUTPUT
-p tcp -j SYNPROXY;;FAIL
*mangle
:FORWARD
-p tcp -j SYNPROXY;=;OK
