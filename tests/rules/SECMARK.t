*security
:INPUT,FORWARD,OUTPUT
@both
-j SECMARK --selctx system_u:object_r:firewalld_exec_t:s0;=;UNTRIED
-j SECMARK;;FAIL
*mangle
:PREROUTING
-j SECMARK;;FAIL
