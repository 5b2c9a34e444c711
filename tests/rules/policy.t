@ipv4
-m policy --dir in --pol ipsec;=;OK
-m policy --dir in --pol none;=;OK
-m policy --dir in;-m policy --dir in --pol ipsec;OK
-m policy --dir in --pol ipsec --strict --proto esp --mode tunnel --tunnel-src 1.2.3.4 --tunnel-dst 10.0.0.0/8 --next --reqid 5 --spi 0x10;-m policy --dir in --pol ipsec --strict --proto esp --mode tunnel --tunnel-dst 10.0.0.0/8 --tunnel-src 1.2.3.4 --next --reqid 5 --spi 0x10;OK
-m policy --dir in --pol ipsec --proto ah;=;OK
-m policy --dir in --pol ipsec --proto 50 ! --mode transport ! --reqid 1 ! --spi 2;-m policy --dir in --pol ipsec ! --reqid 1 ! --spi 0x2 --proto esp ! --mode transport;OK
-m policy --dir in --pol none --reqid 5;-m policy --dir in --pol none;OK
-m policy --dir in --pol ipsec --strict;;FAIL
-m policy --pol ipsec;;FAIL
-m policy --dir out --pol ipsec;;FAIL
-m policy --dir in --pol none --strict;;FAIL
-m policy --dir in --pol ipsec --next;;FAIL
-m policy --dir in --pol ipsec --strict --reqid 1 --next --proto tcp;;FAIL
-m policy --dir in --pol ipsec --tunnel-src 1.2.3.4;;FAIL
-m policy --dir in --pol ipsec --strict --mode transport --tunnel-src 1.2.3.4;;FAIL
-m policy --dir in --pol ipsec --strict --reqid 1 --next --reqid 2 --next --reqid 3 --next --reqid 4 --next --reqid 5;;FAIL
:OUTPUT
-m policy --dir out --pol ipsec;=;OK
-m policy --dir in --pol ipsec;;FAIL
@ipv6
:FORWARD
-m policy --dir out --pol ipsec --mode tunnel --tunnel-dst 2001:db8::/32;=;OK
