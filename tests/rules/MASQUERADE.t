*nat
:POSTROUTING
@both
-j MASQUERADE;=;OK
-j MASQUERADE --random;=;OK
-j MASQUERADE --random-fully;=;OK
-j MASQUERADE --random --random-fully;=;OK
-p tcp -j MASQUERADE --to-ports 1024;=;OK
-p udp -j MASQUERADE --to-ports 1024-65535;=;OK
-p tcp -j MASQUERADE --to-ports 1024-65535 --random;=;OK
-p tcp -j MASQUERADE --to-ports 1024-65536;;FAIL
-p tcp -j MASQUERADE --to-ports 1024-;;FAIL
-p tcp -j MASQUERADE --to-ports 1024-1024;-p tcp -j MASQUERADE --to-ports 1024;OK
-p tcp -j MASQUERADE --to-ports 2000-1000;;FAIL
-p tcp -j MASQUERADE --to-ports 0;=;OK
-p tcp -j MASQUERADE --to-ports 0-65535;=;OK
-p tcp -j MASQUERADE --to-ports 65536;;FAIL
-p tcp -j MASQUERADE --to-ports ssh;-p tcp -j MASQUERADE --to-ports 22;OK
-p tcp -j MASQUERADE --to-ports :80;;FAIL
-p sctp -j MASQUERADE --to-ports 80;=;OK
-p dccp -j MASQUERADE --to-ports 80;=;OK
-p udplite -j MASQUERADE --to-ports 80;;FAIL
-p icmp -j MASQUERADE --to-ports 80;=;OK
-j MASQUERADE --to-ports 1024;;FAIL
! -p tcp -j MASQUERADE --to-ports 1024;=;OK
-j MASQUERADE --persistent;;FAIL
-j MASQUERADE --random --random;;FAIL
:PREROUTING,INPUT,OUTPUT
-j MASQUERADE;;FAIL
*filter
:INPUT
-j MASQUERADE;;FAIL
