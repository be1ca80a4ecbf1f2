#!/usr/bin/env bash
# ray.cancel does not end a task that sleeps: its interrupt is noticed when the sleep is over.
#
# Versions: ray 2.60.0, CPython 3.
# Input: a task in `time.sleep(6)`; `ray.cancel(ref)` once it has begun, as documented for tasks that run.
# Seen: the task goes on to the end of its sleep, and then gets KeyboardInterrupt. Ray sets the interrupt inside of the interpreter, without a signal,
#   so no system call is cut short. The descriptor of `signal.set_wakeup_fd` is written to at once, by which the process can hear it.
# Why it matters: "cancelled" tasks that wait keep their worker, its memory and its place for as long as they wait.
# Fails when a sleep ends earlier. Needs Python, and room for one Ray instance.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check ray==2.60.0
cat > case.py <<'PY'
import os, sys, time
import ray

ray.init(num_cpus=1, include_dashboard=False, object_store_memory=100_000_000, log_to_driver=False, configure_logging=False)


@ray.remote(max_retries=0)
def sleeps(folder):
    open(f"{folder}/began", "w").close()
    began = time.time()
    try:
        time.sleep(6)
    finally:
        open(f"{folder}/left", "w").write(str(time.time() - began))


ref = sleeps.remote(sys.argv[1])
while not os.path.exists(f"{sys.argv[1]}/began"):
    time.sleep(0.01)
ray.cancel(ref)
try:
    ray.get(ref)
except ray.exceptions.TaskCancelledError:
    print("cancelled")
except ray.exceptions.RayTaskError:
    print("cancelled")
print("the sleep was", "whole" if float(open(f"{sys.argv[1]}/left").read()) >= 6 else "cut short")
ray.shutdown()
PY
seen=$(RAY_AUTH_MODE=disabled venv/bin/python case.py "$folder" 2> /dev/null)
venv/bin/pip list 2> /dev/null | grep -i "^ray "
printf '%s\n' "$seen"
diff <(printf '%s\n' "$seen") - <<'SEEN'
cancelled
the sleep was whole
SEEN
echo "as stated"
