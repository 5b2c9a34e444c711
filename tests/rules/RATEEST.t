*filter
:INPUT
@both
-j RATEEST --rateest-name RE1 --rateest-interval 250.0ms --rateest-ewmalog 500.0ms;=;OK
-j RATEEST --rateest-name RE1 --rateest-interval 250ms --rateest-ewmalog 500ms;-j RATEEST --rateest-name RE1 --rateest-interval 250.0ms --rateest-ewmalog 500.0ms;OK
-j RATEEST --rateest-name RE1 --rateest-interval 1s --rateest-ewmalog 2s;-j RATEEST --rateest-name RE1 --rateest-interval 1.0s --rateest-ewmalog 2.0s;OK
-j RATEEST --rateest-name RE1 --rateest-interval 1 --rateest-ewmalog 2;-j RATEEST --rateest-name RE1 --rateest-interval 250.0ms --rateest-ewmalog 500.0ms;OK
-j RATEEST --rateest-name RE1 --rateest-interval 250000us --rateest-ewmalog 1sec;-j RATEEST --rateest-name RE1 --rateest-interval 250.0ms --rateest-ewmalog 1.0s;OK
-j RATEEST --rateest-name RE1 --rateest-interval 500ms --rateest-ewmalog 1s;-j RATEEST --rateest-name RE1 --rateest-interval 500.0ms --rateest-ewmalog 1.0s;OK
-j RATEEST --rateest-name RE1 --rateest-interval 2s --rateest-ewmalog 4s;-j RATEEST --rateest-name RE1 --rateest-interval 2.0s --rateest-ewmalog 4.0s;OK
-j RATEEST --rateest-name RE1 --rateest-interval 4s --rateest-ewmalog 8s;-j RATEEST --rateest-name RE1 --rateest-interval 4.0s --rateest-ewmalog 8.0s;OK
-j RATEEST --rateest-name RE1 --rateest-interval 8s --rateest-ewmalog 100s;-j RATEEST --rateest-name RE1 --rateest-interval 8.0s --rateest-ewmalog 64.0s;OK
-j RATEEST --rateest-name RE1 --rateest-interval 300ms --rateest-ewmalog 700ms;-j RATEEST --rateest-name RE1 --rateest-interval 500.0ms --rateest-ewmalog 1.0s;OK
-j RATEEST --rateest-name RE1 --rateest-interval 100ms --rateest-ewmalog 700ms;-j RATEEST --rateest-name RE1 --rateest-interval 250.0ms --rateest-ewmalog 1.0s;OK
-j RATEEST --rateest-name RE1 --rateest-interval 3s --rateest-ewmalog 20s;-j RATEEST --rateest-name RE1 --rateest-interval 4.0s --rateest-ewmalog 16.0s;OK
-j RATEEST --rateest-name RE1 --rateest-interval 1.5s --rateest-ewmalog 20s;-j RATEEST --rateest-name RE1 --rateest-interval 2.0s --rateest-ewmalog 16.0s;OK
-j RATEEST --rateest-name RE1 --rateest-interval 16s --rateest-ewmalog 20s;;FAIL
-j RATEEST --rateest-name RE1 --rateest-interval 1s --rateest-ewmalog 1s;;FAIL
-j RATEEST --rateest-name RE1 --rateest-interval 1s --rateest-ewmalog 500ms;;FAIL
-j RATEEST --rateest-name "a b" --rateest-interval 1s --rateest-ewmalog 2s;;STRICT
-j RATEEST --rateest-name aaaaaaaaaaaaaaa --rateest-interval 1s --rateest-ewmalog 2s;-j RATEEST --rateest-name aaaaaaaaaaaaaaa --rateest-interval 1.0s --rateest-ewmalog 2.0s;OK
-j RATEEST --rateest-name aaaaaaaaaaaaaaaa --rateest-interval 1s --rateest-ewmalog 2s;;STRICT
-j RATEEST --rateest-name x --rateest-interval 1h --rateest-ewmalog 2s;;FAIL
-j RATEEST --rateest-name x --rateest-interval 1s;;FAIL
-j RATEEST --rateest-name x --rateest-ewmalog 1s;;FAIL
-j RATEEST --rateest-interval 1s --rateest-ewmalog 2s;;FAIL
-j RATEEST;;FAIL
