*nat
:POSTROUTING,INPUT
@ipv4
-j SNAT --to-source 1.1.1.1;=;OK
-j SNAT --to-source 1.1.1.1-1.1.1.10;=;OK
-p tcp -j SNAT --to-source 1.1.1.1:1025-65535;=;OK
-p tcp -j SNAT --to-source 1.1.1.1-1.1.1.10:1025-65535;=;OK
-p tcp -j SNAT --to-source 1.1.1.1:80;=;OK
-p tcp -j SNAT --to-source 1.1.1.1:80-80;-p tcp -j SNAT --to-source 1.1.1.1:80;OK
-p tcp -j SNAT --to-source 1.1.1.1-1.1.1.1:80;-p tcp -j SNAT --to-source 1.1.1.1:80;OK
-p udp -j SNAT --to-source :1000-2000;=;OK
-p udp -j SNAT --to-source :1000;=;OK
-p sctp -j SNAT --to-source 1.1.1.1:80;=;OK
-p dccp -j SNAT --to-source 1.1.1.1:80;=;OK
-p udplite -j SNAT --to-source 1.1.1.1:80;;FAIL
-p icmp -j SNAT --to-source 1.1.1.1:80;=;OK
-p gre -j SNAT --to-source 1.1.1.1:80;;FAIL
-j SNAT --to-source 1.1.1.1:80;;FAIL
! -p tcp -j SNAT --to-source 1.1.1.1:80;=;OK
-j SNAT --to-source 1.1.1.1 --random;=;OK
-j SNAT --to-source 1.1.1.1 --random-fully;=;OK
-j SNAT --to-source 1.1.1.1 --persistent;=;OK
-j SNAT --to-source 1.1.1.1 --persistent --random-fully --random;-j SNAT --to-source 1.1.1.1 --random --random-fully --persistent;OK
-j SNAT --random --to-source 1.1.1.1;-j SNAT --to-source 1.1.1.1 --random;OK
-p tcp -j SNAT --to-source 1.1.1.1:1025-65536;;FAIL
-p tcp -j SNAT --to-source 1.1.1.1:0;=;OK
-p tcp -j SNAT --to-source 1.1.1.1:65536;;FAIL
-p tcp -j SNAT --to-source 1.1.1.1:20-10;;FAIL
-p tcp -j SNAT --to-source 1.1.1.1:;;FAIL
-p tcp -j SNAT --to-source 1.1.1.1:http;-p tcp -j SNAT --to-source 1.1.1.1:80;OK
-p tcp -j SNAT --to-source 1.1.1.1:10-;;FAIL
-p tcp -j SNAT --to-source 1.1.1.1:10-20/30;;STRICT
-j SNAT --to-source 1.1.1.10-1.1.1.1;=;OK
-j SNAT --to-source 1.1.1;;FAIL
-j SNAT --to-source 1.1.1.256;;FAIL
-j SNAT --to-source 1.1.1.1-;;FAIL
-j SNAT --to-source 1.1.1.0/24;;FAIL
-j SNAT --to-source fd00::1;;FAIL
-j SNAT --to-source example.org;;FAIL
-j SNAT;;FAIL
-j SNAT --random;;FAIL
-j SNAT --to-source 1.1.1.1 --to-source 2.2.2.2;;FAIL
-j SNAT --to-source "";;FAIL
-j SNAT --to-destination 1.1.1.1;;FAIL
@ipv6
-j SNAT --to-source fd00::1;=;OK
-j SNAT --to-source fd00::1-fd00::5;=;OK
-j SNAT --to-source fd00:0:0::0001;-j SNAT --to-source fd00::1;OK
-p tcp -j SNAT --to-source [fd00::1]:80;=;OK
-p tcp -j SNAT --to-source [fd00::1]:1025-65535;=;OK
-p tcp -j SNAT --to-source [fd00::1-fd00::10]:1025-65535;=;OK
-p tcp -j SNAT --to-source [fd00::1]-[fd00::10]:1025-65535;;FAIL
-p tcp -j SNAT --to-source [fd00::1];-p tcp -j SNAT --to-source fd00::1;OK
-j SNAT --to-source [fd00::1];-j SNAT --to-source fd00::1;OK
-j SNAT --to-source [fd00::1-fd00::10];-j SNAT --to-source fd00::1-fd00::10;OK
-p udp -j SNAT --to-source :80;=;OK
-p udp -j SNAT --to-source :80-90;=;OK
-j SNAT --to-source [fd00::1]:80;;FAIL
-p tcp -j SNAT --to-source [fd00::1]:0;=;OK
-p tcp -j SNAT --to-source [fd00::1]:65536;;FAIL
-p tcp -j SNAT --to-source [fd00::1]:;;FAIL
-p tcp -j SNAT --to-source [fd00::1;;FAIL
-j SNAT --to-source fd00::5-fd00::1;=;OK
-j SNAT --to-source fd00::1 --random --random-fully --persistent;=;OK
-p icmpv6 -j SNAT --to-source [fd00::1]:80;;FAIL
-j SNAT --to-source 1.1.1.1;;FAIL
-j SNAT --to-source ::ffff:1.1.1.1;=;OK
-j SNAT;;FAIL
@ipv4
:PREROUTING,OUTPUT
-j SNAT --to-source 1.1.1.1;;FAIL
*filter
:INPUT
-j SNAT --to-source 1.1.1.1;;FAIL
