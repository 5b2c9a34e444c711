*mangle
:PREROUTING,OUTPUT
@ipv6
-j DNPT --src-pfx dead::/64 --dst-pfx 1c3::/64;=;OK
-j DNPT --src-pfx dead::1/64 --dst-pfx 1c3::/48;;FAIL
-j DNPT --src-pfx dead:: --dst-pfx 1c3::;;FAIL
-j DNPT --src-pfx dead::/65 --dst-pfx 1c3::/64;;FAIL
-j DNPT --src-pfx dead::/64 --dst-pfx 1c3::/65;;FAIL
-j DNPT --src-pfx dead::/0 --dst-pfx 1c3::/64;;FAIL
-j DNPT --src-pfx dead::/129 --dst-pfx 1c3::/64;;FAIL
-j DNPT --src-pfx dead::/64;;FAIL
-j DNPT --dst-pfx dead::/64;;FAIL
-j DNPT;;FAIL
-j DNPT --src-pfx 1.2.3.0/24 --dst-pfx 1c3::/64;;FAIL
@ipv4
-j DNPT --src-pfx dead::/64 --dst-pfx 1c3::/64;;FAIL
@ipv6
:INPUT,POSTROUTING
-j DNPT --src-pfx dead::/64 --dst-pfx 1c3::/64;;FAIL
