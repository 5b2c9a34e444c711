*filter
:INPUT
@both
-j AUDIT --type accept;=;OK
-j AUDIT --type drop;=;OK
-j AUDIT --type reject;=;OK
-j AUDIT --type ACCEPT;-j AUDIT --type accept;OK
-j AUDIT --type foo;;FAIL
-j AUDIT --type acc;;FAIL
-j AUDIT;;FAIL
-j AUDIT --type drop --type accept;;FAIL
