@both
-m nfacct;;FAIL
-m nfacct --nfacct-name;;FAIL
-m nfacct --nfacct-name nosuchaccount;=;UNTRIED
-m nfacct --nfacct-name aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;;FAIL
