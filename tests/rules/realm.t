@ipv4
:INPUT,FORWARD,OUTPUT
-m realm --realm 0x1/0x2a;=;OK
-m realm --realm 0x2a;=;OK
-m realm --realm 42;-m realm --realm 0x2a;OK
-m realm ! --realm 1;-m realm ! --realm 0x1;OK
-m realm --realm 0;-m realm --realm cosmos;OK
-m realm --realm 0x1ff/0xff;=;OK
-m realm --realm 4294967295;-m realm --realm 0xffffffff;OK
-m realm --realm 4294967296;;FAIL
-m realm --realm nosuchrealm;;FAIL
-m realm --realm 1 --realm 2;;FAIL
-m realm;;FAIL
*mangle
:PREROUTING
-m realm --realm 1;;FAIL
:POSTROUTING
-m realm --realm 1;-m realm --realm 0x1;OK
*filter
:INPUT
@ipv6
-m realm --realm 1;;FAIL
