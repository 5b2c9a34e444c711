@ipv6
-p mh;-p mobility-header;OK
-p mobility-header;=;OK
-p mh -m mh;-p mobility-header -m mh;OK
-p mh -m mh --mh-type binding-refresh-request;-p mobility-header -m mh --mh-type 0;OK
-p mh -m mh --mh-type brr;-p mobility-header -m mh --mh-type 0;OK
-p mh -m mh --mh-type BU;-p mobility-header -m mh --mh-type 5;OK
-p mh -m mh ! --mh-type 5;-p mobility-header -m mh ! --mh-type 5;OK
-p mh -m mh --mh-type 0:255;-p mobility-header -m mh;OK
-p mh -m mh ! --mh-type 0:255;;STRICT
-p mh -m mh --mh-type binding-update:binding-error;-p mobility-header -m mh --mh-type 5:7;OK
-p mh -m mh --mh-type 3:;-p mobility-header -m mh --mh-type 3:255;OK
-p mh -m mh --mh-type :4;-p mobility-header -m mh --mh-type 0:4;OK
-p mh -m mh --mh-type bind;-p mobility-header -m mh --mh-type 0;OK
-p mh -m mh --mh-type binding-e;-p mobility-header -m mh --mh-type 7;OK
-p mh -m mh --mh-type home;-p mobility-header -m mh --mh-type 1;OK
-p mh -m mh --mh-type 256;;FAIL
-p mh -m mh --mh-type foo;;FAIL
-p mh -m mh --mh-type 5:3;;FAIL
-p mh -m mh --mh-type 1 --mh-type 2;;FAIL
-p 135 -m mh --mh-type 1;-p mobility-header -m mh --mh-type 1;OK
-m mh --mh-type 1;;FAIL
-p tcp -m mh --mh-type 1;;FAIL
! -p mh -m mh --mh-type 1;;FAIL
@ipv4
-p mh -m mh --mh-type 1;;FAIL
