*filter
:INPUT
@both
-j NFQUEUE;-j NFQUEUE --queue-num 0;OK
-j NFQUEUE --queue-num 0;=;OK
-j NFQUEUE --queue-num 65535;=;OK
-j NFQUEUE --queue-num 65536;;FAIL
-j NFQUEUE --queue-num -1;;FAIL
-j NFQUEUE --queue-num x;;FAIL
-j NFQUEUE --queue-num 1 --queue-bypass;=;OK
-j NFQUEUE --queue-bypass;-j NFQUEUE --queue-num 0 --queue-bypass;OK
-j NFQUEUE --queue-balance 0:3;=;OK
-j NFQUEUE --queue-balance 0:65535;;FAIL
-j NFQUEUE --queue-balance 0:65534;=;OK
-j NFQUEUE --queue-balance 0:65536;;FAIL
-j NFQUEUE --queue-balance 1:65535;=;OK
-j NFQUEUE --queue-balance -1:65535;;FAIL
-j NFQUEUE --queue-balance 3:1;;FAIL
-j NFQUEUE --queue-balance 3:3;;FAIL
-j NFQUEUE --queue-balance 3;;FAIL
-j NFQUEUE --queue-balance 3:;-j NFQUEUE --queue-balance 3:65535;OK
-j NFQUEUE --queue-balance :3;-j NFQUEUE --queue-balance 0:3;OK
-j NFQUEUE --queue-balance 0:3 --queue-cpu-fanout;=;OK
-j NFQUEUE --queue-balance 0:3 --queue-bypass --queue-cpu-fanout;=;OK
-j NFQUEUE --queue-cpu-fanout;;FAIL
-j NFQUEUE --queue-num 3 --queue-cpu-fanout;;FAIL
-j NFQUEUE --queue-num 10 --queue-balance 0:3;;FAIL
*mangle
:POSTROUTING
-j NFQUEUE --queue-num 7;=;OK
