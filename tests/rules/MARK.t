*mangle
:PREROUTING
@both
-j MARK --set-mark 1;-j MARK --set-xmark 0x1/0xffffffff;OK
-j MARK --set-mark 0x10/0xf;-j MARK --set-xmark 0x10/0x1f;OK
-j MARK --set-xmark 0x10/0xf0;=;OK
-j MARK --set-xmark 0/0;-j MARK --set-xmark 0x0/0x0;OK
-j MARK --and-mark 0xf;-j MARK --set-xmark 0x0/0xfffffff0;OK
-j MARK --or-mark 4;-j MARK --set-xmark 0x4/0x4;OK
-j MARK --xor-mark 7;-j MARK --set-xmark 0x7/0x0;OK
-j MARK --set-mark 010;-j MARK --set-xmark 0x8/0xffffffff;OK
-j MARK --set-mark 4294967295;-j MARK --set-xmark 0xffffffff/0xffffffff;OK
-j MARK --set-mark 4294967296;;FAIL
-j MARK --set-mark 1/2/3;;FAIL
-j MARK --set-mark;;FAIL
-j MARK;;FAIL
-j MARK --set-mark 1 --or-mark 2;;FAIL
-j MARK --set-mark x;;FAIL
-j MARK ! --set-mark 1;;FAIL
*filter
:INPUT
-j MARK --set-mark 1;-j MARK --set-xmark 0x1/0xffffffff;OK
*nat
:OUTPUT
-j MARK --set-mark 1;-j MARK --set-xmark 0x1/0xffffffff;OK
