@both
:INPUT,FORWARD
-m conntrack --ctstate NEW;=;OK
-m conntrack --ctstate RELATED,established;-m conntrack --ctstate RELATED,ESTABLISHED;OK
-m conntrack --ctstate UNTRACKED,ESTABLISHED,RELATED,NEW,INVALID;-m conntrack --ctstate INVALID,NEW,RELATED,ESTABLISHED,UNTRACKED;OK
-m conntrack ! --ctstate NEW;=;OK
-m conntrack --ctstate DNAT,SNAT;-m conntrack --ctstate SNAT,DNAT;OK
-m conntrack --ctproto tcp;-m conntrack --ctproto 6;OK
-m conntrack ! --ctproto 17;=;OK
-m conntrack --ctstatus NONE;=;OK
-m conntrack --ctstatus ASSURED,NONE,EXPECTED;-m conntrack --ctstatus EXPECTED,ASSURED;OK
-m conntrack --ctstatus EXPECTED,SEEN_REPLY,ASSURED,CONFIRMED;=;OK
-m conntrack --ctexpire 1:5;=;OK
-m conntrack ! --ctexpire 5:;-m conntrack ! --ctexpire 5:4294967295;OK
-m conntrack --ctexpire 7;=;OK
-m conntrack --ctdir REPLY;=;OK
-m conntrack --ctdir original;-m conntrack --ctdir ORIGINAL;OK
-m conntrack --ctorigsrcport 1:5 ! --ctorigdstport 21 --ctreplsrcport 0:65535 --ctrepldstport 7;=;OK
-m conntrack --ctrepldstport 7 --ctstate NEW;-m conntrack --ctstate NEW --ctrepldstport 7;OK
-m conntrack;;FAIL
-m conntrack --ctstate;;FAIL
-m conntrack --ctstate FOO;;FAIL
-m conntrack --ctstate NEW --ctstate NEW;;FAIL
-m conntrack --ctdir both;;FAIL
-m conntrack ! --ctdir REPLY;;FAIL
-m conntrack --ctexpire x;;FAIL
@ipv4
-m conntrack --ctorigsrc 1.2.3.4 --ctrepldst 10.0.0.0/8;=;OK
-m conntrack ! --ctreplsrc 10.1.2.3/24 --ctorigdst 1.2.3.4;-m conntrack --ctorigdst 1.2.3.4 ! --ctreplsrc 10.1.2.3/24;OK
-m conntrack --ctorigsrc 2001:db8::1;;FAIL
@ipv6
-m conntrack --ctorigsrc 2001:db8::1 --ctrepldst 2001:db8::/32;=;OK
-m conntrack --ctorigsrc 1.2.3.4;;FAIL
