@both
:INPUT,FORWARD
-j LOG;=;OK
-j LOG --log-prefix "refused: ";=;OK
-j LOG --log-prefix abc --log-level 7;=;OK
-j LOG --log-level debug --log-prefix abc;-j LOG --log-prefix abc --log-level 7;OK
-j LOG --log-level 4;-j LOG;OK
-j LOG --log-level warning;-j LOG;OK
-j LOG --log-macdecode --log-uid --log-ip-options --log-tcp-options --log-tcp-sequence;-j LOG --log-tcp-sequence --log-tcp-options --log-ip-options --log-uid --log-macdecode;OK
-j LOG --log-prefix 0123456789012345678901234567890123456789;-j LOG --log-prefix 01234567890123456789012345678;OK
-j LOG --log-level 8;;FAIL
-j LOG --log-level warn;;FAIL
-j LOG --log-prefix "a" --log-prefix "b";;FAIL
-j LOG --reject-with tcp-reset;;FAIL
