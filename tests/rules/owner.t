@both
:OUTPUT
-m owner --uid-owner root;-m owner --uid-owner 0;OK
-m owner --uid-owner 1000;=;OK
-m owner --uid-owner 1000-2000 ! --gid-owner 5;=;OK
-m owner --gid-owner root;-m owner --gid-owner 0;OK
-m owner --socket-exists;=;OK
-m owner ! --socket-exists --uid-owner 0;=;OK
-m owner --gid-owner 5 --suppl-groups;=;OK
-m owner --uid-owner 0-4294967294;=;OK
-m owner --uid-owner 10-10;-m owner --uid-owner 10;OK
-m owner --suppl-groups;;FAIL
-m owner --uid-owner 0-4294967295;;FAIL
-m owner;;FAIL
-m owner --uid-owner nosuch;;FAIL
-m owner --uid-owner 10-5;;FAIL
-m owner --pid-owner 1;;FAIL
:INPUT
-m owner --uid-owner 1000;;FAIL
*mangle
:POSTROUTING
-m owner --uid-owner 1000;=;OK
