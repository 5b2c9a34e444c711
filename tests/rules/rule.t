# What belongs to the rule itself.
@ipv4
:FORWARD
-s 10.0.0.5/24;-s 10.0.0.0/24;OK
-s 10.0.0.0/255.255.0.0;-s 10.0.0.0/16;OK
-s 10.0.0.5/255.0.255.0;-s 10.0.0.0/255.0.255.0;OK
-d 1.2.3.4;-d 1.2.3.4/32;OK
-d 010.1;-d 8.1.0.0/32;OK
-s 0/0;;OK
-s 0.0.0.0/0 -d 0/0;;OK
! -s 10.0.0.0/8 ! -d 192.0.2.1;! -s 10.0.0.0/8 ! -d 192.0.2.1/32;OK
--src 1.2.3.4 --dst 5.6.7.8;-s 1.2.3.4/32 -d 5.6.7.8/32;OK
--sour 1.2.3.4 --dest 5.6.7.8;-s 1.2.3.4/32 -d 5.6.7.8/32;OK
-o eth1 -i eth+ -d 1.2.3.4 -s 5.6.7.8;-s 5.6.7.8/32 -d 1.2.3.4/32 -i eth+ -o eth1;OK
! -i eth0 ! -o eth1.152;=;OK
-i + -o +;;OK
! -i +;=;OK
-p 47;-p gre;OK
-p all;;OK
-p 0;;OK
-p TCP;-p tcp;OK
! -p tcp;=;OK
-p 255;=;OK
-p udplite;=;OK
-p icmpv6;-p ipv6-icmp;OK
-f;=;OK
! -f;=;OK
--fragments -p tcp;-p tcp -f;OK
-j ACCEPT;=;OK
-j DROP;=;OK
-j RETURN;=;OK
-j chain;=;OK
-g chain;=;OK
--match=state --state NEW;-m state --state NEW;OK
-mstate --state NEW;-m state --state NEW;OK
--jump=ACCEPT;;FAIL
--source=1.2.3.4;;FAIL
-jACCEPT;;FAIL
-s1.2.3.4;;FAIL
-n -j ACCEPT;;FAIL
-x -j ACCEPT;;FAIL
--line-numbers -j ACCEPT;;FAIL
-c 1 2 -j ACCEPT;-j ACCEPT;OK
-c 1,2 -j ACCEPT;-j ACCEPT;OK
-v -j ACCEPT;-j ACCEPT;OK
-s ! 10.0.0.0/8;;FAIL
-p ! tcp;;FAIL
! ! -s 1.2.3.4;;FAIL
! -j ACCEPT;;FAIL
-j ACCEPT !;;FAIL
! -s 1.2.3.4,5.6.7.8;;FAIL
! -s 0/0;;FAIL
! -p 0;;FAIL
-s example.com;;FAIL
-s 1.2.3.4/33;;FAIL
-s 1.2.3.256;;FAIL
-s 1.2.3.4.5;;FAIL
-s 2001:db8::1;;FAIL
-p nosuch;;FAIL
-p 256;;FAIL
-i aaaaaaaaaaaaaaaa;;FAIL
-i aaaaaaaaaaaaaaa+;;FAIL
-i "";;FAIL
-j nosuch;;FAIL
-g nosuch;;FAIL
-j INPUT;;FAIL
-j QUEUE;;FAIL
-j;;FAIL
-j ACCEPT -j DROP;;FAIL
-j ACCEPT -g chain;;FAIL
-s 1.2.3.4 -s 1.2.3.4;;FAIL
-t filter -j ACCEPT;;FAIL
-w -j ACCEPT;;FAIL
-ptcp;;FAIL
-m nosuch;;FAIL
--nosuch;;FAIL
-Q;;FAIL
stray;;FAIL
-A FORWARD;;FAIL
@ipv6
-s 2001:db8::5/32;-s 2001:db8::/32;OK
-d 2001:db8::1;-d 2001:db8::1/128;OK
-s ::/0;;OK
-s ::ffff:127.0.0.1;-s ::ffff:127.0.0.1/128;OK
-s 2001:db8::1/ffff:ffff::;-s 2001:db8::/32;OK
-p icmpv6;-p ipv6-icmp;OK
-p ipv6-icmp;=;OK
-s 2001:db8::/129;;FAIL
-s 10.0.0.0/8;;FAIL
-f;;FAIL
@both
:INPUT
-o eth0;;FAIL
-i eth0;=;OK
:OUTPUT
-i eth0;;FAIL
-o eth0;=;OK
*nat
:PREROUTING
-o eth0;;FAIL
:POSTROUTING
-i eth0;;FAIL
*filter
@ipv4
:INPUT
# The tool warns, and prints what it cannot read.
-i "a b";;STRICT
-i a/b;;STRICT
-i eth0:1;=;OK
