*mangle
:PREROUTING
@ipv4
-p tcp -j TPROXY --on-port 12345 --on-ip 10.0.0.1 --tproxy-mark 0x23/0xff;=;OK
-p udp -j TPROXY --on-port 12345;-p udp -j TPROXY --on-port 12345 --on-ip 0.0.0.0 --tproxy-mark 0x0/0x0;OK
-p tcp -j TPROXY --on-port 12345 --tproxy-mark 1;-p tcp -j TPROXY --on-port 12345 --on-ip 0.0.0.0 --tproxy-mark 0x1/0xffffffff;OK
-p tcp -j TPROXY --on-port 12345 --tproxy-mark 0x10/0xf;-p tcp -j TPROXY --on-port 12345 --on-ip 0.0.0.0 --tproxy-mark 0x10/0xf;OK
-p tcp -j TPROXY --on-port 0;-p tcp -j TPROXY --on-port 0 --on-ip 0.0.0.0 --tproxy-mark 0x0/0x0;OK
-p tcp -j TPROXY --on-port 65535;-p tcp -j TPROXY --on-port 65535 --on-ip 0.0.0.0 --tproxy-mark 0x0/0x0;OK
-p tcp -j TPROXY --on-port 65536;;STRICT
-p tcp -j TPROXY --on-port http;-p tcp -j TPROXY --on-port 80 --on-ip 0.0.0.0 --tproxy-mark 0x0/0x0;OK
-p tcp -j TPROXY --on-port 80 --on-ip 0.0.0.0;-p tcp -j TPROXY --on-port 80 --on-ip 0.0.0.0 --tproxy-mark 0x0/0x0;OK
-p tcp -j TPROXY --on-port 80 --on-ip fd00::1;;FAIL
-p tcp -j TPROXY --on-port 80 --tproxy-mark x;;FAIL
-p tcp -j TPROXY;;FAIL
-p tcp -j TPROXY --on-ip 1.1.1.1;;FAIL
-j TPROXY --on-port 12345;;FAIL
-p icmp -j TPROXY --on-port 12345;;FAIL
-p sctp -j TPROXY --on-port 12345;;FAIL
! -p tcp -j TPROXY --on-port 12345;;FAIL
@ipv6
-p tcp -j TPROXY --on-port 12345 --on-ip 2001:db8::1 --tproxy-mark 0x23/0xff;=;OK
-p udp -j TPROXY --on-port 12345;-p udp -j TPROXY --on-port 12345 --on-ip :: --tproxy-mark 0x0/0x0;OK
-p tcp -j TPROXY --on-port 12345 --on-ip 1.1.1.1;;FAIL
-j TPROXY --on-port 12345;;FAIL
@ipv4
:INPUT,OUTPUT
-p tcp -j TPROXY --on-port 12345;;FAIL
