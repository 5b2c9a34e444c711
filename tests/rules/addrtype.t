@both
-m addrtype --src-type LOCAL;=;OK
-m addrtype --dst-type unicast;-m addrtype --dst-type UNICAST;OK
-m addrtype ! --src-type LOCAL,UNICAST;-m addrtype ! --src-type UNICAST,LOCAL;OK
-m addrtype --dst-type UNICAST,LOCAL,UNICAST;-m addrtype --dst-type UNICAST,LOCAL;OK
-m addrtype --src-type MULTICAST --dst-type LOCAL;=;OK
-m addrtype --dst-type LOCAL --src-type ANYCAST;-m addrtype --src-type ANYCAST --dst-type LOCAL;OK
-m addrtype --src-type LOCAL --limit-iface-in;=;OK
-m addrtype --src-type LOCAL --limit-iface-in --limit-iface-out;;FAIL
-m addrtype --src-type FOO;;FAIL
-m addrtype --src-type LOCAL,;;FAIL
-m addrtype --src-type "";;FAIL
-m addrtype --src-type LOCAL --src-type UNICAST;;FAIL
-m addrtype --limit-iface-in;;FAIL
-m addrtype;;FAIL
-m addrtype --src-type;;FAIL
@ipv4
-m addrtype --dst-type BLACKHOLE,UNREACHABLE,PROHIBIT;=;OK
-m addrtype --src-type BROADCAST;=;OK
-m addrtype --src-type UNSPEC,UNICAST,LOCAL,BROADCAST,ANYCAST,MULTICAST,BLACKHOLE,UNREACHABLE,PROHIBIT;=;OK
-m addrtype --src-type THROW;=;OK
-m addrtype --src-type NAT;=;OK
-m addrtype --src-type XRESOLVE;=;OK
@ipv6
-m addrtype --dst-type BLACKHOLE,UNREACHABLE,PROHIBIT;;FAIL
-m addrtype --dst-type UNREACHABLE,ANYCAST;-m addrtype --dst-type ANYCAST,UNREACHABLE;OK
-m addrtype --dst-type BLACKHOLE;;FAIL
-m addrtype --src-type BROADCAST;;FAIL
-m addrtype --src-type UNSPEC;=;OK
-m addrtype --src-type THROW;;FAIL
-m addrtype --src-type NAT;;FAIL
-m addrtype --src-type XRESOLVE;;FAIL
@both
:OUTPUT
-m addrtype --src-type LOCAL --limit-iface-in;;FAIL
-m addrtype --src-type LOCAL --limit-iface-out;=;OK
:INPUT
-m addrtype --src-type LOCAL --limit-iface-out;;FAIL
:FORWARD
-m addrtype --src-type LOCAL --limit-iface-in;=;OK
-m addrtype --src-type LOCAL --limit-iface-out;=;OK
:chain
-m addrtype --src-type LOCAL --limit-iface-in;=;OK
-m addrtype --src-type LOCAL --limit-iface-out;=;OK
