#!/usr/bin/env bash
# The tests that need servers or programs: a real PostgreSQL, Redis, and S3 with object lock; age, python3,
# chromium, sshd and a mail server.
#   npm run test:services [-- vitest arguments]
#   npm run soak:services         the soak of `npm run soak` on these servers, with their faults
# Servers named by ESCROW_TEST_POSTGRES_URL, ESCROW_TEST_REDIS_URL, or ESCROW_TEST_S3_URL with ESCROW_TEST_S3_ACCESS_KEY and ESCROW_TEST_S3_SECRET_KEY, are
# used as they are. The others are started here, on loopback, and stopped afterwards. Root on Debian installs what is missing.
# What cannot be had is a failure, never a skip.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=test/services/lib.sh
. "$here/lib.sh"

# missing_packages: Debian packages for what is not there and will be needed.
missing_packages() {
  if [ -z "${ESCROW_TEST_POSTGRES_URL:-}" ] && ! compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null && ! command -v postgres >/dev/null; then echo postgresql; fi
  if [ -z "${ESCROW_TEST_S3_URL:-}" ]; then
    command -v radosgw >/dev/null || echo radosgw
    command -v ceph-mon >/dev/null || echo ceph-mon
    command -v ceph-osd >/dev/null || echo ceph-osd
    command -v ceph >/dev/null || echo ceph-common
  fi
  if [ -z "${ESCROW_TEST_REDIS_URL:-}" ]; then command -v redis-server >/dev/null || echo redis-server; fi
  command -v age >/dev/null || echo age
  command -v git-lfs >/dev/null || echo git-lfs
  command -v python3 >/dev/null || echo python3
  command -v chromium >/dev/null || echo chromium
  command -v openssl >/dev/null || echo openssl
  /usr/bin/python3 -c 'import aiosmtpd' 2>/dev/null || echo python3-aiosmtpd
  [ -x /usr/sbin/sshd ] || echo openssh-server
}

install_missing() {
  local packages
  mapfile -t packages < <(missing_packages)
  [ ${#packages[@]} -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || die "please install: ${packages[*]}"
  say "installing ${packages[*]}"
  export DEBIAN_FRONTEND=noninteractive
  local apt=(apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 -o Acquire::Retries=3)
  "${apt[@]}" update >/dev/null
  case " ${packages[*]} " in
    *" postgresql "*)
      # Debian makes and starts a cluster of its own unless told otherwise before the server arrives.
      "${apt[@]}" install postgresql-common >/dev/null
      sed -i 's/^#\? *create_main_cluster *=.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
      ;;
  esac
  case " ${packages[*]} " in
    # Nor may a server for the whole machine start: the tests start their own, on loopback.
    *" openssh-server "*) mkdir -p /etc/ssh && touch /etc/ssh/sshd_not_to_be_run ;;
  esac
  "${apt[@]}" install "${packages[@]}" >/dev/null
}

# start_mail: a mail server with a certificate that node learns to believe as it learns of any company's own authority.
start_mail() {
  local port folder=$work/mail
  port=$(free_ports 1)
  mkdir -p "$folder/got"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=mail.example -addext subjectAltName=DNS:mail.example \
    -keyout "$folder/key.pem" -out "$folder/certificate.pem" 2>/dev/null
  # The Debian package belongs to Debian's python.
  spawn "$folder" mail /usr/bin/python3 "$here/mail.py" "$port" "$folder"
  wait_for 30 "the mail server" test -e "$folder/listening"
  export NODE_EXTRA_CA_CERTS=$folder/certificate.pem ESCROW_TEST_MAIL_FOLDER=$folder/got
  export ESCROW_TEST_SMTP_URL="smtp://escrow:correct-horse@127.0.0.1:$port?tls.servername=mail.example"
  say "mail at $ESCROW_TEST_SMTP_URL"
}

work=$(mktemp -d "${TMPDIR:-/tmp}/escrow-services.XXXXXX")
chmod 711 "$work"
stop_services() {
  local status=$?
  trap - EXIT
  if [ -d "$work/postgres" ]; then "$here/postgres.sh" stop "$work/postgres"; fi
  if [ -d "$work/redis" ]; then stop_all "$work/redis"; fi
  if [ -d "$work/mail" ]; then stop_all "$work/mail"; fi
  if [ -d "$work/rgw" ]; then "$here/rgw.sh" stop "$work/rgw"; fi
  rm -rf -- "$work"
  exit "$status"
}
trap stop_services EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

install_missing
if [ -z "${ESCROW_TEST_POSTGRES_URL:-}" ]; then
  ESCROW_TEST_POSTGRES_URL=$("$here/postgres.sh" start "$work/postgres")
  # Who finds it may restart it.
  export ESCROW_TEST_POSTGRES_FOLDER=$work/postgres
  say "PostgreSQL at $ESCROW_TEST_POSTGRES_URL"
fi
if [ -z "${ESCROW_TEST_REDIS_URL:-}" ]; then
  redis_port=$(free_ports 1)
  mkdir -p "$work/redis/state"
  spawn "$work/redis" redis redis-server --bind 127.0.0.1 --port "$redis_port" --dir "$work/redis/state" --save '' --appendonly no \
    --maxmemory-policy noeviction --set-proc-title no
  ESCROW_TEST_REDIS_URL=redis://127.0.0.1:$redis_port/0
  wait_for 30 "Redis" redis-cli -p "$redis_port" ping
  say "Redis at $ESCROW_TEST_REDIS_URL"
fi
if [ -z "${ESCROW_TEST_S3_URL:-}" ]; then
  export S3_ACCESS_KEY=escrowtest S3_SECRET_KEY=escrowtestsecret S3_OTHER_ACCESS_KEY=escrowother S3_OTHER_SECRET_KEY=escrowothersecret
  ESCROW_TEST_S3_URL=$("$here/rgw.sh" start "$work/rgw")
  ESCROW_TEST_S3_ACCESS_KEY=$S3_ACCESS_KEY ESCROW_TEST_S3_SECRET_KEY=$S3_SECRET_KEY
  export ESCROW_TEST_S3_OTHER_ACCESS_KEY=$S3_OTHER_ACCESS_KEY ESCROW_TEST_S3_OTHER_SECRET_KEY=$S3_OTHER_SECRET_KEY
  say "S3 at $ESCROW_TEST_S3_URL"
fi
start_mail
export ESCROW_TEST_POSTGRES_URL ESCROW_TEST_REDIS_URL ESCROW_TEST_S3_URL ESCROW_TEST_S3_ACCESS_KEY ESCROW_TEST_S3_SECRET_KEY

cd "$here/../.."
# Not exec: the trap above has still to stop the servers.
config=services
if [ "${1:-}" = soak ]; then config=soak && shift; fi
npx --no-install vitest run --config "config/vitest.$config.config.ts" "$@"
