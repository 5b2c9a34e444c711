@both
:INPUT
-m devgroup --src-group 0;-m devgroup --src-group default;OK
-m devgroup --src-group 0x17;=;OK
-m devgroup ! --src-group 0x17/0xff;=;OK
-m devgroup --src-group 0x1ff/0xff;=;OK
-m devgroup --src-group 1/0xffffffff;-m devgroup --src-group 0x1;OK
-m devgroup --src-group 4294967296;;FAIL
-m devgroup --src-group nosuchgroup;;FAIL
-m devgroup --src-group 1 --src-group 2;;FAIL
-m devgroup --dst-group 1;;FAIL
-m devgroup;;FAIL
:FORWARD,chain
-m devgroup --src-group 1 --dst-group 2;-m devgroup --src-group 0x1 --dst-group 0x2;OK
-m devgroup ! --dst-group 2;-m devgroup ! --dst-group 0x2;OK
-m devgroup --src-group 1 ! --dst-group 2/3;-m devgroup --src-group 0x1 ! --dst-group 0x2/0x3;OK
:OUTPUT
-m devgroup --src-group 1;;FAIL
-m devgroup --dst-group 1;-m devgroup --dst-group 0x1;OK
*mangle
:PREROUTING
-m devgroup --src-group 1;-m devgroup --src-group 0x1;OK
-m devgroup --dst-group 1;;FAIL
:POSTROUTING
-m devgroup --src-group 1;;FAIL
-m devgroup --dst-group 1;-m devgroup --dst-group 0x1;OK
