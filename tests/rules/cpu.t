@both
-m cpu --cpu 0;=;OK
-m cpu ! --cpu 0;=;OK
-m cpu --cpu 4294967295;=;OK
-m cpu --cpu 0x1;-m cpu --cpu 1;OK
-m cpu --cpu 4294967296;;FAIL
-m cpu --cpu -1;;FAIL
-m cpu --cpu x;;FAIL
-m cpu;;FAIL
-m cpu --cpu 1 --cpu 2;;FAIL
