@ipv6
:INPUT,FORWARD
-m eui64;=;OK
! -i lo -m eui64;=;OK
-m eui64 --foo;;FAIL
:OUTPUT
-m eui64;;FAIL
*raw
:PREROUTING
-m eui64;=;OK
*mangle
:POSTROUTING
-m eui64;;FAIL
*filter
@ipv4
:INPUT
-m eui64;;FAIL
