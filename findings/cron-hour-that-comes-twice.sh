#!/usr/bin/env bash
# A nightly cron line on the two nights when the clocks change: one library runs it twice, and adds an hour that the line does not name.
#
# Versions: cronsim 2.8, croniter 7.0.0. Zone: Europe/Berlin (the day from tzdata: 29 March and 25 October 2026).
# Seen, "30 2 * * *" in October (02:30 comes twice): cronsim once, at the first 02:30; croniter twice, an hour apart.
# Seen, "0 */2 * * *" in March (02:00 does not come): cronsim goes on at 04:00; croniter gives 03:00 for the hour that is missing, an odd one, then 04:00.
# Why it matters: a daily import that is not written to run twice a day does so once a year; a scheduler must name what it does on both nights.
# Fails when one of the two answers otherwise.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check cronsim==2.8 croniter==7.0.0 tzdata==2025.2
cat > ask.py <<'PY'
from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

from croniter import croniter
from cronsim import CronSim

zone = ZoneInfo("Europe/Berlin")
for line, start in (("30 2 * * *", datetime(2026, 10, 24, 12, tzinfo=zone)), ("0 */2 * * *", datetime(2026, 3, 29, 0, tzinfo=zone))):
    times = croniter(line, start)
    print("cronsim ", line, *(f"{day:%d.%H:%M%z}" for day in islice(CronSim(line, start), 2)))
    print("croniter", line, *(f"{times.get_next(datetime):%d.%H:%M%z}" for _ in range(2)))
PY
env/bin/python ask.py | tee seen
diff seen - <<'EXPECTED'
cronsim  30 2 * * * 25.02:30+0200 26.02:30+0100
croniter 30 2 * * * 25.02:30+0200 25.02:30+0100
cronsim  0 */2 * * * 29.04:00+0200 29.06:00+0200
croniter 0 */2 * * * 29.03:00+0200 29.04:00+0200
EXPECTED
echo "as described"
