*nat
:PREROUTING,INPUT,OUTPUT,POSTROUTING
@ipv4
-j NETMAP --to 1.2.3.0/24;=;OK
-j NETMAP --to 1.2.3.4;-j NETMAP --to 1.2.3.4/32;OK
-j NETMAP --to 1.2.3.4/32;=;OK
-j NETMAP --to 1.2.3.4/24;-j NETMAP --to 1.2.3.0/24;OK
-j NETMAP --to 1.2.3.0/255.255.255.0;-j NETMAP --to 1.2.3.0/24;OK
-j NETMAP --to 1.2.3.0/255.0.255.0;;STRICT
-j NETMAP --to 0.0.0.0/0;=;OK
-j NETMAP --to 1.2.3.0/33;;STRICT
-j NETMAP --to 1.2.3;;STRICT
-j NETMAP --to 10/8;;STRICT
-j NETMAP --to x;;FAIL
-j NETMAP --to fd00::/64;;FAIL
-j NETMAP --to 1.2.3.0/;;FAIL
-j NETMAP;;FAIL
-j NETMAP --to 1.2.3.0/24 --to 1.2.4.0/24;;FAIL
@ipv6
-j NETMAP --to fd00::/64;=;OK
-j NETMAP --to fd00::1/64;-j NETMAP --to fd00::/64;OK
-j NETMAP --to fd00::1;-j NETMAP --to fd00::1/128;OK
-j NETMAP --to fd00::1/128;=;OK
-j NETMAP --to fd00::/129;;FAIL
-j NETMAP --to ::/0;=;OK
-j NETMAP --to fd00::/ffff::;-j NETMAP --to fd00::/16;OK
-j NETMAP --to 1.2.3.0/24;;FAIL
-j NETMAP;;FAIL
*filter
@ipv4
:INPUT
-j NETMAP --to 1.2.3.0/24;;FAIL
