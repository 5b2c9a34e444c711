*raw
:PREROUTING,OUTPUT
@both
-j CT;=;OK
-j CT --notrack;=;OK
-p tcp -j CT --helper ftp;=;OK
-p tcp -j CT --zone 3 --helper ftp;-p tcp -j CT --helper ftp --zone 3;OK
-j CT --zone 65535;=;OK
-j CT --zone-orig mark;=;OK
-j CT --zone-reply 5;=;OK
-j CT --zone-reply 5 --zone-orig 6;-j CT --zone 6;OK
-j CT --ctevents reply,new,destroy,mark --expevents new;-j CT --ctevents new,destroy,reply,mark --expevents new;OK
-j CT --ctevents new,related,destroy,reply,assured,protoinfo,helper,mark,natseqinfo,secmark;=;OK
-p tcp -j CT --helper "";-p tcp -j CT;OK
-j CT --helper "";-j CT;OK
-j CT --zone 65536;;FAIL
-j CT --zone x;;FAIL
-j CT --helper ftp;;FAIL
! -p tcp -j CT --helper ftp;;FAIL
-j CT --ctevents foo;;FAIL
-j CT --expevents destroy;;FAIL
*filter
:INPUT
-j CT;;FAIL
