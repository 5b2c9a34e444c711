@both
-m rateest --rateest RE1 --rateest-lt --rateest-bps 8bit;=;UNTRIED
-m rateest --rateest RE1 --rateest-eq --rateest-pps 5;=;UNTRIED
-m rateest;;FAIL
-m rateest --rateest RE1;;FAIL
-m rateest --rateest1 RE1 --rateest-lt --rateest-bps --rateest2 RE2;=;UNTRIED
