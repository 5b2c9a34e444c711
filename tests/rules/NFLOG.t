*filter
:INPUT
@both
-j NFLOG;=;OK
-j NFLOG --nflog-group 0;-j NFLOG;OK
-j NFLOG --nflog-group 1;=;OK
-j NFLOG --nflog-group 65535;=;OK
-j NFLOG --nflog-group 65536;;FAIL
-j NFLOG --nflog-group -1;;FAIL
-j NFLOG --nflog-group x;;FAIL
-j NFLOG --nflog-range 1;-j NFLOG;OK
-j NFLOG --nflog-range 4294967295;-j NFLOG;OK
-j NFLOG --nflog-range 4294967296;;FAIL
-j NFLOG --nflog-range 0;-j NFLOG;OK
-j NFLOG --nflog-range -1;;FAIL
-j NFLOG --nflog-size 0;=;OK
-j NFLOG --nflog-size 1;=;OK
-j NFLOG --nflog-size 4294967295;=;OK
-j NFLOG --nflog-size 4294967296;;FAIL
-j NFLOG --nflog-size 4 --nflog-range 5;;FAIL
-j NFLOG --nflog-threshold 0;-j NFLOG;OK
-j NFLOG --nflog-threshold 1;=;OK
-j NFLOG --nflog-threshold 65535;=;OK
-j NFLOG --nflog-threshold 65536;;FAIL
-j NFLOG --nflog-prefix x;=;OK
-j NFLOG --nflog-prefix "";;FAIL
-j NFLOG --nflog-prefix "two words";=;OK
-j NFLOG --nflog-prefix abc_def-9;=;OK
-j NFLOG --nflog-prefix xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx;=;OK
-j NFLOG --nflog-prefix xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx;=;OK
-j NFLOG --nflog-threshold 5 --nflog-size 64 --nflog-group 3 --nflog-prefix "a: ";-j NFLOG --nflog-prefix "a: " --nflog-group 3 --nflog-size 64 --nflog-threshold 5;OK
-j NFLOG --nflog-group 1 --nflog-group 2;;FAIL
-j NFLOG --nflog-prefix;;FAIL
*raw
:PREROUTING
-j NFLOG --nflog-group 30;=;OK
