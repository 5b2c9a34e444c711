*raw
:PREROUTING,OUTPUT
@both
-j TRACE;=;OK
-p tcp -j TRACE;=;OK
-j TRACE --foo;;FAIL
*filter
:INPUT
-j TRACE;=;OK
