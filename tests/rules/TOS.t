*mangle
:PREROUTING
@both
-j TOS --set-tos 0x1f;-j TOS --set-tos 0x1f/0xff;OK
-j TOS --set-tos 0x1f/0x1f;=;OK
-j TOS --set-tos 0x10/0x1c;=;OK
-j TOS --set-tos 0;-j TOS --set-tos 0x00/0xff;OK
-j TOS --set-tos 255;-j TOS --set-tos 0xff/0xff;OK
-j TOS --set-tos 256;;FAIL
-j TOS --set-tos 1/256;;FAIL
-j TOS --set-tos 1/;;FAIL
-j TOS --set-tos 0x1f/0;-j TOS --set-tos 0x1f/0x00;OK
-j TOS --set-tos Minimize-Delay;-j TOS --set-tos 0x10/0x3f;OK
-j TOS --set-tos minimize-delay;-j TOS --set-tos 0x10/0x3f;OK
-j TOS --set-tos Maximize-Throughput;-j TOS --set-tos 0x08/0x3f;OK
-j TOS --set-tos Maximize-Reliability;-j TOS --set-tos 0x04/0x3f;OK
-j TOS --set-tos Minimize-Cost;-j TOS --set-tos 0x02/0x3f;OK
-j TOS --set-tos Normal-Service;-j TOS --set-tos 0x00/0x3f;OK
-j TOS --set-tos Minimize;;FAIL
-j TOS --set-tos Minimize-Delay/0x3f;;FAIL
-j TOS --and-tos 0x12;-j TOS --set-tos 0x00/0xed;OK
-j TOS --and-tos 0xf0;-j TOS --set-tos 0x00/0x0f;OK
-j TOS --or-tos 0x12;-j TOS --set-tos 0x12/0x12;OK
-j TOS --xor-tos 0x12;-j TOS --set-tos 0x12/0x00;OK
-j TOS --and-tos 0;-j TOS --set-tos 0x00/0xff;OK
-j TOS --or-tos 0;-j TOS --set-tos 0x00/0x00;OK
-j TOS --or-tos 256;;FAIL
-j TOS --or-tos 1/2;;FAIL
-j TOS;;FAIL
-j TOS --set-tos 1 --or-tos 1;;FAIL
-j TOS --set-tos x;;FAIL
*filter
:INPUT
-j TOS --set-tos 1;;FAIL
