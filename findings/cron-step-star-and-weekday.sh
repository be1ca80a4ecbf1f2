#!/usr/bin/env bash
# One cron line, two calendars: a stepped star in the day of the month, beside a weekday.
#
# Versions: cronsim 2.8 and croniter 7.0.0 (Python), github.com/robfig/cron/v3 3.0.1 (Go; what the Kubernetes CronJob controller parses with).
# Input: "0 0 */2 * MON", from 1 March 2026, UTC.
# Seen: cronsim takes "*/2" for a star, so that both fields must match: the Mondays that fall on an odd day (9 March, 23 March, 13 April).
#   robfig/cron and croniter take it for a list of days, so that one of both suffices: 2, 3, 5 March.
# Why it matters: a schedule that moves from a CronJob to a scheduler built on cronsim runs a fifth as often, and nothing says so.
# Fails when one of the three answers otherwise.
set -euo pipefail
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check cronsim==2.8 croniter==7.0.0
cat > ask.py <<'PY'
from datetime import datetime, timezone
from itertools import islice

from croniter import croniter
from cronsim import CronSim

start = datetime(2026, 3, 1, tzinfo=timezone.utc)
line = "0 0 */2 * MON"
print("cronsim ", *(f"{day:%m-%d}" for day in islice(CronSim(line, start), 3)))
days = croniter(line, start)
print("croniter", *(f"{days.get_next(datetime):%m-%d}" for _ in range(3)))
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
	schedule, err := cron.ParseStandard("0 0 */2 * MON")
	if err != nil {
		panic(err)
	}
	fmt.Print("robfig  ")
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for range 3 {
		at = schedule.Next(at)
		fmt.Print(" ", at.Format("01-02"))
	}
	fmt.Println()
}
GO
(cd go && export GOPATH="$work/gopath" GOFLAGS=-mod=mod && printf 'module ask\n\ngo 1.22\n\nrequire github.com/robfig/cron/v3 v3.0.1\n' > go.mod && go build -o ../ask . 2>/dev/null)
{ env/bin/python ask.py; ./ask; } | tee seen
diff seen - <<'EXPECTED'
cronsim  03-09 03-23 04-13
croniter 03-02 03-03 03-05
robfig   03-02 03-03 03-05
EXPECTED
echo "as described"
