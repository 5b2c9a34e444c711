*mangle
:INPUT,POSTROUTING
@ipv6
-j SNPT --src-pfx dead::/64 --dst-pfx 1c3::/64;=;OK
-j SNPT --src-pfx dead::1/64 --dst-pfx 1c3::/48;;FAIL
-j SNPT --src-pfx dead:: --dst-pfx 1c3::;;FAIL
-j SNPT --src-pfx dead::/65 --dst-pfx 1c3::/64;;FAIL
-j SNPT --src-pfx dead::/64 --dst-pfx 1c3::/65;;FAIL
-j SNPT --src-pfx dead::/0 --dst-pfx 1c3::/64;;FAIL
-j SNPT --src-pfx dead::/129 --dst-pfx 1c3::/64;;FAIL
-j SNPT --src-pfx dead::/64;;FAIL
-j SNPT --dst-pfx dead::/64;;FAIL
-j SNPT;;FAIL
-j SNPT --src-pfx 1.2.3.0/24 --dst-pfx 1c3::/64;;FAIL
@ipv4
-j SNPT --src-pfx dead::/64 --dst-pfx 1c3::/64;;FAIL
@ipv6
:PREROUTING,OUTPUT
-j SNPT --src-pfx dead::/64 --dst-pfx 1c3::/64;;FAIL
