*filter
:INPUT,FORWARD,OUTPUT
@both
-j IDLETIMER --timeout 42 --label foo;=;OK
-j IDLETIMER --timeout 1 --label "foo bar";;STRICT
-j IDLETIMER --timeout 42 --label fooalarm --alarm;=;OK
-j IDLETIMER --alarm --label fooalarm --timeout 42;-j IDLETIMER --timeout 42 --label fooalarm --alarm;OK
-j IDLETIMER --timeout 42;;FAIL
-j IDLETIMER --label foo;;FAIL
-j IDLETIMER;;FAIL
-j IDLETIMER --timeout 0 --label foo;;FAIL
-j IDLETIMER --timeout 4294967295 --label foo;;FAIL
-j IDLETIMER --timeout 4294967296 --label foo;;FAIL
-j IDLETIMER --timeout 2147483 --label foo;;FAIL
-j IDLETIMER --timeout x --label foo;;FAIL
-j IDLETIMER --timeout 5 --label aaaaaaaaaaaaaaaaaaaaaaaaaaa;=;OK
-j IDLETIMER --timeout 5 --label aaaaaaaaaaaaaaaaaaaaaaaaaaaa;;STRICT
-j IDLETIMER --timeout 5 --label "";;FAIL
