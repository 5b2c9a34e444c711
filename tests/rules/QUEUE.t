# Only the legacy backend has it.
*filter
:INPUT
@both
-j QUEUE;=;UNTRIED
-j QUEUE --queue-num 1;;FAIL
