# A scanner's server outside, a client inside. The scanner is SANE's `test` backend, which makes
# pictures up. Somebody else inside knocks at the port where an image waits.
network() {
  gateway eth0 192.0.2.1/24 2001:db8::1/64
  gateway eth1 10.1.0.1/24 fd00:1::1/64
  host client eth1 10.1.0.2/24 fd00:1::2/64
  host scanner eth0 192.0.2.10/24 2001:db8::10/64
}

session() {
  mkdir -p "$SCRATCH/scanner" "$SCRATCH/client"
  echo test >"$SCRATCH/scanner/dll.conf"
  printf '10.1.0.0/24\n[fd00:1::]/64\n' >"$SCRATCH/scanner/saned.conf"
  echo net >"$SCRATCH/client/dll.conf"
  printf 'connect_timeout = 5\n' >"$SCRATCH/client/net.conf"
  serve scanner 6566 env SANE_CONFIG_DIR="$SCRATCH/scanner" saned -l
  capture capture scans
}

scans() {
  scan "192.0.2.10" Gray
  scan "[2001:db8::10]" Color
  # A name that the scanner does not have: no scan, no port.
  on client env SANE_CONFIG_DIR="$SCRATCH/client" scanimage -d "net:192.0.2.10:none" \
    >/dev/null 2>&1 || true
}

scan() {
  on client env SANE_CONFIG_DIR="$SCRATCH/client" scanimage -d "net:$1:test:0" --mode "$2" \
    --test-picture Grid --resolution 50 -x 20 -y 20 >"$SCRATCH/image"
  [ -s "$SCRATCH/image" ] || die "no image came from $1"
}
