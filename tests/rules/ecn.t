@both
-m ecn --ecn-ip-ect 0;=;OK
-m ecn --ecn-ip-ect 3;=;OK
-m ecn ! --ecn-ip-ect 2;=;OK
-m ecn --ecn-ip-ect 4;;FAIL
-m ecn --ecn-ip-ect x;;FAIL
-m ecn;;FAIL
-p tcp -m ecn --ecn-tcp-cwr;=;OK
-p tcp -m ecn --ecn-tcp-ece;=;OK
-p tcp -m ecn ! --ecn-tcp-cwr --ecn-ip-ect 1;=;OK
-p tcp -m ecn --ecn-tcp-cwr --ecn-tcp-ece --ecn-ip-ect 1;-p tcp -m ecn --ecn-tcp-ece --ecn-tcp-cwr --ecn-ip-ect 1;OK
-p tcp -m ecn ! --ecn-tcp-ece ! --ecn-tcp-cwr ! --ecn-ip-ect 1;=;OK
-p tcp -m ecn --ecn-tcp-cwr --ecn-tcp-cwr;;FAIL
-m ecn --ecn-tcp-ece;;FAIL
-p udp -m ecn --ecn-tcp-cwr;;FAIL
! -p tcp -m ecn --ecn-tcp-cwr;;FAIL
-p udp -m ecn --ecn-ip-ect 0;=;OK
