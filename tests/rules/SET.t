*mangle
:PREROUTING
@both
-j SET --add-set foo src;=;OK
-j SET --add-set foo src,dst,dst;=;OK
-j SET --add-set foo src,dst --exist;=;OK
-j SET --add-set foo src,dst --timeout 123;=;OK
-j SET --add-set foo src --timeout 0;=;OK
-j SET --add-set foo src --timeout 4294967295;;FAIL
-j SET --add-set foo src --timeout 4294967294;=;OK
-j SET --add-set foo src --timeout 4294967296;;FAIL
-j SET --add-set foo src --exist --timeout 123;=;OK
-j SET --exist --add-set foo src;-j SET --add-set foo src --exist;OK
-j SET --del-set foo src;=;OK
-j SET --del-set foo src,dst;=;OK
-j SET --add-set foo src --del-set bar dst;=;OK
-j SET --del-set foo src --add-set bar dst --exist;-j SET --add-set bar dst --exist --del-set foo src;OK
-j SET --del-set foo src --exist;;FAIL
-j SET --del-set foo src --timeout 5;;FAIL
-j SET --map-set foo src;;FAIL
-j SET --map-set foo src,dst --map-mark;=;OK
-j SET --map-set foo src --map-prio --map-queue --map-mark;;FAIL
-j SET --map-set foo src --add-set bar src --map-mark;-j SET --add-set bar src --map-set foo src --map-mark;OK
-j SET --map-set foo dst,src --map-queue;;FAIL
-j SET --map-mark;;FAIL
-j SET --add-set foo src --map-mark;;FAIL
-j SET --add-set foo;;FAIL
-j SET --add-set foo x;;FAIL
-j SET --add-set foo src,src,src,src,src,src;=;OK
-j SET --add-set foo src,src,src,src,src,src,src;;FAIL
-j SET --add-set foo src --add-set bar src;;FAIL
-j SET;;FAIL
-j SET --timeout 5;;FAIL
-j SET --exist;;FAIL
-j SET --add-set foo src,;;FAIL
:INPUT
-j SET --map-set foo src --map-prio;;FAIL
:FORWARD,OUTPUT,POSTROUTING
-j SET --map-set foo src --map-prio;=;OK
*filter
:INPUT
-j SET --map-set foo src --map-mark;;FAIL
