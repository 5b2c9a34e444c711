@both
:INPUT,FORWARD
-m comment --comment foo;=;OK
-m comment --comment "two words";=;OK
-m comment --comment "a \"b\" \\ it\'s";=;OK
-m comment --comment -foo;=;OK
-m comment --comment "";=;OK
-m comment --comment 'two words';;FAIL
-m comment;;FAIL
-m comment ! --comment foo;;FAIL
