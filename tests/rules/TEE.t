*mangle
:PREROUTING
@ipv4
-j TEE --gateway 1.1.1.1;=;OK
-j TEE --gateway 1.1.1.1 --oif eth0;=;OK
-j TEE --oif eth0 --gateway 1.1.1.1;-j TEE --gateway 1.1.1.1 --oif eth0;OK
-j TEE --gateway 1.1.1.1 --oif eth+;=;OK
-j TEE --gateway 0.0.0.0;;FAIL
-j TEE --gateway 1.1.1.1 --oif "";;STRICT
-j TEE --gateway 1.1.1.1 --oif aaaaaaaaaaaaaaaa;;STRICT
-j TEE --gateway 1.1;;STRICT
-j TEE --gateway 1.1.1.1/24;;FAIL
-j TEE --gateway fd00::1;;FAIL
-j TEE;;FAIL
-j TEE --oif eth0;;FAIL
@ipv6
-j TEE --gateway fd00::1;=;OK
-j TEE --gateway fd00::1 --oif eth0;=;OK
-j TEE --gateway ::;;FAIL
-j TEE --gateway 1.1.1.1;;FAIL
-j TEE;;FAIL
