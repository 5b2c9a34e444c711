@both
-m connlimit --connlimit-upto 5 --connlimit-mask 24;-m connlimit --connlimit-upto 5 --connlimit-mask 24 --connlimit-saddr;OK
-m connlimit --connlimit-above 5 --connlimit-mask 0;-m connlimit --connlimit-above 5 --connlimit-mask 0 --connlimit-saddr;OK
-m connlimit --connlimit-above 5 --connlimit-upto 4;;FAIL
-m connlimit;;FAIL
-m connlimit --connlimit-above 5 --connlimit-saddr --connlimit-daddr;;FAIL
@ipv4
-m connlimit --connlimit-above 5;-m connlimit --connlimit-above 5 --connlimit-mask 32 --connlimit-saddr;OK
-m connlimit --connlimit-upto 5 --connlimit-daddr;-m connlimit --connlimit-upto 5 --connlimit-mask 32 --connlimit-daddr;OK
-m connlimit ! --connlimit-upto 5 --connlimit-saddr;-m connlimit --connlimit-above 5 --connlimit-mask 32 --connlimit-saddr;OK
# The tool takes it for 32.
-m connlimit --connlimit-above 5 --connlimit-mask 33;;STRICT
@ipv6
-m connlimit --connlimit-above 5;-m connlimit --connlimit-above 5 --connlimit-mask 128 --connlimit-saddr;OK
-m connlimit --connlimit-above 5 --connlimit-mask 64 --connlimit-daddr;=;OK
