*mangle
:PREROUTING
@both
@ipv4
-j HMARK --hmark-tuple src --hmark-mod 4 --hmark-rnd 1;-j HMARK --hmark-src-prefix 32 --hmark-rnd 0x00000001 --hmark-mod 4;OK
@ipv6
-j HMARK --hmark-tuple src --hmark-mod 4 --hmark-rnd 1;-j HMARK --hmark-src-prefix 128 --hmark-rnd 0x00000001 --hmark-mod 4;OK
@both
-j HMARK --hmark-tuple src,dst,sport,dport,spi,proto,ct --hmark-mod 4 --hmark-rnd 1;;FAIL
@ipv4
-j HMARK --hmark-tuple src,dst,sport,dport,proto,ct --hmark-mod 4 --hmark-rnd 1;-j HMARK --hmark-src-prefix 32 --hmark-dst-prefix 32 --hmark-sport-mask 0xffff --hmark-dport-mask 0xffff --hmark-proto-mask 0xffff --hmark-rnd 0x00000001 --hmark-mod 4 --hmark-tuple ct;OK
@ipv6
-j HMARK --hmark-tuple src,dst,sport,dport,proto,ct --hmark-mod 4 --hmark-rnd 1;-j HMARK --hmark-src-prefix 128 --hmark-dst-prefix 128 --hmark-sport-mask 0xffff --hmark-dport-mask 0xffff --hmark-proto-mask 0xffff --hmark-rnd 0x00000001 --hmark-mod 4 --hmark-tuple ct;OK
@both
-j HMARK --hmark-tuple ct --hmark-mod 1 --hmark-rnd 1;-j HMARK --hmark-rnd 0x00000001 --hmark-mod 1 --hmark-tuple ct;OK
@ipv4
-j HMARK --hmark-tuple ct,src,dst --hmark-mod 1 --hmark-rnd 1 --hmark-offset 10000;-j HMARK --hmark-src-prefix 32 --hmark-dst-prefix 32 --hmark-rnd 0x00000001 --hmark-mod 1 --hmark-offset 10000 --hmark-tuple ct;OK
@ipv6
-j HMARK --hmark-tuple ct,src,dst --hmark-mod 1 --hmark-rnd 1 --hmark-offset 10000;-j HMARK --hmark-src-prefix 128 --hmark-dst-prefix 128 --hmark-rnd 0x00000001 --hmark-mod 1 --hmark-offset 10000 --hmark-tuple ct;OK
@both
-j HMARK --hmark-mod 1 --hmark-rnd 1;;FAIL
-j HMARK --hmark-tuple src --hmark-rnd 1;;FAIL
-j HMARK --hmark-tuple src --hmark-mod 4;;FAIL
-j HMARK --hmark-tuple src --hmark-mod 0 --hmark-rnd 1;;FAIL
-j HMARK --hmark-tuple sport --hmark-mod 2 --hmark-rnd 0xfeedcafe --hmark-sport-mask 0x00ff;;FAIL
-j HMARK --hmark-tuple sport,dport --hmark-mod 2 --hmark-rnd 0xfeedcafe --hmark-sport-mask 0xff --hmark-dport-mask 0xfff0;;FAIL
-j HMARK --hmark-tuple src,dst --hmark-src-prefix 24 --hmark-dst-prefix 16 --hmark-mod 2 --hmark-rnd 1;;FAIL
-j HMARK --hmark-src-prefix 24 --hmark-mod 2 --hmark-rnd 1;-j HMARK --hmark-src-prefix 24 --hmark-rnd 0x00000001 --hmark-mod 2;OK
@ipv4
-j HMARK --hmark-src-prefix 33 --hmark-mod 2 --hmark-rnd 1;;STRICT
@ipv6
-j HMARK --hmark-src-prefix 33 --hmark-mod 2 --hmark-rnd 1;-j HMARK --hmark-src-prefix 33 --hmark-rnd 0x00000001 --hmark-mod 2;OK
@both
-j HMARK --hmark-src-prefix 0 --hmark-mod 2 --hmark-rnd 1;-j HMARK --hmark-src-prefix 0 --hmark-rnd 0x00000001 --hmark-mod 2;OK
-j HMARK --hmark-tuple spi --hmark-mod 2 --hmark-rnd 1;-j HMARK --hmark-spi-mask 0xffffffff --hmark-rnd 0x00000001 --hmark-mod 2;OK
-j HMARK --hmark-spi 0x1 --hmark-mod 2 --hmark-rnd 1;-j HMARK --hmark-spi 0x00000001 --hmark-rnd 0x00000001 --hmark-mod 2;OK
-j HMARK --hmark-spi-mask 0x1 --hmark-mod 2 --hmark-rnd 1;-j HMARK --hmark-spi-mask 0x00000001 --hmark-rnd 0x00000001 --hmark-mod 2;OK
-p esp -j HMARK --hmark-spi-mask 0x1 --hmark-mod 2 --hmark-rnd 1;-p esp -j HMARK --hmark-spi-mask 0x00000001 --hmark-rnd 0x00000001 --hmark-mod 2;OK
-j HMARK --hmark-sport 10 --hmark-mod 2 --hmark-rnd 1;-j HMARK --hmark-sport 0x000a --hmark-rnd 0x00000001 --hmark-mod 2;OK
-j HMARK --hmark-sport-mask 0xffff --hmark-mod 2 --hmark-rnd 1;-j HMARK --hmark-sport-mask 0xffff --hmark-rnd 0x00000001 --hmark-mod 2;OK
-j HMARK --hmark-dport-mask 0xffff --hmark-mod 2 --hmark-rnd 1;-j HMARK --hmark-dport-mask 0xffff --hmark-rnd 0x00000001 --hmark-mod 2;OK
-j HMARK --hmark-dport 80 --hmark-mod 2 --hmark-rnd 1;-j HMARK --hmark-dport 0x0050 --hmark-rnd 0x00000001 --hmark-mod 2;OK
-j HMARK --hmark-proto-mask 0xff --hmark-mod 2 --hmark-rnd 1;-j HMARK --hmark-proto-mask 0xff --hmark-rnd 0x00000001 --hmark-mod 2;OK
@ipv4
-j HMARK --hmark-proto-mask 0xffff --hmark-tuple src --hmark-mod 2 --hmark-rnd 1;-j HMARK --hmark-src-prefix 32 --hmark-proto-mask 0xffff --hmark-rnd 0x00000001 --hmark-mod 2;OK
@ipv6
-j HMARK --hmark-proto-mask 0xffff --hmark-tuple src --hmark-mod 2 --hmark-rnd 1;-j HMARK --hmark-src-prefix 128 --hmark-proto-mask 0xffff --hmark-rnd 0x00000001 --hmark-mod 2;OK
@both
-j HMARK --hmark-tuple proto --hmark-mod 2 --hmark-rnd 1;-j HMARK --hmark-proto-mask 0xffff --hmark-rnd 0x00000001 --hmark-mod 2;OK
-j HMARK --hmark-tuple src,foo --hmark-mod 2 --hmark-rnd 1;;FAIL
@ipv4
-j HMARK --hmark-offset 5 --hmark-tuple src,proto --hmark-mod 2 --hmark-rnd 1;-j HMARK --hmark-src-prefix 32 --hmark-proto-mask 0xffff --hmark-rnd 0x00000001 --hmark-mod 2 --hmark-offset 5;OK
@ipv6
-j HMARK --hmark-offset 5 --hmark-tuple src,proto --hmark-mod 2 --hmark-rnd 1;-j HMARK --hmark-src-prefix 128 --hmark-proto-mask 0xffff --hmark-rnd 0x00000001 --hmark-mod 2 --hmark-offset 5;OK
@both
-j HMARK --hmark-tuple src --hmark-src-prefix 24 --hmark-mod 2 --hmark-rnd 1;;FAIL
-j HMARK --hmark-tuple sport,spi --hmark-mod 2 --hmark-rnd 1;;FAIL
-j HMARK;;FAIL
