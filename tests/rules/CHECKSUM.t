*mangle
:PREROUTING,FORWARD,POSTROUTING
@both
-j CHECKSUM --checksum-fill;=;OK
-j CHECKSUM;;FAIL
-j CHECKSUM --checksum-fill --checksum-fill;;FAIL
-p udp -j CHECKSUM --checksum-fill;=;OK
*filter
:INPUT
-j CHECKSUM --checksum-fill;;FAIL
