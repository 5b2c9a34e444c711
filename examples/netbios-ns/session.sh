# The gateway asks the office by broadcast for names of the Windows network; two hosts have some.
# Somebody outside sends answers of his own, once in his own name and once in that of an office
# host.
network() {
  gateway eth0 192.0.2.1/24
  gateway eth1 10.1.0.1/24
  host files eth1 10.1.0.10/24
  host printer eth1 10.1.0.11/24
  host hostile eth0 192.0.2.66/24
}

session() {
  names files
  names printer
  on gateway sysctl -q -w net.ipv4.ip_local_port_range="40100 40101"
  sleep 12 # both have registered their names
  OWN="src host 10.1.0.1"
  capture capture questions
}

# names HOST: nmbd, which knows the host's names.
names() {
  local folder=$SCRATCH/$1
  mkdir -p "$folder"
  cat >"$folder/smb.conf" <<END
[global]
netbios name = $1
workgroup = EXAMPLE
local master = no
domain master = no
preferred master = no
interfaces = eth0
private dir = $folder
lock directory = $folder
state directory = $folder
cache directory = $folder
pid directory = $folder
ncalrpc dir = $folder
log file = $folder/log
END
  serve "$1" 137 nmbd --foreground --no-process-group --configfile="$folder/smb.conf"
}

questions() {
  ask FILES
  forged 192.0.2.66
  forged 10.1.0.11
  sleep 4
  # Everybody, and a name that nobody has.
  ask '*'
  ask NOBODY
}

ask() { on gateway nmblookup --configfile=/dev/null --broadcast=10.1.0.255 "$1" || true; }

# forged SOURCE: an answer that nobody of the office gave, to each port the question may have come
# from.
forged() {
  local port
  for port in 40100 40101; do
    on hostile python3 "$HERE/peers/forged_answer.py" "$1" 137 10.1.0.1 $port
  done
}
