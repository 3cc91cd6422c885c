#!/usr/bin/env bash
# Installs, by apt, the system packages that are missing; does nothing when all are there.
#
#   scripts/system-packages.sh [python] [postgis] [browser] [driver]
#
#   python    an interpreter that can make a virtual environment (PYTHON names another one)
#   postgis   a PostgreSQL server (14 or newer) with PostGIS
#   browser   Chromium, or a Chrome that is there already
#   driver    libatomic, without which Playwright cannot drive it
# The places are those of service/db/binaries.py, which cannot be asked before Python is set up.
set -euo pipefail

readonly OLDEST_POSTGRESQL=14
readonly OLDEST_PYTHON=3.11
python=${PYTHON:-python3}

say() { printf 'gridward: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# What each need would be called elsewhere; said where this script cannot install it.
advice() {
  case "$(uname -s) $*" in
    Darwin*python*) echo "brew install python@3.12" ;;
    Darwin*postgis*) echo "brew install postgresql@17 postgis" ;;
    Darwin*browser*) echo "brew install --cask google-chrome" ;;
    *python*) echo "install Python $OLDEST_PYTHON or newer with its venv module" ;;
    *postgis*) echo "install PostgreSQL $OLDEST_POSTGRESQL or newer with PostGIS 3.3 or newer," \
      "or set GRIDWARD_DATABASE_URL to a database that has it" ;;
    *browser*) echo "install Chromium or Google Chrome" ;;
    *driver*) echo "install libatomic" ;;
  esac
}

# Folders that hold a PostgreSQL server new enough, newest first.
server_folders() {
  local folder major on_path program
  on_path=$(command -v postgres || true)
  for folder in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin \
    /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin \
    /Applications/Postgres.app/Contents/Versions/*/bin \
    ${on_path:+"$(dirname "$on_path")"}; do
    for program in initdb pg_ctl postgres pg_config; do
      [ -x "$folder/$program" ] || continue 2
    done
    major=$("$folder/postgres" --version | sed -E 's/[^0-9]*([0-9]+).*/\1/')
    [ "$major" -lt "$OLDEST_POSTGRESQL" ] || printf '%s %s\n' "$major" "$folder"
  done | sort -rn | cut -d' ' -f2-
}

# The extension's own files; its library may be gone while the scripts of its package are still there.
has_postgis() {
  local folder share library
  while read -r folder; do
    for library in "$("$folder/pg_config" --pkglibdir)" "$folder"/../lib "$folder"/../lib/postgresql*; do
      [ -e "$library/postgis-3.so" ] || [ -e "$library/postgis-3.dylib" ] || continue
      for share in "$("$folder/pg_config" --sharedir)" "$folder"/../share/postgresql*; do
        [ -e "$share/extension/postgis.control" ] && return 0
      done
    done
  done < <(server_folders)
  return 1
}

has_python() { "$python" -c 'import ensurepip, venv' 2>/dev/null; }

has_browser() {
  local name
  for name in chromium chromium-browser google-chrome google-chrome-stable; do
    command -v "$name" >/dev/null && return 0
  done
  [ -d "/Applications/Google Chrome.app" ]
}

has_driver() {
  [ "$(uname -s)" != Linux ] || compgen -G "/usr/lib*/*/libatomic.so.1" >/dev/null ||
    compgen -G "/usr/lib*/libatomic.so.1" >/dev/null
}

# Names of apt packages; looked up after `apt-get update`, since a fresh system knows none.
apt_packages() {
  local major folder
  case $1 in
    python) "$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])' ;;
    driver) echo libatomic1 ;;
    browser)
      # Ubuntu calls it by another name
      if apt-cache show chromium >/dev/null 2>&1; then echo chromium; else echo chromium-browser; fi
      ;;
    postgis)
      # PostGIS for the newest server that is there; without one, the system's own version of both
      while read -r folder; do
        major=$("$folder/postgres" --version | sed -E 's/[^0-9]*([0-9]+).*/\1/')
        if apt-cache show "postgresql-$major-postgis-3" >/dev/null 2>&1; then
          echo "postgresql-$major-postgis-3"
          return
        fi
      done < <(server_folders)
      major=$(apt-cache depends postgresql 2>/dev/null |
        sed -nE 's/^ *Depends: postgresql-([0-9]+)$/\1/p' | head -n 1)
      [ "${major:-0}" -ge "$OLDEST_POSTGRESQL" ] || return 1
      echo "postgresql-$major postgresql-$major-postgis-3"
      ;;
  esac
}

check_python_version() {
  command -v "$python" >/dev/null || fail "$python is not there: $(advice python), or set PYTHON"
  "$python" - "$OLDEST_PYTHON" <<'PYTHON' ||
import sys
sys.exit(sys.version_info[:2] < tuple(int(part) for part in sys.argv[1].split(".")))
PYTHON
    fail "$("$python" --version 2>&1) is too old: Gridward needs Python $OLDEST_PYTHON or newer." \
      "Name another one, as in: make PYTHON=python3.12 ${MAKECMDGOALS:-setup}"
}

missing=()
for need in "$@"; do
  case $need in
    python) check_python_version; has_python || missing+=(python) ;;
    postgis) has_postgis || missing+=(postgis) ;;
    browser) has_browser || missing+=(browser) ;;
    driver) has_driver || missing+=(driver) ;;
    *) say "unknown need '$need': python, postgis, browser or driver"; exit 2 ;;
  esac
done
[ "${#missing[@]}" -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
  for need in "${missing[@]}"; do say "missing: $need. Please $(advice "$need")"; done
  exit 1
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null ||
    fail "missing: ${missing[*]}. Run this command as root once, or install sudo"
  as_root=(sudo)
fi
apt_get() {
  ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 "$@" </dev/null
}

say "missing: ${missing[*]}; installing by apt"
# one broken third-party source must not stop us: the install itself tells what is lacking
apt_get update || say "apt-get update had trouble; trying to install all the same"

packages=()
for need in "${missing[@]}"; do
  names=$(apt_packages "$need") || fail "apt has nothing that fits for $need: $(advice "$need")"
  read -r -a named <<<"$names"
  packages+=("${named[@]}")
done
apt_get install -y --no-install-recommends "${packages[@]}" ||
  fail "apt could not install ${packages[*]}: see its message above"

for need in "${missing[@]}"; do
  "has_$need" || fail "$need is still missing after installing ${packages[*]}: $(advice "$need")"
done
