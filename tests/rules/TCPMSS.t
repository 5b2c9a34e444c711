*mangle
:FORWARD
@both
-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu;=;OK
-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1400;=;OK
-p tcp --syn -j TCPMSS --set-mss 0;-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j TCPMSS --set-mss 0;OK
-p tcp --syn -j TCPMSS --set-mss 42;-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j TCPMSS --set-mss 42;OK
-p tcp --syn -j TCPMSS --set-mss 65495;-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j TCPMSS --set-mss 65495;OK
@ipv4
-p tcp --syn -j TCPMSS --set-mss 65496;-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j TCPMSS --set-mss 65496;OK
@ipv6
-p tcp --syn -j TCPMSS --set-mss 65496;;FAIL
@both
-p tcp --syn -j TCPMSS --set-mss 65475;-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j TCPMSS --set-mss 65475;OK
-p tcp --syn -j TCPMSS --set-mss 65476;-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j TCPMSS --set-mss 65476;OK
-p tcp --syn -j TCPMSS --set-mss 65535;;FAIL
-p tcp --syn -j TCPMSS --set-mss 65536;;FAIL
-p tcp --syn -j TCPMSS --set-mss x;;FAIL
-p tcp --syn -j TCPMSS --set-mss 1400 --clamp-mss-to-pmtu;;STRICT
-p tcp --syn -j TCPMSS;;FAIL
-p tcp -j TCPMSS --set-mss 1400;=;OK
-p udp -j TCPMSS --set-mss 1400;;FAIL
-j TCPMSS --set-mss 1400;;FAIL
-p tcp ! --syn -j TCPMSS --set-mss 1400;-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -j TCPMSS --set-mss 1400;OK
-p tcp --tcp-flags ALL ACK -j TCPMSS --set-mss 1400;-p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG ACK -j TCPMSS --set-mss 1400;OK
-p tcp --tcp-flags SYN,ACK SYN,ACK -j TCPMSS --set-mss 1400;-p tcp -m tcp --tcp-flags SYN,ACK SYN,ACK -j TCPMSS --set-mss 1400;OK
! -p tcp -j TCPMSS --set-mss 1400;;FAIL
:PREROUTING,INPUT
-p tcp --syn -j TCPMSS --set-mss 1400;-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j TCPMSS --set-mss 1400;OK
-p tcp --syn -j TCPMSS --clamp-mss-to-pmtu;;FAIL
*filter
:OUTPUT
-p tcp --syn -j TCPMSS --clamp-mss-to-pmtu;-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j TCPMSS --clamp-mss-to-pmtu;OK
