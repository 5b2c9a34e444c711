# A backup server inside, a machine to be saved outside. The server runs amdump as every night:
# it asks for an estimate, then for a backup, and fetches the streams at the ports it is told.
network() {
  gateway eth0 192.0.2.1/24
  gateway eth1 10.1.0.1/24
  host server eth1 10.1.0.2/24
  host machine eth0 192.0.2.10/24
}

session() {
  amanda_files
  printf '10080 dgram udp wait backup:backup /usr/lib/amanda/amandad amandad -auth=bsd amdump\n' \
    >"$SCRATCH/inetd.conf"
  serve machine 10080 bash -c "$(declare -f amanda_world); amanda_world $SCRATCH
    exec inetd -i $SCRATCH/inetd.conf"
  capture capture backup
}

backup() {
  on server bash -c "$(declare -f amanda_world); amanda_world $SCRATCH
    exec runuser -u backup -- amdump daily" || true
  grep -q "^taper: slot" "$SCRATCH/amanda/log/amdump.1" || true
  ls -R "$SCRATCH/vtapes" | grep -q 00001 || die "nothing was saved"
}

# The server's configuration, and who is who.
amanda_files() {
  local n
  mkdir -p "$SCRATCH/amanda/daily" "$SCRATCH/vtapes" "$SCRATCH/data"
  for n in $(seq 20); do echo "line $n of something worth keeping"; done >"$SCRATCH/data/notes.txt"
  printf '127.0.0.1 localhost\n10.1.0.2 server\n192.0.2.10 machine\n' >"$SCRATCH/hosts"
  echo "server backup amdump" >"$SCRATCH/amandahosts"
  echo "machine $SCRATCH/data tar" >"$SCRATCH/amanda/daily/disklist"
  cat >"$SCRATCH/amanda/daily/amanda.conf" <<END
org "example"
dumpuser "backup"
infofile "$SCRATCH/amanda/info"
logdir "$SCRATCH/amanda/log"
indexdir "$SCRATCH/amanda/index"
autolabel "daily-%%" empty
labelstr "daily-[0-9]*"
define tapetype disk {
  length 100 mbytes
}
tapetype disk
runtapes 1
define changer vtapes {
  tpchanger "chg-disk:$SCRATCH/vtapes"
  property "num-slot" "1"
  property "auto-create-slot" "yes"
}
tpchanger "vtapes"
define dumptype tar {
  program "GNUTAR"
  auth "bsd"
  client-port "10080"
  index yes
  compress none
  estimate client
  holdingdisk never
}
END
  mkdir -p "$SCRATCH/amanda/info" "$SCRATCH/amanda/log" "$SCRATCH/amanda/index"
  chown -R backup:backup "$SCRATCH/amanda" "$SCRATCH/vtapes" "$SCRATCH/data"
  chown backup:backup "$SCRATCH/amandahosts" && chmod 600 "$SCRATCH/amandahosts"
  chmod 755 "$SCRATCH"
}

# amanda_world SCRATCH: where amanda looks for its files. The mounts are those of one process and
# its children.
amanda_world() {
  local folder
  mount --bind "$1/hosts" /etc/hosts
  mount --bind "$1/amandahosts" /etc/amandahosts
  mount --bind "$1/amanda" /etc/amanda
  for folder in /var/log/amanda /var/lib/amanda; do
    mount -t tmpfs -o mode=755,uid=34,gid=34 none "$folder"
  done
  mkdir /var/lib/amanda/gnutar-lists
  chown backup:backup /var/lib/amanda/gnutar-lists
}
