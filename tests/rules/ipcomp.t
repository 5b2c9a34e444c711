@both
-p ipcomp -m ipcomp;-p ipcomp -m ipcomp --ipcompspi 0;OK
-p ipcomp -m ipcomp --ipcompspi 18;=;OK
-p ipcomp -m ipcomp ! --ipcompspi 18:20;=;OK
-p ipcomp -m ipcomp --ipcompspi 0:4294967295;;STRICT
-p ipcomp -m ipcomp ! --ipcompspi 0:4294967295;;STRICT
-p ipcomp -m ipcomp --ipcompspi 18 --compres;=;OK
-p ipcomp -m ipcomp --compres;-p ipcomp -m ipcomp --ipcompspi 0 --compres;OK
-p 108 -m ipcomp --ipcompspi 18:;-p ipcomp -m ipcomp --ipcompspi 18:4294967295;OK
-p ipcomp -m ipcomp --ipcompspi 20:18;=;OK
-p ipcomp -m ipcomp --ipcompspi 4294967296;;FAIL
-p ipcomp -m ipcomp --ipcompspi x;;FAIL
-p ipcomp -m ipcomp ! --compres;;FAIL
-p ipcomp -m ipcomp --ipcompspi 1 --ipcompspi 2;;FAIL
-m ipcomp --ipcompspi 1;;FAIL
-p tcp -m ipcomp --ipcompspi 1;;FAIL
! -p ipcomp -m ipcomp --ipcompspi 1;;FAIL
