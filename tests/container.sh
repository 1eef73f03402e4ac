#!/bin/sh
# The Dockerfile's steps without docker: the wheel is built and installed into an environment of its
# own, the entry point runs as another user over a read-only file system with a /tmp of its own,
# answers its health check and a picture, and ends at SIGTERM. The environment's packages are those of
# the one that is given, so that nothing is fetched but what builds the wheel.
# Usage: tests/container.sh /path/to/.venv/bin        (as root; says what it leaves out)
set -eu
unset PYTHONPATH
bin=$1; source=$(pwd); work=$(mktemp -d /var/tmp/tinyseg-XXXXXX); chmod 755 "$work"
trap 'rm -rf "$work"' EXIT

mkdir "$work/source"
cp -r pyproject.toml README.md LICENSE constraints.txt src "$work/source"     # COPY
"$bin/python" -m build --wheel --outdir "$work/wheels" "$work/source" > "$work/build.log"
"$bin/python" -m venv --without-pip "$work/env"
site=$("$work/env/bin/python" -c 'import site; print(site.getsitepackages()[0])')
"$bin/python" -m pip install --quiet --no-deps --target "$site" "$work"/wheels/*.whl
"$bin/python" -c 'import site; print(site.getsitepackages()[0])' > "$site/others.pth"
"$work/env/bin/python" -c "import tinyseg; assert tinyseg.__file__.startswith('$work'), tinyseg.__file__"
"$bin/python" -c "
from pathlib import Path
from tinyseg.scenes import render_scene
from tinyseg.image import write_jpeg
write_jpeg(Path('$work/scene.jpg'), render_scene(seed=1, index=0, height=240, width=320).image)"
health=$(sed -n 's/^HEALTHCHECK.*"-c", "\(.*\)"]$/\1/p' Dockerfile | sed 's/8080/8097/')
options=$(sed -n 's/^ENTRYPOINT \["tinyseg", \(.*\)\]$/\1/p' Dockerfile | tr -d '",')
export work health options

cat > "$work/inside.sh" <<'INSIDE'
set -eu
unset PYTHONPATH
if mount --bind / / && mount -o remount,bind,ro / && mount -t tmpfs tmpfs /tmp; then
    if touch "$work/x" 2>/dev/null; then echo "the file system is not read-only"; exit 1; fi
    echo "read-only file system: yes"
else
    echo "read-only file system: not tried, mounts are not allowed here"
fi
unset PYTHONPATH
run="setpriv --reuid 10001 --regid 10001 --clear-groups env HOME=/tmp PYTHONDONTWRITEBYTECODE=1"
if ! $run "$work/env/bin/python" -c 0 2>/dev/null; then
    echo "the interpreter lies where only root may read: that one right is lent to the user"
    lent="--inh-caps +dac_read_search --ambient-caps +dac_read_search"
    run="setpriv --reuid 10001 --regid 10001 --clear-groups $lent env HOME=/tmp PYTHONDONTWRITEBYTECODE=1"
fi
cd /
$run "$work/env/bin/python" -m tinyseg $options --port 8097 --threads 1 2> /tmp/log &
pid=$!
trap 'kill $pid 2>/dev/null || :' EXIT
until $run "$work/env/bin/python" -c "$health" 2>/dev/null; do
    kill -0 $pid 2>/dev/null || { cat /tmp/log; exit 1; }
    sleep 2
done
echo "health check: passes; user $(ps -o uid= -p $pid | tr -d ' ')"
count=$(curl -sf --data-binary "@$work/scene.jpg" 'http://127.0.0.1:8097/v1/predict?plan=whole' | grep -o '"score"' | wc -l)
echo "instances of a picture: $count"; [ "$count" -gt 3 ]
kill -TERM $pid; wait $pid && echo "SIGTERM: ends with status 0"
INSIDE
unshare --mount sh "$work/inside.sh"
