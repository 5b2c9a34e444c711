*mangle
:FORWARD,OUTPUT,POSTROUTING
@both
-j CLASSIFY --set-class 0:0;-j CLASSIFY --set-class 0000:0000;OK
-j CLASSIFY --set-class 1:2;-j CLASSIFY --set-class 0001:0002;OK
-j CLASSIFY --set-class 0000:ffff;=;OK
-j CLASSIFY --set-class FFFF:ffff;-j CLASSIFY --set-class ffff:ffff;OK
-j CLASSIFY --set-class 1:;;FAIL
-j CLASSIFY --set-class :1;;FAIL
-j CLASSIFY --set-class 1;;FAIL
-j CLASSIFY --set-class 10000:1;;STRICT
-j CLASSIFY --set-class 1:10000;;STRICT
-j CLASSIFY --set-class 0x1:0x2;-j CLASSIFY --set-class 0001:0002;OK
-j CLASSIFY --set-class 1:2:3;;STRICT
-j CLASSIFY --set-class x:1;;FAIL
-j CLASSIFY --set-class 1:2x;;STRICT
-j CLASSIFY --set-class -1:2;;STRICT
-j CLASSIFY;;FAIL
:PREROUTING,INPUT
-j CLASSIFY --set-class 1:2;;FAIL
*filter
:FORWARD
-j CLASSIFY --set-class 1:2;-j CLASSIFY --set-class 0001:0002;OK
