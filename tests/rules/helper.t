@both
:INPUT,FORWARD
-m helper --helper ftp;=;OK
-m helper ! --helper ftp-2121;=;OK
-m helper --helper "a b";=;OK
-m helper --helper "";=;OK
-m helper --helper "Q.931";=;OK
-m helper --helper Q.931;-m helper --helper "Q.931";OK
-m helper;;FAIL
-m helper --helper;;FAIL
