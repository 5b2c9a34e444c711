@both
:INPUT,FORWARD
-p udp -m udp;=;OK
-p udp --dport 53;-p udp -m udp --dport 53;OK
-p udp -m udp --sport 67:68 --dport 67:68;=;OK
-p udp -m udp ! --dport 53;=;OK
-p udp --dport tftp;-p udp -m udp --dport 69;OK
-p udplite -m udp --dport 1;;FAIL
-p tcp -m udp --dport 1;;FAIL
# The tool reads 65536 as 0.
-p udp --dport 65536;;STRICT
-p udp --dport -1;;FAIL
! -p udp -m udp --dport 53;=;OK
! -p udp -m udp;;FAIL
-p udp -m udp --sport 1 -m udp --dport 2;-p udp -m udp --sport 1 --dport 2;OK
-p udp --sport 0:65535;-p udp -m udp;OK
-p udp ! --sport 0:1;-p udp -m udp --sport 2:65535;OK
