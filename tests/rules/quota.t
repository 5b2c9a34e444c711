@both
-m quota --quota 0;=;OK
-m quota --quota 0xff;-m quota --quota 255;OK
-m quota ! --quota 500;=;OK
-m quota --quota 18446744073709551615;=;OK
-m quota;;FAIL
-m quota --quota x;;FAIL
