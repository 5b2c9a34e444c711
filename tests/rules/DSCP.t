*mangle
:PREROUTING
@both
-j DSCP --set-dscp 0;-j DSCP --set-dscp 0x00;OK
-j DSCP --set-dscp 0x3f;=;OK
-j DSCP --set-dscp 63;-j DSCP --set-dscp 0x3f;OK
-j DSCP --set-dscp 010;-j DSCP --set-dscp 0x08;OK
-j DSCP --set-dscp 64;;FAIL
-j DSCP --set-dscp 0x40;;FAIL
-j DSCP --set-dscp x;;FAIL
-j DSCP --set-dscp -1;;FAIL
-j DSCP;;FAIL
-j DSCP --set-dscp-class CS0;-j DSCP --set-dscp 0x00;OK
-j DSCP --set-dscp-class cs1;-j DSCP --set-dscp 0x08;OK
-j DSCP --set-dscp-class CS7;-j DSCP --set-dscp 0x38;OK
-j DSCP --set-dscp-class BE;-j DSCP --set-dscp 0x00;OK
-j DSCP --set-dscp-class AF11;-j DSCP --set-dscp 0x0a;OK
-j DSCP --set-dscp-class AF43;-j DSCP --set-dscp 0x26;OK
-j DSCP --set-dscp-class EF;-j DSCP --set-dscp 0x2e;OK
-j DSCP --set-dscp-class ef;-j DSCP --set-dscp 0x2e;OK
-j DSCP --set-dscp-class AF44;;FAIL
-j DSCP --set-dscp-class CS8;;FAIL
-j DSCP --set-dscp-class VA;;FAIL
-j DSCP --set-dscp-class LE;;FAIL
-j DSCP --set-dscp 1 --set-dscp-class EF;;FAIL
*filter
:INPUT
-j DSCP --set-dscp 0;;FAIL
