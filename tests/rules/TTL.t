*mangle
:PREROUTING
@ipv4
-j TTL --ttl-set 0;=;OK
-j TTL --ttl-set 42;=;OK
-j TTL --ttl-set 255;=;OK
-j TTL --ttl-set 256;;FAIL
-j TTL --ttl-inc 1;=;OK
-j TTL --ttl-inc 255;=;OK
-j TTL --ttl-inc 0;;FAIL
-j TTL --ttl-dec 1;=;OK
-j TTL --ttl-dec 0;;FAIL
-j TTL --ttl-dec 256;;FAIL
-j TTL --ttl-set x;;FAIL
-j TTL --ttl-set -1;;FAIL
-j TTL --ttl-set 1 --ttl-inc 5;;FAIL
-j TTL;;FAIL
@ipv6
-j TTL --ttl-set 1;;FAIL
@ipv4
*filter
:INPUT
-j TTL --ttl-set 1;;FAIL
