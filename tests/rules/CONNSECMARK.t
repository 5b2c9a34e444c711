*security
:INPUT,FORWARD,OUTPUT
@both
-j CONNSECMARK --save;=;OK
-j CONNSECMARK --restore;=;OK
-j CONNSECMARK;;FAIL
-j CONNSECMARK --save --restore;;FAIL
*mangle
:PREROUTING
-j CONNSECMARK --restore;=;OK
*filter
:INPUT
-j CONNSECMARK --restore;;FAIL
