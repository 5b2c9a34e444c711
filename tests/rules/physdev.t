@both
-m physdev --physdev-in eth0;=;OK
-m physdev ! --physdev-is-in;=;OK
-m physdev --physdev-is-out;=;OK
-m physdev --physdev-out eth0;=;OK
-m physdev --physdev-in +;=;OK
-m physdev;;FAIL
-m physdev --physdev-is-in --physdev-is-in;;FAIL
:FORWARD
-m physdev --physdev-in eth+ --physdev-out eth1 --physdev-is-bridged;=;OK
-m physdev ! --physdev-out eth0 --physdev-is-out --physdev-is-in;-m physdev --physdev-is-in --physdev-is-out ! --physdev-out eth0;OK
*mangle
:POSTROUTING
-m physdev --physdev-is-out --physdev-is-bridged ! --physdev-in eth0;-m physdev ! --physdev-in eth0 --physdev-is-out --physdev-is-bridged;OK
:OUTPUT
-m physdev --physdev-out eth0;;FAIL
-m physdev ! --physdev-is-out;;FAIL
-m physdev --physdev-in eth0;=;OK
