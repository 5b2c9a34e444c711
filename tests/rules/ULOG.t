# Gone from the kernel; the words remain.
*filter
:INPUT
@ipv4
-j ULOG;=;UNTRIED
-j ULOG --ulog-nlgroup 1;-j ULOG;UNTRIED
-j ULOG --ulog-nlgroup 32 --ulog-prefix "a b" --ulog-cprange 100 --ulog-qthreshold 50;-j ULOG --ulog-prefix "a b" --ulog-nlgroup 32 --ulog-cprange 100 --ulog-qthreshold 50;UNTRIED
-j ULOG --ulog-nlgroup 0;;FAIL
-j ULOG --ulog-nlgroup 33;;FAIL
-j ULOG --ulog-qthreshold 51;;FAIL
@ipv6
-j ULOG;;FAIL
