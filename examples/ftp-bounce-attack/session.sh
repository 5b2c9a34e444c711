# A public FTP server in a DMZ that connects wherever PORT tells it to, a database in the office
# that only the office may reach, and an attacker outside who names the database in a PORT.
network() {
  gateway eth0 192.0.2.1/24
  gateway eth1 10.1.0.1/24
  gateway eth2 10.2.0.1/24
  host hostile eth0 192.0.2.66/24
  host database eth1 10.1.0.5/24
  host server eth2 10.2.0.10/24
}

session() {
  ftp_server server port_promiscuous=YES connect_from_port_20=NO connect_timeout=3
  serve database 5432 python3 "$HERE/peers/irc_dcc.py" listen 10.1.0.5 5432
  rules careless.v4
  loose 1
  capture capture attack
  loose 0
  capture refused attack
  loose 1
  rules rules.v4
  capture careful attack
}

attack() { on hostile python3 "$HERE/peers/ftp_bounce.py" 10.2.0.10 10.1.0.5 5432; }
