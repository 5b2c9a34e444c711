@both
-p tcp -m tcpmss --mss 42;=;OK
-p tcp -m tcpmss --mss 0;=;OK
-p tcp -m tcpmss --mss 65535;=;OK
-p tcp -m tcpmss --mss 42:12345;=;OK
-p tcp -m tcpmss ! --mss 42:12345;=;OK
-p tcp -m tcpmss --mss 0:65535;=;OK
-p tcp -m tcpmss --mss :100;-p tcp -m tcpmss --mss 0:100;OK
-p tcp -m tcpmss --mss 100:;-p tcp -m tcpmss --mss 100:65535;OK
-p tcp -m tcpmss --mss 65536;;FAIL
-p tcp -m tcpmss --mss 65535:1000;;FAIL
-p tcp -m tcpmss --mss -1;;FAIL
-p tcp -m tcpmss --mss x;;FAIL
-p tcp -m tcpmss --mss 1 --mss 2;;FAIL
-p tcp -m tcpmss;;FAIL
-m tcpmss --mss 42;;FAIL
-p udp -m tcpmss --mss 42;;FAIL
! -p tcp -m tcpmss --mss 42;;FAIL
-p tcp --syn -m tcpmss --mss 1:500;-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -m tcpmss --mss 1:500;OK
