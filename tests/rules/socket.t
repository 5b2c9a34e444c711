@both
*mangle
:PREROUTING,INPUT
-m socket;=;OK
-m socket --transparent;=;OK
-m socket --nowildcard;=;OK
-m socket --restore-skmark;=;OK
-m socket --transparent --nowildcard;=;OK
-m socket --transparent --nowildcard --restore-skmark;=;OK
-m socket --nowildcard --restore-skmark;=;OK
-m socket --restore-skmark --transparent;-m socket --transparent --restore-skmark;OK
-m socket --foo;;FAIL
-m socket ! --transparent;;FAIL
-m socket --transparent --transparent;;FAIL
:FORWARD,OUTPUT,POSTROUTING
-m socket;;FAIL
