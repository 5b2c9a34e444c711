# Gone from today's kernels.
*filter
:INPUT
@ipv4
-d 10.31.3.236/32 -i lo -j CLUSTERIP --new --hashmode sourceip --clustermac 01:AA:7B:47:F7:D7 --total-nodes 2 --local-node 1 --hash-init 1;=;UNTRIED
-d 10.31.3.236/32 -i lo -j CLUSTERIP --new --hashmode sourceip-sourceport-destport --clustermac 01:00:5e:00:00:20 --total-nodes 2 --local-node 2;-d 10.31.3.236/32 -i lo -j CLUSTERIP --new --hashmode sourceip-sourceport-destport --clustermac 01:00:5E:00:00:20 --total-nodes 2 --local-node 2 --hash-init 0;UNTRIED
-d 10.31.3.236/32 -i lo -j CLUSTERIP;=;UNTRIED
-i lo -j CLUSTERIP --new --hashmode sourceip --clustermac 01:AA:7B:47:F7:D7 --total-nodes 2 --local-node 0;;FAIL
-i lo -j CLUSTERIP --new --hashmode sourceip --clustermac 02:AA:7B:47:F7:D7 --total-nodes 2 --local-node 1;;FAIL
-i lo -j CLUSTERIP --new;;FAIL
@ipv6
-j CLUSTERIP;;FAIL
