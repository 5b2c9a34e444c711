@both
-m mac --mac-source 00:11:22:aa:BB:cc;-m mac --mac-source 00:11:22:aa:bb:cc;OK
-m mac ! --mac-source 00:11:22:aa:bb:cc;=;OK
-m mac --mac-source 0:1:2:3:4:5;-m mac --mac-source 00:01:02:03:04:05;OK
-m mac --mac-source 00:11:22:aa:BB;;FAIL
-m mac --mac-source 00:11:22:aa:BB:cc:dd;;FAIL
-m mac --mac-source 00:11:22:aa:BB:gg;;FAIL
-m mac;;FAIL
:OUTPUT
-m mac --mac-source 00:11:22:aa:BB:cc;;FAIL
