# The lights are not in every kernel.
*filter
:INPUT
@both
-j LED --led-trigger-id foo;-j LED --led-trigger-id "foo";UNTRIED
-j LED --led-trigger-id "foo" --led-delay 42 --led-always-blink;=;UNTRIED
-j LED --led-trigger-id "foo" --led-delay inf;=;UNTRIED
-j LED --led-trigger-id "foo" --led-delay 0;-j LED --led-trigger-id "foo";UNTRIED
-j LED;;FAIL
-j LED --led-trigger-id "foo" --led-delay x;;FAIL
