#!/usr/bin/env bash
# The format date-time of a CRD promises less than RFC 3339.
#
# Versions: k8s.io/kube-openapi v0.0.0-20250710124328-f3f2b991d03b, whose `strfmt` decides this in the API server (1.30 and 1.36 behave so).
# Input: strings of `type: string, format: date-time` in a custom resource.
# Seen: admitted are any character where the decimal point stands, anything behind a second T, offsets up to 99:99, the year 0.
# Why it matters: a reader that takes the format for a promise fails on objects that the API server has stored.
# Fails when a string is admitted or parsed otherwise. Needs Go.
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
cat > go.mod <<'GO'
module finding
go 1.22
GO
cat > main.go <<'GO'
package main

import (
	"fmt"
	"time"

	"k8s.io/kube-openapi/pkg/validation/strfmt"
)

func main() {
	for _, text := range []string{
		"2026-01-01T00:00:00Z", "2026-01-01T00:00:00x5Z", "2026-01-01T00:00:00\u00a05Z", "2026-01-01T00:00:00Ztomorrow",
		"2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00-99:99", "0000-01-01T00:00:00Z", "2026-01-01T00:00:60Z",
	} {
		_, err := time.Parse(time.RFC3339Nano, text)
		fmt.Printf("%q admitted=%t parses=%t\n", text, strfmt.IsDateTime(text), err == nil)
	}
}
GO
export GOFLAGS=-mod=mod
go get "k8s.io/kube-openapi@v0.0.0-20250710124328-f3f2b991d03b" > /dev/null 2>&1
go version; grep kube-openapi go.mod
seen=$(go run .)
printf '%s\n' "$seen"
diff <(printf '%s\n' "$seen") - <<'SEEN'
"2026-01-01T00:00:00Z" admitted=true parses=true
"2026-01-01T00:00:00x5Z" admitted=true parses=false
"2026-01-01T00:00:00\u00a05Z" admitted=true parses=false
"2026-01-01T00:00:00Ztomorrow" admitted=true parses=false
"2026-01-01T00:00:00+24:00" admitted=true parses=true
"2026-01-01T00:00:00-99:99" admitted=true parses=false
"0000-01-01T00:00:00Z" admitted=true parses=true
"2026-01-01T00:00:60Z" admitted=false parses=false
SEEN
echo "as stated"
