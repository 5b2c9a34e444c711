# What nftables asks and iptables has no words for: no tool of iptables knows the match.
@both
-m nft;;FAIL
-m nft --expr;;FAIL
-m nft --expr "meta cpu 3";=;UNTRIED
-m nft --expr socket;=;UNTRIED
