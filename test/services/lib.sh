# Sourced by the scripts beside it. Everything they start lives below one folder made by mktemp, on loopback ports that were free at
# the time, and is stopped by process id after a look at what that process is.

say() { echo "services: $*" >&2; }
die() { say "$*"; exit 1; }

# free_ports COUNT: that many different ports that nobody listens on.
free_ports() {
  node -e '
    const net = require("node:net"), servers = []
    const next = () => servers.length < Number(process.argv[1])
      ? servers.push(net.createServer().listen(0, "127.0.0.1", next))
      : (console.log(servers.map((s) => s.address().port).join(" ")), servers.forEach((s) => s.close()))
    next()' "$1"
}

# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || die "gave up waiting for $what"
    sleep 0.1
  done
}

# spawn FOLDER NAME COMMAND...: in the background, in a session of its own, its id and output kept in the folder.
spawn() {
  local folder=$1 name=$2
  shift 2
  mkdir -p "$folder/run" "$folder/log"
  setsid nohup "$@" >"$folder/log/$name.out" 2>&1 </dev/null &
  echo $! >"$folder/run/$name.pid"
}

# is_ours FOLDER PID: the process runs and names our folder.
is_ours() { [ -r "/proc/$2/cmdline" ] && tr '\0' ' ' <"/proc/$2/cmdline" | grep -qF -- "$1"; }

# stop_all FOLDER: what `spawn` started there. Its state is thrown away, so it need not end gracefully.
stop_all() {
  local folder=$1 file pid
  for file in "$folder"/run/*.pid; do
    [ -s "$file" ] || continue
    pid=$(cat "$file")
    if is_ours "$folder" "$pid"; then
      kill -9 "$pid" 2>/dev/null || true
      for _ in $(seq 1 100); do is_ours "$folder" "$pid" && sleep 0.05 || break; done
    fi
    rm -f "$file"
  done
}
