*nat
:PREROUTING,OUTPUT
@both
-j REDIRECT;=;OK
-j REDIRECT --random;=;OK
-j REDIRECT --random-fully;;FAIL
-j REDIRECT --persistent;;FAIL
-p tcp -j REDIRECT --to-ports 42;=;OK
-p udp -j REDIRECT --to-ports 42-1234;=;OK
-p tcp -j REDIRECT --to-ports 42-1234 --random;=;OK
-p tcp -j REDIRECT --to-ports 42-1234/567;;FAIL
-p tcp -j REDIRECT --to-ports 42/567;;FAIL
-p tcp -j REDIRECT --to-port 42;-p tcp -j REDIRECT --to-ports 42;OK
-p tcp -j REDIRECT --to-ports 0;=;OK
-p tcp -j REDIRECT --to-ports 65536;;FAIL
-p tcp -j REDIRECT --to-ports 10-9;;FAIL
-p tcp -j REDIRECT --to-ports 9-9;-p tcp -j REDIRECT --to-ports 9;OK
-p tcp -j REDIRECT --to-ports 9-;;FAIL
-p tcp -j REDIRECT --to-ports ssh;-p tcp -j REDIRECT --to-ports 22;OK
-p tcp -j REDIRECT --to-ports ssh-http;;FAIL
-p tcp -j REDIRECT --to-ports :80;;FAIL
-p tcp -j REDIRECT --to-ports 1.1.1.1:80;;FAIL
-p sctp -j REDIRECT --to-ports 42;=;OK
-p dccp -j REDIRECT --to-ports 42;=;OK
-p udplite -j REDIRECT --to-ports 42;;FAIL
-p icmp -j REDIRECT --to-ports 42;=;OK
-j REDIRECT --to-ports 42;;FAIL
! -p tcp -j REDIRECT --to-ports 42;=;OK
:POSTROUTING,INPUT
-j REDIRECT;;FAIL
*mangle
:PREROUTING
-j REDIRECT;;FAIL
