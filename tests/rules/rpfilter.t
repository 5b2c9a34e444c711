@both
*raw
:PREROUTING,chain
-m rpfilter;=;OK
-m rpfilter --invert --accept-local --validmark --loose;-m rpfilter --loose --validmark --accept-local --invert;OK
-m rpfilter --inv;-m rpfilter --invert;OK
-m rpfilter ! --loose;;FAIL
-m rpfilter --loose --loose;;FAIL
-m rpfilter --loose yes;;FAIL
:OUTPUT
-m rpfilter;;FAIL
*mangle
:PREROUTING
-m rpfilter --loose;=;OK
:FORWARD
-m rpfilter;;FAIL
*filter
:INPUT,chain
-m rpfilter;;FAIL
*nat
:PREROUTING
-m rpfilter;;FAIL
