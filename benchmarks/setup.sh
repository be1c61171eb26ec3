#!/bin/sh
# Install the peers, each in an environment of its own under .bench-venvs, or $BENCH_VENVS.
#
#   benchmarks/setup.sh [PYTHON]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
venvs=${BENCH_VENVS:-$here/../.bench-venvs}
python=${1:-python3}
mkdir -p "$venvs"

peer() {
    name=$1
    shift
    [ -x "$venvs/$name/bin/python" ] || "$python" -m venv "$venvs/$name"
    if "$venvs/$name/bin/python" -m pip --disable-pip-version-check install --quiet "$@"; then
        echo "$name: $*"
    else
        echo "$name: not installed" >&2
    fi
}

peer triotp   triotp==0.2.1
peer xoscar   xoscar==0.12.2
peer thespian thespian==4.0.1
peer autogen  autogen-core==0.7.5
peer machines python-statemachine==3.2.2 transitions==0.9.3
peer ray      ray==2.60.0

if command -v erlc >/dev/null 2>&1; then
    mkdir -p "$venvs/erlang"
    erlc -o "$venvs/erlang" "$here/programs/erlang_otp.erl"
    echo "Erlang: $(erl -noshell -eval 'io:format("OTP ~s", [erlang:system_info(otp_release)]), halt().')"
else
    echo "Erlang: no erlc on the PATH" >&2
fi
