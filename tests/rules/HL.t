*mangle
:PREROUTING
@ipv6
-j HL --hl-set 0;=;OK
-j HL --hl-set 42;=;OK
-j HL --hl-set 255;=;OK
-j HL --hl-set 256;;FAIL
-j HL --hl-inc 1;=;OK
-j HL --hl-inc 255;=;OK
-j HL --hl-inc 0;;FAIL
-j HL --hl-dec 1;=;OK
-j HL --hl-dec 0;;FAIL
-j HL --hl-dec 256;;FAIL
-j HL --hl-set x;;FAIL
-j HL --hl-set -1;;FAIL
-j HL --hl-set 1 --hl-inc 5;;FAIL
-j HL;;FAIL
@ipv4
-j HL --hl-set 1;;FAIL
@ipv6
*filter
:INPUT
-j HL --hl-set 1;;FAIL
