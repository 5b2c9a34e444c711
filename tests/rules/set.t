@ipv4
-m set --match-set a src;=;OK
-m set ! --match-set a dst;=;OK
-m set --match-set b src,dst;=;OK
-m set --match-set a src --return-nomatch;=;OK
-m set --match-set a src --return-nomatch ! --update-counters;=;OK
-m set --match-set c src,src ! --update-counters ! --update-subcounters --packets-gt 5 --bytes-lt 100;=;OK
-m set --match-set c src,src ! --packets-eq 5 ! --bytes-eq 6;=;OK
-m set --match-set c src,src --update-counters;-m set --match-set c src,src;OK
-m set --set a src;-m set --match-set a src;OK
-m set --match-set a foo;;FAIL
-m set --match-set a SRC;;FAIL
-m set --match-set a src,dst,src,dst,src,dst,src;;FAIL
-m set --match-set c src,src --packets-eq 5 --packets-gt 3;;FAIL
-m set --match-set a src --match-set b src,dst;;FAIL
-m set --match-set a;;FAIL
-m set;;FAIL
@ipv6
-m set --match-set n6 src;=;OK
