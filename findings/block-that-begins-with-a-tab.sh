#!/usr/bin/env bash
# A valid block scalar whose first line begins with a tab is refused by kubectl's YAML, and read by Python's.
#
# Versions: sigs.k8s.io/yaml v1.6.0 (what kubectl reads manifests with); PyYAML 6.0.3.
# Input: `s: |`, then lines of two blanks, a tab, and text: a source that is indented by tabs, as YAML 1.2 (8.1.1.1) allows it, because the
#   indentation is the blanks and the tab is content.
# Seen: Go: "found a tab character where an indentation space is expected"; PyYAML: the text. With the indentation said (`|2`), both give the text.
# Why it matters: a ConfigMap or Flow with a source that is indented by tabs needs the indicator, also where the specification needs none.
# Fails when either reader says otherwise. Needs Go and Python.
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

	"sigs.k8s.io/yaml"
)

func main() {
	for _, text := range []string{"s: |\n  \tx = 1\n", "s: |2\n  \tx = 1\n"} {
		var value map[string]string
		err := yaml.Unmarshal([]byte(text), &value)
		fmt.Printf("%q %q refused=%t\n", text, value["s"], err != nil)
	}
}
GO
export GOFLAGS=-mod=mod
go get "sigs.k8s.io/yaml@v1.6.0" > /dev/null 2>&1
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check PyYAML==6.0.3
go version; grep sigs.k8s.io go.mod; venv/bin/pip list 2> /dev/null | grep -i pyyaml
seen=$(go run .; venv/bin/python -c '
import yaml
for text in ("s: |\n  \tx = 1\n", "s: |2\n  \tx = 1\n"):
    print(repr(text), repr(yaml.safe_load(text)["s"]))')
printf '%s\n' "$seen"
diff <(printf '%s\n' "$seen") - <<'SEEN'
"s: |\n  \tx = 1\n" "" refused=true
"s: |2\n  \tx = 1\n" "\tx = 1\n" refused=false
's: |\n  \tx = 1\n' '\tx = 1\n'
's: |2\n  \tx = 1\n' '\tx = 1\n'
SEEN
echo "as stated"
