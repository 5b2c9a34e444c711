@both
:INPUT,FORWARD
-p tcp -m tcp;=;OK
-p tcp --dport 22;-p tcp -m tcp --dport 22;OK
-p tcp --dport=22;-p tcp -m tcp --dport 22;OK
-p 6 --destination-port 22;-p tcp -m tcp --dport 22;OK
-p tcp --sport 1024:;-p tcp -m tcp --sport 1024:65535;OK
-p tcp --sport :1023;-p tcp -m tcp --sport 0:1023;OK
-p tcp -m tcp ! --sport 67:68 ! --dport 53;=;OK
-p tcp --dport ftp;-p tcp -m tcp --dport 21;OK
-p tcp --dport 0:65535;-p tcp -m tcp;OK
-p tcp --dport 0x16;-p tcp -m tcp --dport 22;OK
-p tcp --syn;-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN;OK
-p tcp ! --syn;-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN;OK
-p tcp --tcp-flags ALL NONE;-p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE;OK
-p tcp --tcp-flags ack,SYN syn;-p tcp -m tcp --tcp-flags SYN,ACK SYN;OK
-p tcp --tcp-option 5 --sport 1;-p tcp -m tcp --sport 1 --tcp-option 5;OK
-p tcp -m tcp ! --tcp-option 255;=;OK
-m tcp --dport 22 -p tcp;-p tcp -m tcp --dport 22;OK
! -p tcp -m tcp --dport 22;=;OK
-p tcp --dport 100:50;;FAIL
-p tcp --dport 70000;;FAIL
-p tcp --dport nosuchservice;;FAIL
-p tcp --dport ! 22;;FAIL
-p tcp --dport 22 --dport 23;;FAIL
-p tcp --tcp-flags SYN;;FAIL
-p tcp --tcp-flags SYN,XXX SYN;;FAIL
-p tcp --tcp-option 0;;FAIL
-p tcp --syn --tcp-flags SYN SYN;;FAIL
--dport 22 -p tcp;;FAIL
-m tcp --dport 22;;FAIL
-p udp -m tcp --dport 22;;FAIL
! -p tcp -m tcp;;FAIL
! -p tcp -m tcp --tcp-option 5;;FAIL
@both
:INPUT
-p tcp -m tcp --tcp-flags NONE NONE;-p tcp -m tcp;OK
-p tcp -m tcp --dport 22 -m state --state NEW -m tcp --sport 23;-p tcp -m tcp --sport 23 --dport 22 -m state --state NEW;OK
-p tcp -m tcp --tcp-flags SYN SYN -m tcp --dport 1:1;-p tcp -m tcp --dport 1 --tcp-flags SYN SYN;OK
-p tcp -m tcp -m tcp --dport 22;=;OK
-p tcp -m tcp --tcp-option 5 -m tcp --dport 1;=;OK
-p tcp --dport 22 -m multiport --dports 23,25;-p tcp -m tcp --dport 22 -m multiport --dports 23,25;OK
! -p tcp -m tcp --dport 0:65535;;FAIL
-p tcp ! --dport 0:1023;-p tcp -m tcp --dport 1024:65535;OK
-p tcp ! --dport 0:65534;-p tcp -m tcp --dport 65535;OK
-p tcp ! --dport 1:1023;-p tcp -m tcp ! --dport 1:1023;OK
-p tcp ! --dport 0;-p tcp -m tcp ! --dport 0;OK
-p tcp ! --dport 0:1023 --tcp-option 5;-p tcp -m tcp ! --dport 0:1023 --tcp-option 5;OK
