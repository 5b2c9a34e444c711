@both
:INPUT,FORWARD
-m state --state RELATED,ESTABLISHED;=;OK
-m state --state ESTABLISHED,RELATED,NEW;-m state --state NEW,RELATED,ESTABLISHED;OK
-m state ! --state INVALID;=;OK
-m state --state untracked;-m state --state UNTRACKED;OK
-m state --state DNAT;;FAIL
-m state;;FAIL
