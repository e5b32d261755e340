// Events of the log: who logs one has a value for each of its keys, and none is in the table in vain.

package main

import (
	"go/ast"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// eventsByVariable returns how many keys each event has, by the variable that holds it, as the tables define them.
func eventsByVariable(t *testing.T) map[string]int {
	t.Helper()
	keys := map[string]int{}
	for _, name := range goFiles(t) {
		if folder := filepath.Dir(name); folder != "master/logfile" && folder != "worker/logevent" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		ast.Inspect(parse(t, name, 0), func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || len(v.Values) != 1 {
				return true
			}
			if call, ok := v.Values[0].(*ast.CallExpr); ok && len(call.Args) == 4 {
				text, err := strconv.Unquote(call.Args[3].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				keys[v.Names[0].Name] = len(strings.Fields(text))
			}
			return true
		})
	}
	return keys
}

// valuesOf returns the event that a call logs, and how many values it has for its keys.
func valuesOf(call *ast.CallExpr) (event string, values int) {
	if f, ok := call.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Line" {
		return eventNamed(f.X), len(call.Args)
	}
	for i, arg := range call.Args {
		if event := eventNamed(arg); event != "" {
			return event, len(call.Args) - i - 1
		}
	}
	return "", 0
}

// eventNamed returns the name of an exported variable of a package of events.
func eventNamed(e ast.Expr) string {
	if s, ok := e.(*ast.SelectorExpr); ok {
		if p, ok := s.X.(*ast.Ident); ok && (p.Name == "logfile" || p.Name == "logevent") {
			return s.Sel.Name
		}
	}
	if name, ok := e.(*ast.Ident); ok && token.IsExported(name.Name) { // in the packages themselves
		return name.Name
	}
	return ""
}

func TestEventsHaveTheirValues(t *testing.T) {
	keys := eventsByVariable(t)
	if len(keys) < 100 {
		t.Fatalf("only %d events are found", len(keys))
	}
	logged := map[string]bool{}
	for _, name := range goFiles(t) {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		ast.Inspect(parse(t, name, 0), func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			event, values := valuesOf(call)
			want, known := keys[event]
			if !known || event == "" {
				return true
			}
			logged[event] = true
			if values != want && !call.Ellipsis.IsValid() {
				t.Errorf("%s logs %s with %d values for %d keys", name, event, values, want)
			}
			return true
		})
	}
	for event := range keys {
		if !logged[event] {
			t.Errorf("nothing logs %s", event)
		}
	}
}

// What the table of incidents quotes of the log is what an event says.
func TestIncidentsQuoteEvents(t *testing.T) {
	_, table, _ := strings.Cut(document(t, "packaging/doc/OPERATIONS.md"), "\n### At a glance\n")
	table, _, _ = strings.Cut(table, "\n### ")
	rows := regexp.MustCompile("(?m)^\\| [^|]* \\| log, [^|]* \\| `([^`]*)`").FindAllStringSubmatch(table, -1)
	if len(rows) < 2 {
		t.Fatalf("%d rows are about the log", len(rows))
	}
	texts := eventTexts(t)
	for _, row := range rows {
		parts := strings.Split(row[1], "…")
		if !slices.ContainsFunc(texts, func(text string) bool { return hasInOrder(text, parts) }) {
			t.Errorf("no event says %q", row[1])
		}
	}
}

// hasInOrder reports whether a text has all parts, one behind the other.
func hasInOrder(text string, parts []string) bool {
	for _, part := range parts {
		_, rest, found := strings.Cut(text, part)
		if !found {
			return false
		}
		text = rest
	}
	return true
}

// eventTexts returns what events say, with verbs for their values.
func eventTexts(t *testing.T) (texts []string) {
	t.Helper()
	for _, name := range goFiles(t) {
		if folder := filepath.Dir(name); folder != "master/logfile" && folder != "worker/logevent" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		ast.Inspect(parse(t, name, 0), func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && len(call.Args) == 4 {
				if lit, ok := call.Args[2].(*ast.BasicLit); ok && lit.Kind == token.STRING {
					text, _ := strconv.Unquote(lit.Value)
					texts = append(texts, text)
				}
			}
			return true
		})
	}
	return texts
}
