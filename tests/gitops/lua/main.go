// Runs Argo CD's health scripts as Argo CD does: gopher-lua, the object as the global obj, the answer as a table.
// Input: one JSON {"script", "object"} a line. Output: one JSON {"status", "message"} a line.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	lua "github.com/yuin/gopher-lua"
)

type question struct {
	Script string `json:"script"`
	Object any    `json:"object"`
}

func table(l *lua.LState, value any) lua.LValue {
	switch v := value.(type) {
	case map[string]any:
		t := l.NewTable()
		for key, inner := range v {
			t.RawSetString(key, table(l, inner))
		}
		return t
	case []any:
		t := l.NewTable()
		for _, inner := range v {
			t.Append(table(l, inner))
		}
		return t
	case string:
		return lua.LString(v)
	case float64:
		return lua.LNumber(v)
	case bool:
		return lua.LBool(v)
	}
	return lua.LNil
}

func ask(q question) (map[string]string, error) {
	script, err := os.ReadFile(q.Script)
	if err != nil {
		return nil, err
	}
	l := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer l.Close()
	for _, open := range []lua.LGFunction{lua.OpenBase, lua.OpenTable, lua.OpenString} {
		l.Push(l.NewFunction(open))
		l.Call(0, 0)
	}
	l.SetGlobal("obj", table(l, q.Object))
	if err := l.DoString(string(script)); err != nil {
		return nil, err
	}
	answer, ok := l.Get(-1).(*lua.LTable)
	if !ok {
		return nil, fmt.Errorf("%s returned no table", q.Script)
	}
	return map[string]string{"status": answer.RawGetString("status").String(), "message": answer.RawGetString("message").String()}, nil
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var q question
		err := json.Unmarshal(lines.Bytes(), &q)
		var answer map[string]string
		if err == nil {
			answer, err = ask(q)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		json.NewEncoder(os.Stdout).Encode(answer)
	}
}
