@both
-m recent;;FAIL
-m recent --set --update;;FAIL
-m recent --rcheck --reap;;FAIL
-m recent --set --rttl;;FAIL
-m recent --set --seconds 5;;FAIL
-m recent --remove --hitcount 5;;FAIL
-m recent --rcheck --seconds 0;;FAIL
-m recent --rcheck --hitcount 65536;;FAIL
-m recent --set --name "";;FAIL
-m recent --set --name a/b;;FAIL
# The tool takes a name with a blank, and prints what it cannot read.
-m recent --set --name "a b";;STRICT
@ipv4
-m recent --set;-m recent --set --name DEFAULT --mask 255.255.255.255 --rsource;OK
-m recent ! --set;-m recent ! --set --name DEFAULT --mask 255.255.255.255 --rsource;OK
-m recent --update --seconds 60 --hitcount 3 --name x;-m recent --update --seconds 60 --hitcount 3 --name x --mask 255.255.255.255 --rsource;OK
-m recent --rcheck --rttl --seconds 5 --reap --rdest --mask 255.255.255.0;-m recent --rcheck --seconds 5 --reap --rttl --name DEFAULT --mask 255.255.255.0 --rdest;OK
-m recent --remove --name y --rsource;-m recent --remove --name y --mask 255.255.255.255 --rsource;OK
-m recent --set --rdest --rsource;-m recent --set --name DEFAULT --mask 255.255.255.255 --rsource;OK
-m recent --set --rsource --rdest;-m recent --set --name DEFAULT --mask 255.255.255.255 --rdest;OK
-m recent ! --rcheck --hitcount 255;-m recent ! --rcheck --hitcount 255 --name DEFAULT --mask 255.255.255.255 --rsource;OK
-m recent --rcheck --hitcount 0;-m recent --rcheck --name DEFAULT --mask 255.255.255.255 --rsource;OK
-m recent --rcheck --hitcount 65535;-m recent --rcheck --hitcount 65535 --name DEFAULT --mask 255.255.255.255 --rsource;OK
-m recent --set --mask 255.0.255.0;-m recent --set --name DEFAULT --mask 255.0.255.0 --rsource;OK
-m recent --set --mask 0.0.0.0;-m recent --set --name DEFAULT --mask 0.0.0.0 --rsource;OK
-m recent --update --seconds 1 --reap --hitcount 2 --rttl --name z;-m recent --update --seconds 1 --reap --hitcount 2 --rttl --name z --mask 255.255.255.255 --rsource;OK
-m recent --set --reap --seconds 3;;FAIL
# The tool takes it for 0.0.0.24.
-m recent --set --mask 24;;STRICT
@ipv6
-m recent --set;-m recent --set --name DEFAULT --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --rsource;OK
-m recent --set --mask ffff::;-m recent --set --name DEFAULT --mask ffff:: --rsource;OK
