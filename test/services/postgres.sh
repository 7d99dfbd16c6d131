#!/usr/bin/env bash
# A throw-away PostgreSQL on loopback.   postgres.sh start FOLDER   prints its URL;   postgres.sh restart|stop FOLDER
# Durability is off: the tests need its locks and its SQL, not its disk. It refuses to run as root, so root becomes `postgres`.
set -euo pipefail
# shellcheck source=test/services/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
action=$1 folder=$2
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
[ -n "$bin" ] || bin=$(dirname "$(command -v postgres)")
as_user() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }

start() {
  local port
  port=$(free_ports 1)
  mkdir -p "$folder"
  if [ "$(id -u)" = 0 ]; then chown postgres: "$folder"; fi
  cd / # the user postgres may not enter the folder we were called in
  as_user "$bin/initdb" -D "$folder/cluster" -U postgres --auth=trust --no-sync --encoding=UTF8 --locale=C.UTF-8 >"$folder.initdb.log" 2>&1 ||
    { cat "$folder.initdb.log" >&2; die "initdb failed"; }
  as_user "$bin/pg_ctl" -D "$folder/cluster" -w -t 60 -l "$folder/log" -o "-c listen_addresses=127.0.0.1 -c port=$port \
    -c unix_socket_directories=$folder -c fsync=off -c synchronous_commit=off -c full_page_writes=off" start >/dev/null ||
    { cat "$folder/log" >&2; die "PostgreSQL did not start"; }
  echo "postgres://postgres@127.0.0.1:$port/postgres"
}

stop() {
  cd /
  [ -e "$folder/cluster/postmaster.pid" ] || return 0
  as_user "$bin/pg_ctl" -D "$folder/cluster" -m immediate stop >/dev/null 2>&1 || true
}

# With the options of its start. Everybody who is connected is thrown out.
restart() {
  cd /
  as_user "$bin/pg_ctl" -D "$folder/cluster" -m fast -w -t 60 -l "$folder/log" restart >/dev/null
}

case $action in start | restart | stop) "$action" ;; *) die "start, restart or stop, not $action" ;; esac
