#!/usr/bin/env bash
# Slips of the pen that the parser of Kubernetes' CronJobs takes: a range from a star, a list with nothing in it, a date that never comes.
#
# Versions: github.com/robfig/cron/v3 3.0.1 (Go; what CronJobs are validated and scheduled with), cronsim 2.8, croniter 7.0.0 (Python).
# Seen, from 1 March 2026, UTC: "*-5 * * * *" is every minute to robfig/cron, whatever stands behind the dash; ", 3 * * *" is taken and has no next
#   time (Go's zero time); "1,,2 3 * * *" is 1 and 2; "0 0 30 2 *" has no next time either. cronsim and croniter refuse the first three;
#   the fourth cronsim refuses, and croniter takes until it is asked for a time.
# Why it matters: a CronJob with such a schedule is created without a word, and runs each minute, or never.
# Fails when one of the answers changes.
set -euo pipefail
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check cronsim==2.8 croniter==7.0.0
cat > ask.py <<'PY'
from datetime import datetime, timezone

from croniter import croniter
from cronsim import CronSim, CronSimError

START = datetime(2026, 3, 1, tzinfo=timezone.utc)
for line in ("*-5 * * * *", ", 3 * * *", "1,,2 3 * * *", "0 0 30 2 *"):
    try:
        print(line, "cronsim", f"{next(CronSim(line, START)):%m-%dT%H:%M}")
    except CronSimError:
        print(line, "cronsim refused")
    try:
        times = croniter(line, START)
    except ValueError:
        print(line, "croniter refused")
        continue
    try:
        print(line, "croniter", f"{times.get_next(datetime):%m-%dT%H:%M}")
    except ValueError:
        print(line, "croniter no time")
PY
mkdir go
cat > go/main.go <<'GO'
package main

import (
	"fmt"
	"time"

	"github.com/robfig/cron/v3"
)

func main() {
	for _, line := range []string{"*-5 * * * *", ", 3 * * *", "1,,2 3 * * *", "0 0 30 2 *"} {
		schedule, err := cron.ParseStandard(line)
		if err != nil {
			fmt.Println(line, "robfig refused")
			continue
		}
		at := schedule.Next(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
		if at.IsZero() {
			fmt.Println(line, "robfig no time")
		} else {
			fmt.Println(line, "robfig", at.Format("01-02T15:04"))
		}
	}
}
GO
(cd go && export GOPATH="$work/gopath" GOFLAGS=-mod=mod && printf 'module ask\n\ngo 1.22\n\nrequire github.com/robfig/cron/v3 v3.0.1\n' > go.mod && go build -o ../ask . 2>/dev/null)
{ env/bin/python ask.py; ./ask; } | tee seen
diff seen - <<'EXPECTED'
*-5 * * * * cronsim refused
*-5 * * * * croniter refused
, 3 * * * cronsim refused
, 3 * * * croniter refused
1,,2 3 * * * cronsim refused
1,,2 3 * * * croniter refused
0 0 30 2 * cronsim refused
0 0 30 2 * croniter no time
*-5 * * * * robfig 03-01T00:01
, 3 * * * robfig no time
1,,2 3 * * * robfig 03-01T03:01
0 0 30 2 * robfig no time
EXPECTED
echo "as described"
