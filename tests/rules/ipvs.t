@both
-m ipvs --ipvs;=;UNTRIED
-m ipvs ! --ipvs;=;UNTRIED
-m ipvs --vproto 6;=;UNTRIED
-m ipvs --vproto tcp;-m ipvs --vproto 6;UNTRIED
-m ipvs ! --vproto udp;-m ipvs ! --vproto 17;UNTRIED
-m ipvs --vport 80;=;UNTRIED
-m ipvs ! --vport http;-m ipvs ! --vport 80;UNTRIED
-m ipvs --vdir ORIGINAL;=;UNTRIED
-m ipvs --vdir reply;;FAIL
-m ipvs --vdir BOTH;;FAIL
-m ipvs --vmethod GATE;=;UNTRIED
-m ipvs ! --vmethod IPIP;=;UNTRIED
-m ipvs --vmethod MASQ;=;UNTRIED
-m ipvs --vmethod NAT;;FAIL
-m ipvs --vportctl 21;=;UNTRIED
-m ipvs --ipvs --vport 80;-m ipvs --vport 80;UNTRIED
-m ipvs --vproto 6 --vport 80 --vdir ORIGINAL --vmethod GATE --vportctl 21;=;UNTRIED
-m ipvs;;FAIL
-m ipvs --vport 65536;;FAIL
@ipv4
-m ipvs --vaddr 10.0.0.1;=;UNTRIED
-m ipvs ! --vaddr 10.0.0.0/8;=;UNTRIED
-m ipvs --vaddr 10.1.2.3/8;-m ipvs --vaddr 10.0.0.0/8;UNTRIED
-m ipvs --vaddr ::1;;FAIL
@ipv6
-m ipvs --vaddr 2001:db8::1;=;UNTRIED
-m ipvs --vaddr 2001:db8::/64;=;UNTRIED
