#!/usr/bin/env bash
# A throw-away S3 with object lock on loopback: Ceph RGW over one monitor and one in-memory OSD.
#   rgw.sh start FOLDER   prints its URL;   rgw.sh stop FOLDER
# The keys are in S3_ACCESS_KEY and S3_SECRET_KEY. No authentication inside the cluster and one copy of everything: for tests only.
set -euo pipefail
# shellcheck source=test/services/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
action=$1 folder=$2
conf=$folder/ceph.conf
export CEPH_CONF=$conf PYTHONDONTWRITEBYTECODE=1

write_conf() { # FSID MONITOR_PORT S3_PORT
  cat >"$conf" <<C
[global]
fsid = $1
mon host = [v2:127.0.0.1:$2]
mon initial members = a
ms bind msgr1 = false
ms bind ipv6 = false
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
run dir = $folder/run
admin socket = $folder/run/\$name.\$pid.asok
log file = $folder/log/\$name.log
crash dir = $folder/log
debug default = 0
mon cluster log file = $folder/log/cluster.log
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 2000
[mon]
mon data = $folder/mon
paxos propose interval = 0.05
mon osd min up ratio = 0
mon data avail warn = 1
mon data avail crit = 1
[osd]
osd data = $folder/osd
osd objectstore = memstore
memstore device bytes = 2147483648
osd max object name len = 2048
osd class update on start = false
[client]
keyring = $folder/none
[client.rgw]
auth client required = none
ms mon client mode = crc
rgw data = $folder/rgw
rgw frontends = beast endpoint=127.0.0.1:$3 tcp_nodelay=1
rgw thread pool size = 32
rgw num control oids = 1
rgw usage max shards = 1
rgw lc max objs = 1
rgw gc max objs = 1
rgw md log max shards = 1
rgw data log num shards = 1
rgw objexp hints num shards = 1
rgw rados pool pg num min = 4
rgw override bucket index max shards = 1
rgw dynamic resharding = false
rgw enable usage log = false
C
}

answers() ( # S3_PORT; needs no curl
  exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
  printf 'GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n' >&3
  IFS= read -r -t 2 line <&3
  case $line in *" 200 "*) exit 0 ;; esac
  exit 1
)
osd_up() { timeout 20 ceph osd stat -f json | grep -q '"num_up_osds":1'; }

start() {
  local monitor_port s3_port fsid osd_uuid
  read -r monitor_port s3_port <<<"$(free_ports 2)"
  fsid=$(cat /proc/sys/kernel/random/uuid) osd_uuid=$(cat /proc/sys/kernel/random/uuid)
  mkdir -p "$folder"/{log,run,mon,osd,rgw}
  chmod 700 "$folder"
  write_conf "$fsid" "$monitor_port" "$s3_port"
  {
    monmaptool --create --fsid "$fsid" --addv a "[v2:127.0.0.1:$monitor_port]" "$folder/monmap"
    ceph-mon -c "$conf" -i a --mkfs --monmap "$folder/monmap"
  } >"$folder/log/mkfs.out" 2>&1 || { cat "$folder/log/mkfs.out" >&2; die "the monitor was not made"; }
  spawn "$folder" mon ceph-mon -c "$conf" -i a -f
  wait_for 60 "the monitor" timeout 5 ceph mon stat
  timeout 20 ceph osd new "$osd_uuid" 0 >/dev/null
  ceph-osd -c "$conf" -i 0 --mkfs --osd-uuid "$osd_uuid" >>"$folder/log/mkfs.out" 2>&1
  spawn "$folder" osd ceph-osd -c "$conf" -i 0 -f
  wait_for 60 "the storage daemon" osd_up
  timeout 120 radosgw-admin -c "$conf" -n client.rgw user create --uid=escrow --display-name=escrow \
    --access-key="$S3_ACCESS_KEY" --secret-key="$S3_SECRET_KEY" >"$folder/log/user.out" 2>&1 || { cat "$folder/log/user.out" >&2; die "the S3 user was not made"; }
  # A second owner, who may touch nothing of the first: another operator's store, as far as a client can tell.
  if [ -n "${S3_OTHER_ACCESS_KEY:-}" ]; then
    timeout 120 radosgw-admin -c "$conf" -n client.rgw user create --uid=other --display-name=other \
      --access-key="$S3_OTHER_ACCESS_KEY" --secret-key="$S3_OTHER_SECRET_KEY" >>"$folder/log/user.out" 2>&1 || die "the second S3 user was not made"
  fi
  spawn "$folder" rgw radosgw -c "$conf" -n client.rgw -f
  wait_for 60 "S3" answers "$s3_port"
  echo "http://127.0.0.1:$s3_port"
}

stop() { stop_all "$folder"; }

case $action in start | stop) "$action" ;; *) die "start or stop, not $action" ;; esac
