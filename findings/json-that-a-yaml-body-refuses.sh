#!/usr/bin/env bash
# JSON is YAML, but not to Kubernetes' reader of YAML: text that Python's json.dumps writes by default is refused, or read as something else.
#
# Versions: sigs.k8s.io/yaml 1.6.0 (Go; what kubectl reads files with, and API servers bodies of application/yaml and apply-patch+yaml), any Python 3.
# Input: one JSON object each, as the body of a server-side apply may be: an emoji as Python escapes it, a slash as PHP and older JSON writers do,
#   a number that no float holds.
# Seen: "\ud83d\ude00" refused ("found invalid Unicode character escape code"), "\/" refused ("found unknown escape character"),
#   1E400 taken, as the text "1E400"; each is what encoding/json reads, or refuses.
# Why it matters: a client in Python that applies {"description": "done 🎉"} gets 400 from every API server; ensure_ascii=False is the way out.
# Fails when one of the answers changes.
set -euo pipefail
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
python3 - <<'PY'
import json

open("emoji", "w").write(json.dumps({"v": "\N{PARTY POPPER}"}))
open("slash", "w").write('{"v": "a\\/b"}')
open("large", "w").write('{"v": 1E400}')
PY
mkdir go
cat > go/main.go <<'GO'
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"sigs.k8s.io/yaml"
)

func main() {
	for _, name := range []string{"emoji", "slash", "large"} {
		text, err := os.ReadFile(name)
		if err != nil {
			panic(err)
		}
		var value map[string]any
		if err := json.Unmarshal(text, &value); err != nil {
			fmt.Printf("%s json %v\n", name, err)
		} else {
			fmt.Printf("%s json %q\n", name, value["v"])
		}
		value = nil
		if err := yaml.Unmarshal(text, &value); err != nil {
			fmt.Printf("%s yaml %v\n", name, err)
		} else {
			fmt.Printf("%s yaml %q\n", name, value["v"])
		}
	}
}
GO
(cd go && export GOPATH="$work/gopath" GOFLAGS=-mod=mod && printf 'module ask\n\ngo 1.22\n\nrequire sigs.k8s.io/yaml v1.6.0\n' > go.mod && go build -o ../ask . 2>/dev/null)
./ask | tee seen
diff seen - <<'EXPECTED'
emoji json "🎉"
emoji yaml error converting YAML to JSON: yaml: found invalid Unicode character escape code
slash json "a/b"
slash yaml error converting YAML to JSON: yaml: found unknown escape character
large json json: cannot unmarshal number 1E400 into Go value of type float64
large yaml "1E400"
EXPECTED
echo "as described"
