@ipv4
-p tcp -m osf --genre Linux;=;OK
-p tcp -m osf ! --genre Linux;=;OK
-p tcp -m osf --genre linux;=;OK
-p tcp -m osf --genre FreeBSD --ttl 0;=;OK
-p tcp -m osf --genre OpenBSD --ttl 2 --log 1;=;OK
-p tcp -m osf --genre Linux --ttl 3;;FAIL
-p tcp -m osf --genre Linux --log 3;;FAIL
-p tcp -m osf --genre nosuchsystem;=;OK
-p tcp -m osf --log 1;;FAIL
-p tcp -m osf;;FAIL
-m osf --genre Linux;;FAIL
-p udp -m osf --genre Linux;;FAIL
-p tcp -m osf --genre "two words";;STRICT
-p tcp -m osf --genre aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;-p tcp -m osf --genre aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;OK
:OUTPUT
-p tcp -m osf --genre Linux;;FAIL
:FORWARD
-p tcp -m osf --genre Linux;=;OK
