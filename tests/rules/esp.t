@both
-p esp;=;OK
-p esp -m esp;=;OK
-p esp -m esp --espspi 0;=;OK
-p esp -m esp --espspi 4294967295;=;OK
-p esp -m esp --espspi 0:4294967295;-p esp -m esp;OK
-p esp -m esp ! --espspi 0:4294967295;;STRICT
-p esp -m esp ! --espspi 0:4294967294;=;OK
-p esp -m esp --espspi 32;=;OK
-p 50 -m esp --espspi 10:20;-p esp -m esp --espspi 10:20;OK
-p esp -m esp --espspi :20;-p esp -m esp --espspi 0:20;OK
-p esp -m esp --espspi 20:;-p esp -m esp --espspi 20:4294967295;OK
-p esp --espspi 5;-p esp -m esp --espspi 5;OK
-p esp -m esp --espspi 20:10;=;OK
-p esp -m esp --espspi 4294967296;;FAIL
-p esp -m esp --espspi invalid;;FAIL
-p esp -m esp --espspi 0 --espspi 1;;FAIL
-m esp --espspi 0;;FAIL
-m esp;;FAIL
! -p esp -m esp --espspi 1;;FAIL
