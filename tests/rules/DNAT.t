*nat
:PREROUTING,OUTPUT
@ipv4
-j DNAT --to-destination 1.1.1.1;=;OK
-p tcp -j DNAT --to-destination 1.1.1.1:80/90;;FAIL
-j DNAT --to-destination 1.1.1.1-1.1.1.10;=;OK
-p tcp -j DNAT --to-destination 1.1.1.1:1025-65535;=;OK
-p tcp -j DNAT --to-destination 1.1.1.1-1.1.1.10:1025-65535;=;OK
-p tcp -j DNAT --to-destination 1.1.1.1:80;=;OK
-p tcp -j DNAT --to-destination 1.1.1.1:80-80;-p tcp -j DNAT --to-destination 1.1.1.1:80;OK
-p tcp -j DNAT --to-destination 1.1.1.1-1.1.1.1:80;-p tcp -j DNAT --to-destination 1.1.1.1:80;OK
-p udp -j DNAT --to-destination :1000-2000;=;OK
-p udp -j DNAT --to-destination :1000;=;OK
-p sctp -j DNAT --to-destination 1.1.1.1:80;=;OK
-p dccp -j DNAT --to-destination 1.1.1.1:80;=;OK
-p udplite -j DNAT --to-destination 1.1.1.1:80;;FAIL
-p icmp -j DNAT --to-destination 1.1.1.1:80;=;OK
-p gre -j DNAT --to-destination 1.1.1.1:80;;FAIL
-j DNAT --to-destination 1.1.1.1:80;;FAIL
! -p tcp -j DNAT --to-destination 1.1.1.1:80;=;OK
-j DNAT --to-destination 1.1.1.1 --random;=;OK
-j DNAT --to-destination 1.1.1.1 --random-fully;;FAIL
-j DNAT --to-destination 1.1.1.1 --persistent;=;OK
-j DNAT --to-destination 1.1.1.1 --persistent --random-fully --random;;FAIL
-j DNAT --random --to-destination 1.1.1.1;-j DNAT --to-destination 1.1.1.1 --random;OK
-p tcp -j DNAT --to-destination 1.1.1.1:1025-65536;;FAIL
-p tcp -j DNAT --to-destination 1.1.1.1:0;=;OK
-p tcp -j DNAT --to-destination 1.1.1.1:65536;;FAIL
-p tcp -j DNAT --to-destination 1.1.1.1:20-10;;FAIL
-p tcp -j DNAT --to-destination 1.1.1.1:;;FAIL
-p tcp -j DNAT --to-destination 1.1.1.1:http;-p tcp -j DNAT --to-destination 1.1.1.1:80;OK
-p tcp -j DNAT --to-destination 1.1.1.1:10-;;FAIL
-p tcp -j DNAT --to-destination 1.1.1.1:10-20/30;=;OK
-j DNAT --to-destination 1.1.1.10-1.1.1.1;=;OK
-j DNAT --to-destination 1.1.1;;FAIL
-j DNAT --to-destination 1.1.1.256;;FAIL
-j DNAT --to-destination 1.1.1.1-;;FAIL
-j DNAT --to-destination 1.1.1.0/24;;FAIL
-j DNAT --to-destination fd00::1;;FAIL
-j DNAT --to-destination example.org;;FAIL
-j DNAT;;FAIL
-j DNAT --random;;FAIL
-j DNAT --to-source 2.2.2.2;;FAIL
-j DNAT --to-destination "";;FAIL
-j DNAT --to-destination 1.1.1.1;=;OK
-p tcp -j DNAT --to-destination 1.1.1.1:80/90;;FAIL
-p tcp -j DNAT --to-destination 1.1.1.1:1000-2000/1000;=;OK
-p tcp -j DNAT --to-destination 1.1.1.1:1000-2000/1005;=;OK
-p tcp -j DNAT --to-destination 1.1.1.1:1000-2000/65536;;FAIL
-p tcp -j DNAT --to-destination 1.1.1.1:1000-2000/;;FAIL
-p tcp -j DNAT --to-destination 1.1.1.1:1000-2000/ssh;-p tcp -j DNAT --to-destination 1.1.1.1:1000-2000/22;OK
-p tcp -j DNAT --to-destination 1.1.1.1:ssh;-p tcp -j DNAT --to-destination 1.1.1.1:22;OK
-p tcp -j DNAT --to-destination 1.1.1.1:1000-2000/0;;FAIL
-p tcp -j DNAT --to-destination :1000-2000/3000;=;OK
-p tcp -j DNAT --to-destination 1.1.1.1:1000/2000;;FAIL
-p tcp -j DNAT --to-destination 1.1.1.1-1.1.1.9:1000-2000/3000 --random --persistent;=;OK
@ipv6
-p tcp -j DNAT --to-destination [fd00::1]:1000-2000/1500;=;OK
-j DNAT --to-destination fd00::1;=;OK
-j DNAT --to-destination fd00::1-fd00::5;=;OK
-j DNAT --to-destination fd00:0:0::0001;-j DNAT --to-destination fd00::1;OK
-p tcp -j DNAT --to-destination [fd00::1]:80;=;OK
-p tcp -j DNAT --to-destination [fd00::1]:1025-65535;=;OK
-p tcp -j DNAT --to-destination [fd00::1-fd00::10]:1025-65535;=;OK
-p tcp -j DNAT --to-destination [fd00::1]-[fd00::10]:1025-65535;;FAIL
-p tcp -j DNAT --to-destination [fd00::1];-p tcp -j DNAT --to-destination fd00::1;OK
-j DNAT --to-destination [fd00::1];-j DNAT --to-destination fd00::1;OK
-j DNAT --to-destination [fd00::1-fd00::10];-j DNAT --to-destination fd00::1-fd00::10;OK
-p udp -j DNAT --to-destination :80;=;OK
-p udp -j DNAT --to-destination :80-90;=;OK
-j DNAT --to-destination [fd00::1]:80;;FAIL
-p tcp -j DNAT --to-destination [fd00::1]:0;=;OK
-p tcp -j DNAT --to-destination [fd00::1]:65536;;FAIL
-p tcp -j DNAT --to-destination [fd00::1]:;;FAIL
-p tcp -j DNAT --to-destination [fd00::1;;FAIL
-j DNAT --to-destination fd00::5-fd00::1;=;OK
-j DNAT --to-destination fd00::1 --random --random-fully --persistent;;FAIL
-p icmpv6 -j DNAT --to-destination [fd00::1]:80;;FAIL
-j DNAT --to-destination 1.1.1.1;;FAIL
-p tcp -j DNAT --to-destination 1.1.1.1:80/90;;FAIL
-j DNAT --to-destination ::ffff:1.1.1.1;=;OK
-j DNAT;;FAIL
@ipv4
:POSTROUTING,INPUT
-j DNAT --to-destination 1.1.1.1;;FAIL
-p tcp -j DNAT --to-destination 1.1.1.1:80/90;;FAIL
*filter
:INPUT
-j DNAT --to-destination 1.1.1.1;;FAIL
-p tcp -j DNAT --to-destination 1.1.1.1:80/90;;FAIL
