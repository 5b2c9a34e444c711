@both
:INPUT,FORWARD
-p tcp -m multiport --dports 20,21,1024:65535;=;OK
-p udp -m multiport --sports 53;=;OK
-p sctp -m multiport --ports 1,2:5;=;OK
-p dccp -m multiport --ports 1;=;OK
-p udplite -m multiport --ports 1;=;OK
-p tcp -m multiport ! --dports 22;=;OK
-p tcp -m multiport --dport 22,80;-p tcp -m multiport --dports 22,80;OK
-p tcp -m multiport --destination-ports ftp,ssh;-p tcp -m multiport --dports 21,22;OK
-p tcp -m multiport --ports 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15;=;OK
-p tcp -m multiport --ports 1:2,3:4,5:6,7:8,9:10,11:12,13:14,15;=;OK
-p tcp -m multiport --ports 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16;;FAIL
-p tcp -m multiport --ports 1:2,3:4,5:6,7:8,9:10,11:12,13:14,15:16;;FAIL
-p tcp -m multiport --dports 5:5;;FAIL
-p tcp -m multiport --dports 6:5;;FAIL
-p tcp -m multiport --dports 1024:;;FAIL
-p tcp -m multiport --dports 1,;;FAIL
-p tcp -m multiport --dports 1 --sports 1;;FAIL
-p tcp -m multiport;;FAIL
-m multiport --dports 1;;FAIL
! -p tcp -m multiport --dports 1;;FAIL
-p icmp -m multiport --dports 1;;FAIL
