*mangle
:PREROUTING
@both
-p tcp -j TCPOPTSTRIP;=;OK
-p tcp -j TCPOPTSTRIP --strip-options 2,3,4,5,6,7;=;OK
-p tcp -j TCPOPTSTRIP --strip-options 0;;FAIL
-p tcp -j TCPOPTSTRIP --strip-options 1;;FAIL
-p tcp -j TCPOPTSTRIP --strip-options 255;=;OK
-p tcp -j TCPOPTSTRIP --strip-options 256;;FAIL
-p tcp -j TCPOPTSTRIP --strip-options 1,2;;FAIL
-p tcp -j TCPOPTSTRIP --strip-options wscale;-p tcp -j TCPOPTSTRIP --strip-options 3;OK
-p tcp -j TCPOPTSTRIP --strip-options mss,wscale,sack-permitted,sack,timestamp,md5;-p tcp -j TCPOPTSTRIP --strip-options 2,3,4,5,8,19;OK
-p tcp -j TCPOPTSTRIP --strip-options timestamp,2;-p tcp -j TCPOPTSTRIP --strip-options 2,8;OK
-p tcp -j TCPOPTSTRIP --strip-options 5,2,5;;FAIL
-p tcp -j TCPOPTSTRIP --strip-options foo;;FAIL
-p tcp -j TCPOPTSTRIP --strip-options 4,;;FAIL
-p udp -j TCPOPTSTRIP --strip-options 4;;FAIL
-j TCPOPTSTRIP --strip-options 4;;FAIL
! -p tcp -j TCPOPTSTRIP --strip-options 4;;FAIL
*filter
:INPUT
-p tcp -j TCPOPTSTRIP --strip-options 4;;FAIL
