@both
:INPUT,OUTPUT
-m cgroup --cgroup 1;=;OK
-m cgroup ! --cgroup 1;=;OK
-m cgroup --cgroup 0x10001;-m cgroup --cgroup 65537;OK
-m cgroup --cgroup 4294967295;=;OK
-m cgroup --cgroup 4294967296;;FAIL
-m cgroup --cgroup x;;FAIL
-m cgroup;;FAIL
-m cgroup --cgroup 1 --cgroup 2;;FAIL
-m cgroup --cgroup 1 --path /;;FAIL
-m cgroup --path "";=;OK
-m cgroup ! --path "";=;OK
-m cgroup --path nosuch.slice;-m cgroup --path "nosuch.slice";UNTRIED
:FORWARD
-m cgroup --cgroup 1;;FAIL
*mangle
:POSTROUTING
-m cgroup --cgroup 1;=;OK
:PREROUTING
-m cgroup --cgroup 1;;FAIL
